# The light variant on HumanSim, within-map split.
_base_ = [
    '../_base_/models/oneocc-light-equi.py', '../_base_/datasets/humansim-within.py',
    '../_base_/schedules/monoscene-30e.py', '../_base_/default_runtime.py',
]
