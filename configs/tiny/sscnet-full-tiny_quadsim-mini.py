_base_ = './sscnet-tiny_quadsim-mini.py'
model = dict(decode_head=dict(full=True))
