# The tiny OneOcc on the small HumanSim, cross-map split.
_base_ = [
    '../_base_/models/oneocc-tiny-equi.py', '../_base_/datasets/humansim-mini-cross.py',
    '../_base_/schedules/tiny.py', '../_base_/tiny_runtime.py',
]
