"""Operators: each one a reference in plain torch and, where a profile earned it, a faster version."""

from .deformable_attention import multi_scale_deformable_attention, multi_scale_deformable_attention_reference
from .scored_sample import scored_view_sample
from .view_sample import view_sample
from .volume_conv import conv3d_by_heights, conv3d_reference, depthwise_conv3d

__all__ = [
    'conv3d_by_heights',
    'conv3d_reference',
    'depthwise_conv3d',
    'multi_scale_deformable_attention',
    'multi_scale_deformable_attention_reference',
    'scored_view_sample',
    'view_sample',
]
