"""Panoramic frustums: the field of view cut into azimuth sectors x elevation bands."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from .cameras import OmniCamera
from .checks import check_points, check_rigid
from .transforms import azimuth_elevation, transform_points


def panoramic_frustums(
    points_ego: torch.Tensor,
    camera: OmniCamera,
    cam_from_ego: npt.ArrayLike,
    sectors: int,
    bands: int,
    edges: str | Sequence[float] = 'uniform',
) -> torch.Tensor:
    """The frustum that each point lies in, as seen from the camera centre in ego-aligned axes.

    Sectors begin at the seam (straight behind) and run with the columns of a panorama; bands count
    from the lowest elevation up. frustum = band * sectors + sector.

    Args:
        points_ego: (..., 3) metres.
        camera: decides what is visible.
        cam_from_ego: (4, 4).
        sectors: number of azimuth sectors.
        bands: number of elevation bands.
        edges: ``'uniform'`` in elevation over what the camera sees; ``'quantile'`` so that every
            band holds equally many of the visible points; or bands + 1 ascending elevations in
            radians (points beyond them are in no frustum).

    Returns:
        (...) int32, -1 where the camera does not see the point.
    """
    points = check_points('points_ego', points_ego, 3)
    if sectors < 1 or bands < 1:
        raise ValueError(f'expected at least one sector and one band, got {sectors} and {bands}')
    matrix = check_rigid('cam_from_ego', cam_from_ego)
    points_cam = transform_points(matrix, points)
    _, visible = camera.project(points_cam)
    phi, theta = azimuth_elevation(transform_points(matrix[:3, :3].T, points_cam))
    limits = _band_edges(theta[visible], camera, matrix, bands, edges).to(theta)
    sector = torch.floor((phi + math.pi) * (sectors / (2 * math.pi))).long() % sectors
    band = torch.searchsorted(limits, theta.contiguous(), right=True) - 1
    band = torch.where(theta == limits[-1], torch.full_like(band, bands - 1), band)
    visible = visible & (band >= 0) & (band < bands)
    frustum = band * sectors + sector
    return torch.where(visible, frustum, torch.full_like(frustum, -1)).to(torch.int32)


def frustum_ids_from_pixels(
    pixels: torch.Tensor,
    image_size: Sequence[int],
    sectors: int,
    bands: int,
    visible: torch.Tensor | None = None,
) -> torch.Tensor:
    """Frustum index band * sectors + sector of every pixel, MonoScene's rule on a panorama.

    Sector s holds s * W / sectors <= u < (s + 1) * W / sectors, bands likewise along v. Integer
    pixels are binned in integer arithmetic, so no edge is lost to rounding.

    Args:
        pixels: (..., 2) = (u, v), integer pixel indices or continuous coordinates.
        image_size: (W, H).
        visible: (...) bool, by default all.

    Returns:
        (...) int32 in 0..sectors*bands-1; -1 outside the image or where not visible.
    """
    if pixels.shape[-1:] != (2,):
        raise ValueError(f'pixels: expected shape (..., 2), got {tuple(pixels.shape)}')
    if sectors < 1 or bands < 1:
        raise ValueError(f'sectors and bands: expected at least 1, got {sectors} and {bands}')
    width, height = (int(size) for size in image_size)
    exact = pixels.double() if pixels.is_floating_point() else pixels.long()
    u, v = exact.unbind(-1)
    inside = (u >= 0) & (u < width) & (v >= 0) & (v < height)
    if visible is not None:
        inside = inside & visible
    sector = torch.div(torch.where(inside, u, 0) * sectors, width, rounding_mode='floor')
    band = torch.div(torch.where(inside, v, 0) * bands, height, rounding_mode='floor')
    return torch.where(inside, band * sectors + sector, -1).to(torch.int32)


def elevation_limits(camera: OmniCamera, cam_from_ego: npt.ArrayLike) -> tuple[float, float]:
    """Lowest and highest elevation in ego-aligned axes of the camera's band, in radians. `cam_from_ego` (4, 4).

    Exact where the lens axis is vertical or the view is equirectangular; else to 0.5 degrees.
    """
    rotation = check_rigid('cam_from_ego', cam_from_ego)[:3, :3]
    theta, phi = torch.meshgrid(
        torch.linspace(*camera.elevation_range, 181, dtype=torch.float64),
        torch.linspace(0, 2 * math.pi, 361, dtype=torch.float64),
        indexing='ij',
    )
    rays = torch.stack((theta.cos() * phi.cos(), theta.cos() * phi.sin(), theta.sin()), dim=-1)
    _, elevation = azimuth_elevation(transform_points(rotation.T, rays))
    return float(elevation.min()), float(elevation.max())


def _band_edges(
    theta: torch.Tensor,
    camera: OmniCamera,
    matrix: np.ndarray,
    bands: int,
    edges: str | Sequence[float],
) -> torch.Tensor:
    """Elevations (bands + 1,) rad between the bands, for points at elevations theta (N,)."""
    if isinstance(edges, str):
        if edges == 'uniform':
            low, high = elevation_limits(camera, matrix)
            limits = torch.linspace(low, high, bands + 1, dtype=torch.float64)
            # Visibility is the camera's word; a rounded elevation must not fall off the last band.
            limits[0], limits[-1] = low - 1e-2, high + 1e-2
            return limits
        if edges != 'quantile':
            raise ValueError(f"edges: expected 'uniform', 'quantile' or a list, got {edges!r}")
        if theta.numel() < bands:
            raise ValueError(
                f'edges: expected at least {bands} visible points for as many quantile bands, got {theta.numel()}'
            )
        ranked = theta.double().sort().values
        cuts = torch.linspace(0, ranked.numel(), bands + 1, dtype=torch.float64).round().long()
        inner = ranked[cuts[1:-1]]
        return torch.cat((ranked[:1], inner, ranked[-1:])).contiguous()
    limits = torch.as_tensor(edges, dtype=torch.float64)
    if limits.shape != (bands + 1,) or not (limits.diff() > 0).all():
        raise ValueError(f'edges: expected {bands + 1} ascending elevations in radians, got {list(edges)}')
    return limits
