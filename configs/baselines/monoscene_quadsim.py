# MonoScene on QuadSim (Table 2; row Q0 of Table 4).
_base_ = ['../_base_/models/monoscene.py', '../_base_/datasets/quadsim.py', '../_base_/runs/full.py']
model = dict(grid={{_base_.grid}})
