# The tiny SGN-S and a training of minutes.
_base_ = ['../models/sgn-s-tiny.py', './tiny.py']
