# Q0: the baseline. Panorama only, nearest sampling summed over scales, dense 3D UNet.
_base_ = '../oneocc/oneocc_quadsim.py'
model = dict(backbone=dict(raw=None), view_transformer=dict(_delete_=True, type='FLoSP'))
model['neck'] = dict(_delete_=True, type='UNet3D')
