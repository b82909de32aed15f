# Q0 on Human360Occ: nearest sampling summed over scales, dense 3D UNet.
_base_ = ['../_base_/models/oneocc.py', '../_base_/datasets/human360occ-cross.py', '../_base_/runs/full.py']
model = dict(grid={{_base_.grid}}, backbone=dict(raw=None), decode_head=dict(num_classes=10))
model['view_transformer'] = dict(_delete_=True, type='FLoSP')
model['neck'] = dict(_delete_=True, type='UNet3D')
