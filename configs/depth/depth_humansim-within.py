# Panoramic depth on HumanSim, within maps, learnt from true depth.
_base_ = ['../_base_/runs/depth.py', '../_base_/datasets/humansim-within.py', '../_base_/inputs.py']
train_dataloader = dict(dataset={{_base_.inputs.truth.train}})
val_dataloader = test_dataloader = dict(dataset={{_base_.inputs.truth.test}})
val_evaluator = test_evaluator = dict(type='DepthMetric', max_range=40.0)
