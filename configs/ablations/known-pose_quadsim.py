# Q4 without gait compensation, the pose of the body known instead: what perfect compensation would bring.
_base_ = '../oneocc/oneocc_quadsim.py'
model = dict(view_transformer=dict(gait=None))
train_dataloader = val_dataloader = test_dataloader = dict(dataset=dict(body_pose=True))
