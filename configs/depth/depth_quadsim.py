# Panoramic depth on QuadSim, learnt from the ranges of LiDAR points.
_base_ = ['../_base_/runs/depth.py', '../_base_/datasets/quadsim.py', '../_base_/inputs.py']
train_dataloader = dict(dataset={{_base_.inputs.ranges.train}})
val_dataloader = test_dataloader = dict(dataset={{_base_.inputs.ranges.test}})
val_evaluator = test_evaluator = dict(type='DepthMetric', max_range=40.0)
