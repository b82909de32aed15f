# The real QuadOcc, once it is public and converted: recorded like QuadSim, labels on the same grid.
_base_ = './quadsim.py'

data_root = '{{$ONEOCC_DATA:data}}/quadocc'
train_dataloader = dict(dataset=dict(data_root=data_root))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
