# Tiny MonoScene on the mini QuadSim: row Q0 of the tiny ablation.
_base_ = ['../_base_/models/monoscene-tiny.py', '../_base_/datasets/quadsim-mini.py', '../_base_/runs/tiny.py']
model = dict(grid={{_base_.grid}})
