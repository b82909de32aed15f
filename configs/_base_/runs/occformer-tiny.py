# The tiny OccFormer and a training of minutes.
_base_ = ['../models/occformer-tiny.py', './tiny.py']
