"""Names of MonoScene's published 2D weights -> names of our PanoramaEncoder.

The official encoder is `tf_efficientnet_b7_ns` of rwightman/gen-efficientnet-pytorch, ours mmdet's
EfficientNet; the decoder is that of astra-vision/MonoScene (commit f52bbb1).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

_ENCODER = 'encoder.original_model.'
# stages of the official encoder that mmdet keeps in one layer: (layer, stages); a layer is a stride
_LAYERS = ((1, (0,)), (2, (1,)), (3, (2,)), (4, (3, 4)), (5, (5, 6)))
_NORM = r'(weight|bias|running_mean|running_var|num_batches_tracked)'
# inside a block that first widens its channels, and inside one that does not (the first stage)
_WIDENING = {
    'conv_pw': 'expand_conv.conv',
    'bn1': 'expand_conv.bn',
    'conv_dw': 'depthwise_conv.conv',
    'bn2': 'depthwise_conv.bn',
    'conv_pwl': 'linear_conv.conv',
    'bn3': 'linear_conv.bn',
}
_PLAIN = {
    'conv_dw': 'depthwise_conv.conv',
    'bn1': 'depthwise_conv.bn',
    'conv_pw': 'linear_conv.conv',
    'bn2': 'linear_conv.bn',
}
_SQUEEZE = {'se.conv_reduce': 'se.conv1.conv', 'se.conv_expand': 'se.conv2.conv'}
# position in the official Sequential of an up-block -> (our convolution, our part of it)
_UP = {'0': (0, 'conv'), '1': (0, 'bn'), '3': (1, 'conv'), '4': (1, 'bn')}

UNUSED_NORM = 'the decoder reads the last convolution of the encoder before this norm, so nothing uses it'
UNUSED_SCALE = 'the features at 1/16 are computed and never lifted'
UNUSED_CLASSIFIER = "the encoder's classifier is not part of MonoScene"
ABSORBED_BIAS = 'a bias in front of a batch norm: subtracted from the running mean of that norm'


def _stage_lengths(official: Mapping[str, Tensor]) -> dict[int, int]:
    """{stage: number of its blocks}."""
    lengths: dict[int, int] = {}
    for key in official:
        if match := re.match(rf'{re.escape(_ENCODER)}blocks\.(\d)\.(\d+)\.', key):
            stage, block = int(match[1]), int(match[2])
            lengths[stage] = max(lengths.get(stage, 0), block + 1)
    return lengths


def _encoder_name(key: str, official: Mapping[str, Tensor], lengths: Mapping[int, int]) -> str | None:
    """Our name of an encoder's entry, None for one that we do not know."""
    if match := re.fullmatch(rf'(conv_stem|bn1)\.{_NORM}', key):
        return f'backbone.layers.0.{"conv" if match[1] == "conv_stem" else "bn"}.{match[2]}'
    if key == 'conv_head.weight':
        return 'bottleneck.0.weight'
    match = re.fullmatch(rf'blocks\.(\d)\.(\d+)\.([\w.]+)\.{_NORM}', key)
    if not match:
        return None
    stage, block, part, leaf = int(match[1]), int(match[2]), match[3], match[4]
    widening = f'{_ENCODER}blocks.{stage}.{block}.conv_pwl.weight' in official
    renamed = (_SQUEEZE | (_WIDENING if widening else _PLAIN)).get(part)
    for layer, stages in _LAYERS:
        if renamed and stage in stages:
            position = block + sum(lengths[earlier] for earlier in stages if earlier < stage)
            return f'backbone.layers.{layer}.{position}.{renamed}.{leaf}'
    return None


def _decoder_name(key: str) -> str | None:
    if match := re.fullmatch(r'conv2\.(weight|bias)', key):
        return f'bottleneck.1.{match[1]}'
    if match := re.fullmatch(r'resize_output_1_(\d+)\.(weight|bias)', key):
        return f'heads.{match[1]}.{match[2]}'
    match = re.fullmatch(rf'up(\d+)\._net\.([0134])\.{_NORM}', key)
    if not match:
        return None
    index, part = _UP[match[2]]
    return f'up_blocks.{match[1]}.convs.{index}.{part}.{match[3]}'


def _reason_to_drop(key: str) -> str | None:
    if key.startswith(f'{_ENCODER}bn2.'):
        return UNUSED_NORM
    if key.startswith(f'{_ENCODER}classifier.'):
        return UNUSED_CLASSIFIER
    if key.startswith('decoder.resize_output_1_16.'):
        return UNUSED_SCALE
    if re.fullmatch(r'decoder\.up\d+\._net\.[03]\.bias', key):
        return ABSORBED_BIAS
    return None


def convert_image_network(official: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Rename MonoScene's 2D weights.

    A convolution of our up-blocks has no bias because a batch norm follows: norm(x + bias) with the mean m
    equals norm(x) with the mean m - bias.

    Args:
        official: the state dict of `net_rgb`.

    Returns:
        The tensors under the names of PanoramaEncoder, and {official name: why it was dropped}.

    Raises:
        ValueError: an entry that belongs to no known part.
    """
    lengths = _stage_lengths(official)
    renamed: dict[str, Tensor] = {}
    dropped: dict[str, str] = {}
    for key, value in official.items():
        if reason := _reason_to_drop(key):
            dropped[key] = reason
            continue
        if key.startswith(_ENCODER):
            name = _encoder_name(key.removeprefix(_ENCODER), official, lengths)
        else:
            name = _decoder_name(key.removeprefix('decoder.'))
        if name is None:
            raise ValueError(f"expected the parameters of MonoScene's 2D network, got {key!r}")
        renamed[name] = value
    for key in (key for key, reason in dropped.items() if reason == ABSORBED_BIAS):
        name = _decoder_name(key.removeprefix('decoder.'))
        assert name is not None  # only entries of up-blocks are absorbed
        _absorb(renamed, name, official[key])
    return renamed, dropped


def _absorb(renamed: dict[str, Tensor], name: str, bias: Tensor) -> None:
    """Shift the running mean of the norm behind the convolution whose bias has this name. The bias is (C,)."""
    mean = name.removesuffix('conv.bias') + 'bn.running_mean'
    if mean not in renamed:
        raise ValueError(f'expected the running mean of the norm behind {name!r}, but it is not there')
    renamed[mean] = renamed[mean].to(torch.float32) - bias.to(torch.float32)
