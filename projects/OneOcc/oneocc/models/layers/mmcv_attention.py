"""mmcv's compiled deformable attention behind the signature of `core.ops.multi_scale_deformable_attention`.

On a GPU with an mmcv that was built for it this is its CUDA kernel, elsewhere its function of plain torch, which the
tests compare with ours. It is asked for by `attention_op='mmcv'` of a part; the default needs nothing compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ....core.ops import multi_scale_deformable_attention

ATTENTION_OPS = ('torch', 'mmcv')


def attention_op(name: str) -> Callable[..., Tensor]:
    """The function of this name, which returns (B, Q, M * C); ValueError on another name."""
    if name not in ATTENTION_OPS:
        raise ValueError(f'attention_op: expected one of {ATTENTION_OPS}, got {name!r}')
    return multi_scale_deformable_attention if name == 'torch' else mmcv_deformable_attention


def mmcv_deformable_attention(
    value: Tensor,
    shapes: Sequence[Sequence[int]],
    locations: Tensor,
    weights: Tensor,
    wrap: bool = False,
    azimuth_axis: int = -1,
) -> Tensor:
    """`multi_scale_deformable_attention` on maps, by mmcv; the same arguments.

    The kernel knows no seam: a level that goes round gets its last column before its first one and its first one behind
    its last one, and locations are turned into the circle.

    Returns:
        (B, Q, M * C) float32.

    Raises:
        ValueError: volumes, or an axis that goes round other than the width.
    """
    if locations.shape[-1] != 2 or (wrap and azimuth_axis % 2 != 1):
        raise ValueError(
            f'mmcv_deformable_attention: expected maps that go round along their width, got {locations.shape[-1]} axes '
            f'and azimuth_axis={azimuth_axis}'
        )
    with torch.autocast(value.device.type, enabled=False):
        value, locations, weights = value.float(), locations.float(), weights.float()
        if not locations.shape[1]:  # the kernel refuses it; the sum of nothing keeps the graph
            return value.new_zeros(len(value), 0, value.shape[2] * value.shape[3]) + value[:, :0].sum()
        if wrap:
            value, shapes, locations = _with_borders(value, shapes, locations)
        sizes = torch.as_tensor([list(shape) for shape in shapes], dtype=torch.long, device=value.device)
        if value.is_cuda:
            from mmcv.ops.multi_scale_deform_attn import MultiScaleDeformableAttnFunction

            cells = sizes.prod(1)
            starts = cells.cumsum(0) - cells
            return MultiScaleDeformableAttnFunction.apply(
                value.contiguous(), sizes, starts, locations.contiguous(), weights.contiguous(), len(value)
            )
        from mmcv.ops.multi_scale_deform_attn import multi_scale_deformable_attn_pytorch

        return multi_scale_deformable_attn_pytorch(value, sizes, locations, weights)


def _with_borders(
    value: Tensor, shapes: Sequence[Sequence[int]], locations: Tensor
) -> tuple[Tensor, list[tuple[int, int]], Tensor]:
    """Levels with a column more at both ends, their sizes, and the locations on them.

    Args:
        value: (B, sum of the levels' cells, M, C).
        shapes: (H, W) a level.
        locations: (B, Q, M, L, K, 2), width first, 0 and 1 at the outer borders of a level.
    """
    levels, sizes, turned = [], [], []
    parts = value.split([height * width for height, width in shapes], dim=1)
    for number, (cells, (height, width)) in enumerate(zip(parts, shapes)):
        maps = cells.unflatten(1, (height, width))
        levels.append(torch.cat((maps[:, :, -1:], maps, maps[:, :, :1]), dim=2).flatten(1, 2))
        sizes.append((height, width + 2))
        u, v = locations[:, :, :, number].unbind(-1)
        # floor has no gradient, so this is a shift by whole turns
        around = (u - u.detach().floor()) * width
        turned.append(torch.stack(((around + 1) / (width + 2), v), dim=-1))
    return torch.cat(levels, dim=1), sizes, torch.stack(turned, dim=3)
