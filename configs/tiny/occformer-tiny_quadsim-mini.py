# Tiny OccFormer on the mini QuadSim.
_base_ = ['../_base_/models/occformer-tiny.py', '../_base_/datasets/quadsim-mini-fusion.py', '../_base_/runs/tiny.py']
model = dict(grid={{_base_.grid}})
