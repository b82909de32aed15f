# Q3: Q4 without AMoE-3D and its injections; the cylindrical grid is folded into the Cartesian volume at level 1.
_base_ = '../tiny/oneocc-tiny-band_quadsim-mini.py'
model = dict(view_transformer=dict(injection='volume'), neck=dict(_delete_=True, type='UNet3D'))
