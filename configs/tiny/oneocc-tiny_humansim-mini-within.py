# The tiny OneOcc on the small HumanSim, within-map split.
_base_ = [
    '../_base_/models/oneocc-tiny-equi.py', '../_base_/datasets/humansim-mini-within.py',
    '../_base_/schedules/tiny.py', '../_base_/tiny_runtime.py',
]
