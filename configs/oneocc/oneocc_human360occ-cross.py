# OneOcc on Human360Occ, cross-city split: Table 3, H3O-Heter.
_base_ = [
    '../_base_/models/oneocc-equi.py', '../_base_/datasets/human360occ-cross.py',
    '../_base_/schedules/monoscene-30e.py', '../_base_/default_runtime.py',
]
