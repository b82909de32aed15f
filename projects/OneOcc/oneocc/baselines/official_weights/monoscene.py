"""Names of MonoScene's published 3D weights -> names of ours.

Covers both layouts of UNet3D, head and context prior of astra-vision/MonoScene (commit f52bbb1). Every
parameter that the official network owns but never uses is dropped, and named.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

# (pattern, replacement): all that match are applied, in this order
_BLOCKS = (
    # dimension-decomposed bottleneck: conv k and bn k become one Sequential
    (r'\bconv1\.(?=weight)', 'reduce.0.'),
    (r'\bbn1\.(?!\d)', 'reduce.1.'),
    (r'\bconv2\.(?=weight)', 'along_z.0.'),
    (r'\bbn2\.(?!\d)', 'along_z.1.'),
    (r'\bconv3\.(?=weight)', 'along_y.0.'),
    (r'\bbn3\.', 'along_y.1.'),
    (r'\bconv4\.(?=weight)', 'along_x.0.'),
    (r'\bbn4\.', 'along_x.1.'),
    (r'\bconv5\.(?=weight)', 'expand.0.'),
    (r'\bbn5\.', 'expand.1.'),
    (r'\bdownsample\.(?=\d)', 'shortcut.'),
    (r'\bdownsample2\.', 'carry_z_over_y.'),
    (r'\bdownsample3\.', 'carry_z_over_x.'),
    (r'\bdownsample4\.', 'carry_y_over_x.'),
    # dilated branches
    (r'\bconv1\.(\d)\.', r'branches.\1.0.'),
    (r'\bbn1\.(\d)\.', r'branches.\1.1.'),
    (r'\bconv2\.(\d)\.', r'branches.\1.3.'),
    (r'\bbn2\.(\d)\.', r'branches.\1.4.'),
    # context relation prior
    (r'\bmega_context\.0\.', 'mega_context.'),
    (r'\bcontext_prior_logits\.(\d)\.0\.', r'relation_logits.\1.'),
    (r'\bresize\.0\.', 'fuse.0.'),
    (r'\bresize\.1\.main\.0\.', 'fuse.1.'),
    # segmentation head
    (r'\bconv0\.', 'reduce.'),
    (r'\bconv_classes\.', 'classify.'),
)
_STAGES = (
    (r'\bprocess_l(\d)\.0\.main\.', r'process_\1.'),
    (r'\bprocess_l(\d)\.1\.main\.', r'down_\1.'),
    (r'\bup_13_l2\.main\.', 'up_2.'),
    (r'\bup_12_l1\.main\.', 'up_1.'),
    (r'\bup_l1_lfull\.main\.', 'up_full.'),
    # the same stages in the layout for NYU, which are named by strides
    (r'\bprocess_1_4\.0\.main\.', 'process_1.'),
    (r'\bprocess_1_4\.1\.main\.', 'down_1.'),
    (r'\bprocess_1_8\.0\.main\.', 'process_2.'),
    (r'\bprocess_1_8\.1\.main\.', 'down_2.'),
    (r'\bup_1_16_1_8\.main\.', 'up_2.'),
    (r'\bup_1_8_1_4\.main\.', 'up_1.'),
    (r'\bCP_mega_voxels\.', 'context_prior.'),
    # the lone ASPP and Process of a head or of a block
    (r'^main\.', ''),
)
_HEAD = re.compile(r'^ssc_head(_1_4)?\.')


def _rename(key: str) -> str:
    for pattern, replacement in _STAGES + _BLOCKS:
        key = re.sub(pattern, replacement, key)
    return key


def _unused(key: str, keys: Mapping[str, Tensor]) -> bool:
    """Whether the key is a shortcut of a bottleneck of stride 1, which the official net never calls."""
    match = re.match(r'(.*)\bdownsample[234]\.', key)
    return match is not None and f'{match.group(1)}downsample.1.weight' not in keys


def convert_state_dict(official: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """Rename MonoScene's 3D weights.

    Args:
        official: state dict of an official UNet3D or of one of its blocks; the `ssc_head.` (KITTI) or
            `ssc_head_1_4.` (NYU) inside it becomes `head.`.

    Returns:
        The renamed tensors, and the official names that were dropped because nothing uses them.
    """
    renamed: dict[str, Tensor] = {}
    dropped: list[str] = []
    for key, value in official.items():
        if _unused(key, official):
            dropped.append(key)
            continue
        rest = _HEAD.sub('', key)
        prefix = 'head.' if rest != key else ''
        name = _rename(rest)
        is_head = prefix or 'conv_classes.weight' in official
        if is_head and name.startswith('branches.'):
            name = f'context.{name}'
        renamed[prefix + name] = value
    return renamed, dropped
