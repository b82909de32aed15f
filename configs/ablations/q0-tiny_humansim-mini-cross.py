# Q0 on the small HumanSim, cross-map split.
_base_ = '../tiny/oneocc-tiny_humansim-mini-cross.py'
model = dict(view_transformer=dict(_delete_=True, type='FLoSP'), neck=dict(_delete_=True, type='UNet3D'))
