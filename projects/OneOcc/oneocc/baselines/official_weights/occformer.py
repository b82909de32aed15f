"""State dicts of OccFormer's parts under our names; its encoder and depth network keep theirs.

Official code: github.com/zhangyp15/OccFormer (Apache-2.0).
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

_DECODER = (
    ('.attentions.0.', '.cross_attn.'),
    ('.attentions.1.', '.self_attn.'),
    ('.ffns.0.', '.ffn.'),
)
_PIXEL_DECODER = (
    ('encoder.layers.', 'layers.'),
    ('.attentions.0.', '.attention.'),
    ('.ffns.0.', '.ffn.'),
    ('lateral_convs.0.', 'lateral_conv.'),
    ('output_convs.0.', 'output_conv.'),
)


def _renamed(state: Mapping[str, Tensor], rules: tuple[tuple[str, str], ...]) -> dict[str, Tensor]:
    renamed = {}
    for key, value in state.items():
        for old, new in rules:
            key = key.replace(old, new)
        renamed[key] = value
    return renamed


def convert_pixel_decoder(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Names of MSDeformAttnPixelDecoder3D -> those of PixelDecoder3D."""
    return _renamed(state, _PIXEL_DECODER)


def convert_query_decoder(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Names of Mask2FormerOccHead -> those of QueryDecoder."""
    return _renamed(state, _DECODER)
