# The tiny VoxFormer-S and a training of minutes.
_base_ = ['../models/voxformer-s-tiny.py', './tiny.py']
