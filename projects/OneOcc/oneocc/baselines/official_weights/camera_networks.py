"""Whole checkpoints of VoxFormer, SGN and OccFormer under the names of an OccupancySegmentor.

The names of their parts are those that detectors of mmdet3d have (`img_backbone`, `img_neck`, `pts_bbox_head`) and, for
OccFormer, those of BEVDepth (`img_view_transformer`, `img_bev_encoder_backbone`, `img_bev_encoder_neck`).
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from .occformer import convert_pixel_decoder, convert_query_decoder
from .sgn import convert_sgn, is_unused
from .voxformer import convert_query_proposals, convert_voxformer

Renamed = tuple[dict[str, Tensor], dict[str, str]]  # entries of ours, {official name: why it was dropped}

UNUSED_STAGE = 'the fourth stage of ResNet, which the official network builds and never reads'
UNUSED_EMBEDDING = 'embeddings of the self-attention, which has neither levels nor views'
UNUSED_LAYER = 'a layer that the official network owns and never calls'
UNUSED_DECONVOLUTION = 'a transposed convolution that the official network owns and never calls'
NO_CAMERA_VECTOR = 'what gates the features by the camera: panoramas are all alike'
PINHOLE_FRUSTUM = 'the frustum of pinhole cameras'
NO_PART = 'not a part of the network (loss or other book-keeping of the training)'
_QPN_ENTRY = 'Encoder_block1.'
_GATES = ('bn.', 'depth_mlp.', 'depth_se.', 'context_mlp.', 'context_se.')
_QUERY_DECODER = ('transformer_decoder.', 'query_embed.', 'query_feat.', 'level_embed.', 'cls_embed.', 'mask_embed.')


def rename_query_proposals(official: Mapping[str, Tensor]) -> Renamed:
    """VoxFormer's stage 1, whatever its detector calls it.

    Raises:
        ValueError: no LMSCNet inside.
    """
    entry = next((key for key in official if _QPN_ENTRY in key), None)
    if entry is None:
        raise ValueError(f'expected the parameters of LMSCNet, {_QPN_ENTRY}* among them, got {_beginnings(official)}')
    prefix = entry[: entry.index(_QPN_ENTRY)]
    network, rest = _inside(prefix, official), [key for key in official if not key.startswith(prefix)]
    state = convert_query_proposals(network)
    dropped = {
        f'{prefix}{key}': UNUSED_DECONVOLUTION
        for key in network
        if key.startswith(('deconv_1_8__1_1', 'deconv_1_4__1_1'))
    }
    return _prefixed('neck.', state), dropped | dict.fromkeys(rest, NO_PART)


def rename_voxformer(official: Mapping[str, Tensor]) -> Renamed:
    """VoxFormer's stage 2, S or T; the queries of stage 1 are files there, so no proposal network is set.

    Raises:
        ValueError: a part is missing, or a name that VoxFormer does not have.
    """
    parts = _parts(official, ('img_backbone', 'img_neck', 'pts_bbox_head'))
    state, dropped = _image_network(parts)
    head = convert_voxformer(parts['pts_bbox_head'])
    unused = [f'self_transformer.{name}' for name in ('level_embeds', 'cams_embeds')]
    dropped |= {f'pts_bbox_head.{name}': UNUSED_EMBEDDING for name in unused if name in parts['pts_bbox_head']}
    state |= _prefixed('view_transformer.queries.', head['queries'])
    state |= _prefixed('view_transformer.encoder.', head['cross'])
    return state | _prefixed('neck.encoder.', head['self']) | _prefixed(
        'decode_head.classifier.', head['head']
    ), dropped


def rename_sgn(official: Mapping[str, Tensor]) -> Renamed:
    """SGN-S or -T, whose names and shapes are the same.

    Raises:
        ValueError: a part is missing, or a name that SGN does not have.
    """
    parts = _parts(official, ('img_backbone', 'img_neck', 'pts_bbox_head'))
    state, dropped = _image_network(parts)
    head = convert_sgn(parts['pts_bbox_head'])
    dropped |= {f'pts_bbox_head.{key}': UNUSED_LAYER for key in parts['pts_bbox_head'] if is_unused(key)}
    return state | _prefixed('neck.', head['neck']) | _prefixed('decode_head.', head['head']), dropped


def rename_occformer(official: Mapping[str, Tensor]) -> Renamed:
    """OccFormer; what its depth network knows of pinhole cameras has no place in a panorama's.

    Raises:
        ValueError: a part is missing.
    """
    names = ('img_backbone', 'img_neck', 'img_view_transformer', 'img_bev_encoder_backbone', 'img_bev_encoder_neck')
    parts = _parts(official, (*names, 'pts_bbox_head'))
    state, dropped = {}, {}
    for key, value in parts['img_view_transformer'].items():
        within = key.removeprefix('depth_net.')
        if within == key:
            dropped[f'img_view_transformer.{key}'] = PINHOLE_FRUSTUM
        elif within.startswith(_GATES):
            dropped[f'img_view_transformer.{key}'] = NO_CAMERA_VECTOR
        else:
            state[f'view_transformer.{key}'] = value
    head = parts['pts_bbox_head']
    decoder = {key: value for key, value in head.items() if key.startswith(_QUERY_DECODER)}
    dropped |= {f'pts_bbox_head.{key}': NO_PART for key in head if key not in decoder}
    state |= _prefixed('backbone.backbone.', parts['img_backbone']) | _prefixed('backbone.neck.', parts['img_neck'])
    state |= _prefixed('neck.encoder.', parts['img_bev_encoder_backbone'])
    state |= _prefixed('neck.pixel_decoder.', convert_pixel_decoder(parts['img_bev_encoder_neck']))
    return state | _prefixed('decode_head.decoder.', convert_query_decoder(decoder)), dropped


def _image_network(parts: Mapping[str, Mapping[str, Tensor]]) -> Renamed:
    """ResNet up to its third stage and an FPN of one level, as VoxFormer and SGN have them."""
    image = {key: value for key, value in parts['img_backbone'].items() if not key.startswith('layer4.')}
    dropped = {f'img_backbone.{key}': UNUSED_STAGE for key in parts['img_backbone'] if key not in image}
    neck = {
        key.replace('lateral_convs.0.conv.', 'bottleneck.').replace('fpn_convs.0.conv.', 'heads.16.'): value
        for key, value in parts['img_neck'].items()
    }
    return _prefixed('backbone.backbone.', image) | _prefixed('backbone.', neck), dropped


def _parts(official: Mapping[str, Tensor], names: tuple[str, ...]) -> dict[str, dict[str, Tensor]]:
    """The entries of every part; ValueError unless all are there and nothing else is."""
    parts = {name: _inside(f'{name}.', official) for name in names}
    others = [key for key in official if key.partition('.')[0] not in names]
    if others or not all(parts.values()):
        raise ValueError(f'expected the parts {names}, got {_beginnings(official)}')
    return parts


def _beginnings(official: Mapping[str, Tensor]) -> list[str]:
    return sorted({key.partition('.')[0] for key in official})[:20]


def _prefixed(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + key: value for key, value in state.items()}


def _inside(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
