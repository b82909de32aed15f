# OneOcc on QuadSim, QuadOcc's synthetic twin.
_base_ = [
    '../_base_/models/oneocc.py', '../_base_/datasets/quadsim.py',
    '../_base_/schedules/monoscene-30e.py', '../_base_/default_runtime.py',
]
