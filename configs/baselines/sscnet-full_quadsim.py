_base_ = './sscnet_quadsim.py'
model = dict(decode_head=dict(full=True))
