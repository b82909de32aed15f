# Tiny OccFormer on the mini HumanSim, across maps: panorama alone; true depth in training.
_base_ = ['../_base_/runs/occformer-tiny.py', '../_base_/datasets/humansim-mini-cross.py', '../_base_/inputs.py']
model = dict(grid={{_base_.grid}}, decode_head=dict(num_classes=10))
train_dataloader = dict(dataset={{_base_.inputs.true_depth.train}})
val_dataloader = test_dataloader = dict(dataset={{_base_.inputs.true_depth.test}})
