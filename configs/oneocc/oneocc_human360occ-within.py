# OneOcc on Human360Occ, within-city split: Table 3, H3O-Homo.
_base_ = [
    '../_base_/models/oneocc-equi.py', '../_base_/datasets/human360occ-within.py',
    '../_base_/schedules/monoscene-30e.py', '../_base_/default_runtime.py',
]
