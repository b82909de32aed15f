"""A depth map as points."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .transforms import transform_points
from .view import View


def depth_points(depth: Tensor, view: View) -> Tensor:
    """Points in the ego frame that a map of radial depth shows.

    Args:
        depth: (H, W) distance from the camera's centre in metres; what is not finite or not positive shows nothing.
        view: camera of H x W pixels and its mount.

    Returns:
        (N, 3) float32 in metres, N up to H * W, in the order of the pixels.

    Raises:
        ValueError: a depth map of another size.
    """
    if depth.dim() != 2:
        raise ValueError(f'depth: expected (H, W), got {tuple(depth.shape)}')
    height, width = depth.shape
    view.check_image_size((height, width), 'depth')
    rows = torch.arange(height, dtype=torch.float64, device=depth.device) + 0.5
    columns = torch.arange(width, dtype=torch.float64, device=depth.device) + 0.5
    v, u = torch.meshgrid(rows, columns, indexing='ij')
    rays, valid = view.camera.unproject(torch.stack((u, v), dim=-1))
    shown = valid & torch.isfinite(depth) & (depth > 0)
    points_cam = rays[shown] * depth[shown, None].to(rays.dtype)
    return transform_points(np.linalg.inv(view.cam_from_ego), points_cam).float()
