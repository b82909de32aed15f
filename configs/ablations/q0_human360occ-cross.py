# Q0 on Human360Occ: nearest sampling summed over scales, dense 3D UNet.
_base_ = '../oneocc/oneocc_human360occ-cross.py'
model = dict(view_transformer=dict(_delete_=True, type='FLoSP'), neck=dict(_delete_=True, type='UNet3D'))
