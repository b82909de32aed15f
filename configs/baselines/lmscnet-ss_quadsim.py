_base_ = './lmscnet_quadsim.py'
model = dict(decode_head=dict(strides=(1, ), stride_weights=(1.0, )))
