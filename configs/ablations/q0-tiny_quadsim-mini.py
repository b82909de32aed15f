# Q0: the baseline. Panorama only, nearest sampling summed over scales, dense 3D UNet.
_base_ = '../tiny/oneocc-tiny-band_quadsim-mini.py'
model = dict(backbone=dict(raw=None), view_transformer=dict(_delete_=True, type='FLoSP'))
model['neck'] = dict(_delete_=True, type='UNet3D')
