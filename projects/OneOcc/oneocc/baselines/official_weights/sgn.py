"""Names and kernel axes of SGN's weights -> ours, known from the state dicts alone.

Kernels of sub-manifold convolutions are stored (out, three axes, in); those of 1x1x1 are applied as rows times the
stored numbers read as (in, out). The axes are z, y, x among the seeds and x, y, z among the voxels of the points.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from .lmscnet import convert_lmscnet, to_xyz
from .voxformer import UNUSED_BY_QPN, convert_header

_SPARSE = (
    (r'layers_in\.0\.', 'shortcut.conv.'),
    (r'layers_in\.1\.', 'shortcut_norm.'),
    (r'layers\.0\.', 'first.conv.'),
    (r'layers\.1\.', 'first_norm.'),
    (r'layers\.3\.', 'second.conv.'),
    (r'layers\.4\.', 'second_norm.'),
    (r'feature_reduce\.', 'reduce.'),
    (r'fc_list\.(\d)\.0\.', r'context.\1.'),
    (r'fcs\.(\d)\.0\.', r'gates.\1.'),
    (r'fc\.0\.', 'squeeze.'),
    (r'out_fc\.', 'expand.'),
    (r'linear_output\.0\.', 'fuse.'),
    (r'linear_output\.2\.', 'out.'),
)
_GUIDANCE = (
    ('conv_block.spconv_layers.0.', 'fine.'),
    ('proj_block.', 'fine_context.'),
    ('conv_block_down.spconv_layers.0.', 'coarse.'),
    ('proj_block_down.', 'coarse_context.'),
)
_DIFFUSION = (
    (r'^conv_in\.', 'reduce.'),
    (r'^diffusion\.(\d+)\.conv_mx\.', r'blocks.\1.weigh.'),
    (r'^diffusion\.(\d+)\.conv_kx1x1\.', r'blocks.\1.paths.0.'),
    (r'^diffusion\.(\d+)\.conv_1xkx1\.', r'blocks.\1.paths.1.'),
    (r'^diffusion\.(\d+)\.conv_1x1xk\.', r'blocks.\1.paths.2.'),
    (r'^aspp\.reduce\.', 'fusion.reduce.'),
    (r'^aspp\.aspp_1\.', 'fusion.branches.0.'),
    (r'^aspp\.aspp_2\.', 'fusion.branches.1.'),
    (r'^aspp\.aspp_4\.', 'fusion.branches.2.'),
    (r'^aspp\.fusion\.', 'fusion.fuse.'),
)
_TRUNK_HEAD = 'seg_head_1_2.'
_GUIDANCE_LAYER = f'{_TRUNK_HEAD}guidance_layer.'


def is_unused(key: str) -> bool:
    """Whether the official network owns the parameter and never uses it."""
    return '.scale_selection.' in f'.{key}' or key.removeprefix('pts_header.').startswith(UNUSED_BY_QPN)


def sparse_kernel(kernel: Tensor, zyx: bool) -> Tensor:
    """(out, k, k, k, in) -> (out, in, kx, ky, kz), axes stored as z, y, x or x, y, z; other tensors are left alone."""
    if kernel.dim() != 5:
        return kernel
    if kernel.shape[1:4] == (1, 1, 1):
        out_channels, *_, in_channels = kernel.shape
        return kernel.reshape(in_channels, out_channels).T.reshape(out_channels, in_channels, 1, 1, 1).contiguous()
    return kernel.permute(0, 4, 3, 2, 1).contiguous() if zyx else kernel.permute(0, 4, 1, 2, 3).contiguous()


def convert_sparse(official: Mapping[str, Tensor], zyx: bool) -> dict[str, Tensor]:
    """State of a sparse encoder or of its context -> that of SparseFeatureEncoder or GeometryContext."""
    state = {}
    for key, value in official.items():
        if not is_unused(key):
            state[_renamed(key, _SPARSE)] = sparse_kernel(value, zyx)
    return state


def convert_guidance_block(official: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """State of the official block on seeds -> SemanticGuidanceBlock."""
    state = {f'fuse.{key}': value for key, value in _inside('fc_out.', official).items()}
    for old, new in _GUIDANCE:
        state |= _prefixed(new, convert_sparse(_inside(old, official), zyx=True))
    return state


def convert_diffusion(official: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """State of the official diffusion -> SemanticDiffusionBlock."""
    return {_renamed(key, _DIFFUSION): value for key, value in official.items()}


def convert_geometry(official: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """State of the official proposal network -> GeometryGuidance."""
    points = _inside('voxelize.', official)
    state = _prefixed('occupancy.embed.', _inside('PPmodel.', points))
    for layer in range(2):
        old = f'soft_model.conv_block.spconv_layers.{layer}.'
        state |= _prefixed(f'occupancy.encoders.{layer}.', convert_sparse(_inside(old, points), zyx=False))
    context = convert_sparse(_inside('soft_model.proj_block.', points), zyx=False)
    guidance = {key: to_xyz(value) for key, value in _inside(_GUIDANCE_LAYER, official).items()}
    trunk = {
        key: value
        for key, value in official.items()
        if not key.startswith(('voxelize.', _GUIDANCE_LAYER, *UNUSED_BY_QPN))
    }
    parts = convert_lmscnet(trunk)
    state |= _prefixed('occupancy.context.', context) | _prefixed('guidance.', guidance)
    return state | _prefixed('trunk.', parts['neck']) | _prefixed('head.', parts['heads'][2])


def convert_sgn(official: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """State of the official head -> {'neck': SGNNeck, 'head': SGNHead}.

    Raises:
        ValueError: a name that SGN does not have.
    """
    places = ('bottleneck', 'sgb', 'mlp_prior', 'sdb', 'occ_header', 'sem_header', 'ssc_header', 'pts_header')
    strange = sorted(key for key in official if key.partition('.')[0] not in places)
    if strange:
        raise ValueError(f'expected the parameters of SGN, got {strange[:5]}')
    neck = _prefixed('bottleneck.', _inside('bottleneck.', official))
    neck |= _prefixed('semantics.', convert_guidance_block(_inside('sgb.', official)))
    neck |= _prefixed('prior.', _inside('mlp_prior.', official))
    neck |= _prefixed('diffusion.', convert_diffusion(_inside('sdb.', official)))
    neck |= _prefixed('geometry.', convert_geometry(_inside('pts_header.', official)))
    head = _prefixed('occupancy.0.', convert_diffusion(_inside('occ_header.0.', official)))
    head |= _prefixed('occupancy.1.', _inside('occ_header.1.', official))
    head |= _prefixed('seed_classifier.', convert_header(_inside('sem_header.', official)))
    head |= _prefixed('classifier.', convert_header(_inside('ssc_header.', official)))
    return dict(neck=neck, head=head)


def _renamed(key: str, rules: tuple[tuple[str, str], ...]) -> str:
    for pattern, replacement in rules:
        renamed, count = re.subn(f'^{pattern.removeprefix("^")}', replacement, key)
        if count:
            return renamed
    raise ValueError(f'expected the parameters of SGN, got {key!r}')


def _inside(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}


def _prefixed(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + key: value for key, value in state.items()}
