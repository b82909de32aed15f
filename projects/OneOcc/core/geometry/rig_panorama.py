"""Several cameras around a robot as one panorama: which of them fills a pixel, and from where in its image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from .checks import check_rigid
from .equirect_camera import EquirectCamera
from .transforms import transform_points
from .unwrap import bilinear_sample
from .view import View


@dataclass(frozen=True)
class RigMap:
    """Where each pixel of a panorama looks.

    Attributes:
        names: of the cameras.
        source: (H, W) int64, index into `names`; -1 where no camera sees the direction.
        pixels: (H, W, 2) float32 in the image of that camera.
    """

    names: tuple[str, ...]
    source: np.ndarray
    pixels: np.ndarray

    @property
    def valid(self) -> np.ndarray:
        """(H, W) bool: seen by a camera."""
        return self.source >= 0


def rig_map(
    panorama: EquirectCamera,
    views: Mapping[str, View],
    pano_from_ego: npt.ArrayLike | None = None,
    distance: float = float('inf'),
) -> RigMap:
    """Fill a panorama from a rig: each pixel from the camera that sees it nearest to its axis.

    Lenses that do not share one centre see what is near from different places; a panorama fits together at one
    distance only, and what lies nearer or farther is doubled or missing along the seams.

    Args:
        panorama: the view to fill.
        views: the cameras by name, each with its `cam_from_ego`.
        pano_from_ego: (4, 4) where the panorama's centre lies; the ego origin by default.
        distance: metres at which the images shall fit together; infinity looks along directions alone.

    Raises:
        ValueError: no camera, a distance that is not above 0, or no rigid transform.
    """
    if not views or not distance > 0:
        raise ValueError(f'expected cameras and a distance above 0, got {list(views)} and {distance}')
    ego_from_pano = np.linalg.inv(check_rigid('pano_from_ego', np.eye(4) if pano_from_ego is None else pano_from_ego))
    rays, _ = panorama.unproject(panorama.pixel_centers())
    rays = transform_points(ego_from_pano[:3, :3], rays)
    height, width = rays.shape[:2]
    best = torch.full((height, width), -2.0, dtype=rays.dtype)
    source = torch.full((height, width), -1, dtype=torch.int64)
    pixels = torch.zeros((height, width, 2), dtype=rays.dtype)
    for index, view in enumerate(views.values()):
        pose = view.cam_from_ego
        if np.isinf(distance):
            points = transform_points(pose[:3, :3], rays)
        else:
            points = transform_points(pose, rays * distance + torch.tensor(ego_from_pano[:3, 3]))
        at, seen = view.camera.project(points)
        along = torch.nn.functional.normalize(points, dim=-1)[..., 2]
        better = seen & (along > best)
        best = torch.where(better, along, best)
        source = torch.where(better, torch.full_like(source, index), source)
        pixels = torch.where(better[..., None], at, pixels)
    return RigMap(tuple(views), source.numpy(), pixels.float().numpy())


def stitch(images: Mapping[str, np.ndarray], where: RigMap, fill: float = 0, nearest: bool = False) -> np.ndarray:
    """The panorama (H, W) or (H, W, C) that a `RigMap` describes.

    Args:
        images: (h, w) or (h, w, C) by camera, all of one kind and of their calibrations' sizes.
        fill: value where no camera sees.
        nearest: take the nearest pixel instead of mixing four, as labels and depth need it.

    Raises:
        ValueError: a camera without an image.
    """
    missing = [name for name in where.names if name not in images]
    if missing:
        raise ValueError(f'expected images of {list(where.names)}, got none of {missing}')
    first = images[where.names[0]]
    result = np.full(where.source.shape + first.shape[2:], fill, dtype=first.dtype)
    for index, name in enumerate(where.names):
        chosen = where.source == index
        at = where.pixels[chosen]
        if nearest:
            image = images[name]
            column, row = np.floor(at).astype(np.int64).T
            result[chosen] = image[row.clip(0, image.shape[0] - 1), column.clip(0, image.shape[1] - 1)]
        else:
            result[chosen] = bilinear_sample(images[name], at)
    return result
