"""State dicts of the official repositories -> state dicts of OccupancySegmentor.

Pure renaming and axis permutation; the file is read, checked and written by
`tools/model_converters/import_official.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .camera_networks import rename_occformer, rename_query_proposals, rename_sgn, rename_voxformer
from .lmscnet import convert_lmscnet, convert_sscnet
from .monoscene import convert_state_dict
from .monoscene_image import convert_image_network

UNUSED_SHORTCUT = 'a shortcut of a bottleneck of stride 1, which the official network owns and never calls'
BOOK_KEEPING = 'not a part of the network (loss, metric or other book-keeping of the training)'

# Lightning up to 1.4 files the state of its checkpoint callback under the class itself
BOOK_KEEPING_CLASSES = ('pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint',)
_LMSCNET_STRIDES = {'lmscnet': {1, 2, 4, 8}, 'lmscnet-ss': {1}}
_SSCNET_CLASSIFIER = {'sscnet': 'conv_classes.', 'sscnet-full': 'deconv_classes.'}
_WRAPPERS = ('model', 'state_dict')


@dataclass(frozen=True)
class ImportedWeights:
    """Weights under our names.

    Attributes:
        state_dict: entries of an OccupancySegmentor, float32.
        dropped: {official name: why it has no place in ours}.
    """

    state_dict: dict[str, Tensor]
    dropped: dict[str, str] = field(default_factory=dict)


def unwrap(content: object) -> dict[str, Tensor]:
    """The state dict inside what an official repository saves.

    LMSCNet's keeps it under 'model', Lightning under 'state_dict'; a bare one is taken as it is. The
    prefix 'module.' of a network on several devices is removed.

    Raises:
        ValueError: there is no dict of tensors.
    """
    state = content
    for name in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(name), Mapping):
            state = content[name]
    wanted = f'expected a state dict, bare or under one of {_WRAPPERS}'
    if not isinstance(state, Mapping):
        raise ValueError(f'{wanted}, got {type(state).__name__}')
    tensors = {str(key).removeprefix('module.'): value for key, value in state.items() if torch.is_tensor(value)}
    if not tensors or len(tensors) < len(state):
        raise ValueError(f'{wanted}, got {sorted(map(str, state))[:10]}')
    return tensors


def import_official(method: str, content: object) -> ImportedWeights:
    """Convert what the official repository of a method saves.

    Args:
        method: one of METHODS.
        content: the loaded file.

    Raises:
        ValueError: the weights are not those of the method.
    """
    if method not in METHODS:
        raise ValueError(f'method: expected one of {sorted(METHODS)}, got {method!r}')
    imported = METHODS[method](method, unwrap(content))
    return ImportedWeights(
        {key: value.float() if value.is_floating_point() else value for key, value in imported.state_dict.items()},
        imported.dropped,
    )


def _import_lmscnet(method: str, official: Mapping[str, Tensor]) -> ImportedWeights:
    """Weights of LMSCNet and LMSCNet-SS."""
    parts = convert_lmscnet(official)
    if set(parts['heads']) != _LMSCNET_STRIDES[method]:
        raise ValueError(
            f'{method} has heads at the strides {sorted(_LMSCNET_STRIDES[method])}, but these '
            f'weights have them at {sorted(parts["heads"])}'
        )
    state = _prefixed('neck.', parts['neck'])
    for stride, head in parts['heads'].items():
        state |= _prefixed(f'decode_head.classifiers.{stride}.', head)
    return ImportedWeights(state)


def _import_sscnet(method: str, official: Mapping[str, Tensor]) -> ImportedWeights:
    """Weights of SSCNet and SSCNet-full."""
    parts = convert_sscnet(official)
    classifier = _SSCNET_CLASSIFIER[method]
    if not parts['head'] or not all(key.startswith(classifier) for key in parts['head']):
        raise ValueError(
            f'{method} ends with {classifier[:-1]!r}, but these weights end with '
            f'{sorted({key.partition(".")[0] for key in parts["head"]})}'
        )
    return ImportedWeights(_prefixed('neck.', parts['neck']) | _prefixed('decode_head.', parts['head']))


def _import_monoscene(method: str, official: Mapping[str, Tensor]) -> ImportedWeights:
    """Weights of MonoScene: image network, 3D network, head."""
    images, volumes = _inside('net_rgb.', official), _inside('net_3d_decoder.', official)
    if not images or not volumes:
        raise ValueError(
            f"{method} holds 'net_rgb.*' and 'net_3d_decoder.*', but these weights begin with "
            f'{sorted({key.partition(".")[0] for key in official})}'
        )
    image_state, image_dropped = convert_image_network(images)
    volume_state, unused = convert_state_dict(volumes)
    head = _inside('head.', volume_state)
    neck = {key: value for key, value in volume_state.items() if not key.startswith('head.')}
    dropped = {key: BOOK_KEEPING for key in official if not key.startswith(('net_rgb.', 'net_3d_decoder.'))}
    dropped |= {f'net_rgb.{key}': reason for key, reason in image_dropped.items()}
    dropped |= {f'net_3d_decoder.{key}': UNUSED_SHORTCUT for key in unused}
    return ImportedWeights(
        _prefixed('backbone.', image_state) | _prefixed('neck.', neck) | _prefixed('decode_head.classifiers.1.', head),
        dropped,
    )


def _import_camera(method: str, official: Mapping[str, Tensor]) -> ImportedWeights:
    """Weights of VoxFormer's two stages, of SGN and of OccFormer."""
    return ImportedWeights(*_CAMERA[method](official))


def _prefixed(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same entries, `prefix` before every name."""
    return {prefix + key: value for key, value in state.items()}


def _inside(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The entries whose names begin with `prefix`, without it."""
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}


_CAMERA = {
    'occformer': rename_occformer,
    'sgn': rename_sgn,
    'voxformer': rename_voxformer,
    'voxformer-proposals': rename_query_proposals,
}
METHODS: dict[str, Callable[[str, Mapping[str, Tensor]], ImportedWeights]] = {
    'monoscene': _import_monoscene,
    'lmscnet': _import_lmscnet,
    'lmscnet-ss': _import_lmscnet,
    'sscnet': _import_sscnet,
    'sscnet-full': _import_sscnet,
    **dict.fromkeys(_CAMERA, _import_camera),
}
