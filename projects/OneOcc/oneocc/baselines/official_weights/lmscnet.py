"""Names and axis order of LMSCNet's published weights (cv-rits/LMSCNet, commit 22cf9ef) -> ours.

Covers LMSCNet, LMSCNet-SS, SSCNet and SSCNet-full. There 3D kernels are stored (z, x, y), here (x, y, z).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from .monoscene import convert_state_dict as convert_head

_TRUNK = (
    (r'^Encoder_block1\.(\d)\.', lambda m: f'encoder.0.{int(m[1])}.'),
    # from the second block on a pooling layer comes first
    (r'^Encoder_block([234])\.(\d)\.', lambda m: f'encoder.{int(m[1]) - 1}.{int(m[2]) - 1}.'),
    (r'^conv_out_scale_1_(\d)\.', r'out_\1.'),
    (r'^conv1_([124])\.', r'fuse_\1.'),
    (r'^deconv_1_(\d)__1_(\d)\.', r'up_\1_to_\2.'),
    (r'^deconv1_(\d)\.', lambda m: f'up_{m[1]}_to_{int(m[1]) // 2}.'),
)


def to_xyz(kernel: Tensor) -> Tensor:
    """Kernel axes (out, in, z, x, y) -> (out, in, x, y, z); other tensors are left alone."""
    return kernel.permute(0, 1, 3, 4, 2).contiguous() if kernel.dim() == 5 else kernel


def convert_lmscnet(official: Mapping[str, Tensor]) -> dict[str, dict]:
    """State dict of LMSCNet or LMSCNet-SS -> {'neck': trunk, 'heads': {stride: ASPP head}}."""
    trunk: dict[str, Tensor] = {}
    heads: dict[int, dict[str, Tensor]] = {}
    for key, value in official.items():
        match = re.match(r'^seg_head_1_(\d)\.(.*)', key)
        if match:
            heads.setdefault(int(match[1]), {})[match[2]] = to_xyz(value)
            continue
        for pattern, replacement in _TRUNK:
            renamed, count = re.subn(pattern, replacement, key)
            if count:
                trunk[renamed] = value
                break
        else:
            raise ValueError(f'expected the parameters of LMSCNet, got {key!r}')
    return {'neck': trunk, 'heads': {stride: convert_head(state)[0] for stride, state in heads.items()}}


def convert_sscnet(official: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """State dict of SSCNet or SSCNet-full -> {'neck': trunk, 'head': classifier}."""
    parts: dict[str, dict[str, Tensor]] = {'neck': {}, 'head': {}}
    for key, value in official.items():
        parts['head' if 'classes' in key else 'neck'][key] = to_xyz(value)
    return parts
