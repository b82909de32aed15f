# Q4: everything; this is OneOcc. The rows below it take away.
_base_ = '../oneocc/oneocc_quadsim.py'
