# Q4: everything; this is OneOcc. The rows below it take away.
_base_ = '../tiny/oneocc-tiny-band_quadsim-mini.py'
