# OneOcc on HumanSim, Human360Occ's synthetic twin, within-map split.
_base_ = [
    '../_base_/models/oneocc-equi.py', '../_base_/datasets/humansim-within.py',
    '../_base_/schedules/monoscene-30e.py', '../_base_/default_runtime.py',
]
