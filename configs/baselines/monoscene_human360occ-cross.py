# MonoScene on the real Human360Occ, cross-city split (Table 3).
_base_ = [
    '../_base_/models/monoscene.py', '../_base_/datasets/human360occ-cross.py',
    '../_base_/schedules/monoscene-30e.py', '../_base_/default_runtime.py']

model = dict(
    view_transformer=dict(grid={{_base_.label_grid}}),
    decode_head=dict(num_classes=10))
