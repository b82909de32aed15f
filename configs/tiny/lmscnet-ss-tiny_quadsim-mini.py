_base_ = './lmscnet-tiny_quadsim-mini.py'
model = dict(decode_head=dict(strides=(1, ), stride_weights=(1.0, )))
