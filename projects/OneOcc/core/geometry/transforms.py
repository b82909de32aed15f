"""Rigid transforms of points, kept out of matrix products so that autocast cannot halve them."""

from __future__ import annotations

import numpy as np
import torch


def transform_points(a_from_b: np.ndarray | torch.Tensor, points_b: torch.Tensor) -> torch.Tensor:
    """x_a = a_from_b x_b for points of any shape.

    Written as sums of products: under autocast a matrix product would run in half precision and
    move points by centimetres.

    Args:
        a_from_b: (4, 4), (3, 4) or (3, 3); or (..., 4, 4) that broadcasts against the points'
            leading axes. A tensor may require grad.
        points_b: (..., 3) float32 or float64.

    Returns:
        (..., 3) in the points' dtype and on their device.
    """
    # an array is copied: torch warns about sharing a read-only one
    matrix = torch.tensor(a_from_b) if isinstance(a_from_b, np.ndarray) else torch.as_tensor(a_from_b)
    matrix = matrix.to(dtype=points_b.dtype, device=points_b.device)
    if matrix.shape[-2:] not in ((4, 4), (3, 4), (3, 3)):
        raise ValueError(f'a_from_b: expected (..., 4, 4), (3, 4) or (3, 3), got {tuple(matrix.shape)}')
    x, y, z = points_b.unsqueeze(-2).unbind(-1)  # each (..., 1), against the rows of the matrix
    moved = matrix[..., :3, 0] * x + matrix[..., :3, 1] * y + matrix[..., :3, 2] * z
    return moved + matrix[..., :3, 3] if matrix.shape[-1] == 4 else moved


def azimuth_elevation(directions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Angles of ego-like directions: azimuth 0 forward, positive RIGHT; elevation up.

    phi = atan2(-y, x), theta = atan2(z, hypot(x, y)). On the z axis, where the azimuth is not
    defined, it is 0 and gradients are zero instead of NaN.

    Args:
        directions: (..., 3), x forward, y left, z up; any length but zero.

    Returns:
        phi (...) in (-pi, pi] and theta (...) in [-pi/2, pi/2].
    """
    x, y, z = directions.unbind(-1)
    on_axis = (x == 0) & (y == 0)
    x_safe = torch.where(on_axis, torch.ones_like(x), x)
    y_safe = torch.where(on_axis, torch.zeros_like(y), y)
    planar = torch.where(on_axis, torch.zeros_like(x), torch.hypot(x_safe, y_safe))
    # 0 - y, not -y: straight behind is +pi for either sign of zero.
    return torch.atan2(0.0 - y_safe, x_safe), torch.atan2(z, planar)
