"""A depth map as points, and points as a depth map."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .omni_camera import OmniCamera
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


def nearest_ranges(points: Tensor, view: View, stride: int = 1) -> Tensor:
    """(h, w) float32 range (m) of the nearest point seen in each cell of stride x stride pixels, 0 without any.

    Args:
        points: (N, 3 or more), ego frame, metres.
        view: camera and pose; the sides of its image are multiples of the stride.
    """
    camera = view.camera
    rows, columns = camera.height // stride, camera.width // stride
    seen = transform_points(view.cam_from_ego, points[:, :3].to(torch.float64))
    pixels, valid = camera.project(seen)
    column, row = (pixels[valid] / stride).floor().long().unbind(-1)
    # straight behind (phi = pi exactly) the right border of a panorama is its left border
    column = column % columns if camera.periodic else column.clamp(0, columns - 1)
    ranges = torch.full((rows * columns,), torch.inf, dtype=torch.float64, device=points.device)
    ranges.scatter_reduce_(0, row.clamp(0, rows - 1) * columns + column, seen[valid].norm(dim=-1), 'amin')
    return torch.where(ranges.isfinite(), ranges, 0).view(rows, columns).float()


def range_from_cube_depth(depth: np.ndarray, camera: OmniCamera) -> np.ndarray:
    """Radial range (H, W) of a panorama stitched from the faces of a cube with their depth along the face's axis.

    The faces look along the axes of the camera's frame, so the range is depth / max(|x|, |y|, |z|) of the unit ray.
    """
    height, width = depth.shape
    camera.check_image(height, width, 'depth')
    v, u = torch.meshgrid(
        torch.arange(camera.height, dtype=torch.float64) + 0.5,
        torch.arange(camera.width, dtype=torch.float64) + 0.5,
        indexing='ij',
    )
    rays, valid = camera.unproject(torch.stack((u, v), dim=-1))
    longest = rays.abs().amax(-1).numpy()
    return np.where(valid.numpy(), depth / np.maximum(longest, 1e-9), 0).astype(np.float32)


def nearest_resample(depth: np.ndarray, height: int, width: int) -> np.ndarray:
    """(height, width) values of a map (H, W) of the same field of view, each from the pixel that holds its centre.

    Nothing is averaged: the mean of two depths is a place where nothing stands.
    """
    if depth.shape == (height, width):
        return depth
    rows, columns = (
        ((np.arange(new) + 0.5) * (old / new)).astype(int).clip(0, old - 1)
        for old, new in zip(depth.shape, (height, width))
    )
    return depth[rows[:, None], columns]
