"""Which voxels a panoramic camera can see, from the calibration that a data sample carries."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def visible_voxels(cameras: Mapping[str, Mapping], grid, view: str | None = None) -> np.ndarray:
    """Voxels whose centre projects into the image; occlusion plays no part.

    Args:
        cameras: view -> dict(camera with `project`, cam_from_ego (4, 4)), as in the metainfo.
        grid: with `centers()`, (X, Y, Z, 3) metres in the ego frame.
        view: the view that decides. By default a voxel has to lie in all of them: the views of a
            sample are projections of one panoramic camera, and none can show what another hides.

    Returns:
        (X, Y, Z) bool.
    """
    if not cameras or (view is not None and view not in cameras):
        raise ValueError(
            f'visibility needs the camera of view {view!r} in the metainfo, got the views {sorted(cameras)}'
        )
    centers = grid.centers()
    visible = np.ones(tuple(centers.shape[:-1]), dtype=bool)
    for name in [view] if view is not None else cameras:
        cam_from_ego = centers.new_tensor(np.asarray(cameras[name]['cam_from_ego']))
        points = centers @ cam_from_ego[:3, :3].T + cam_from_ego[:3, 3]
        visible &= cameras[name]['camera'].project(points)[1].cpu().numpy()
    return visible
