"""What "visible" means: a point whose projection falls into the image of any, or of all, of a sample's views."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from .ego_motion import is_past_view
from .grids import CartesianGrid
from .view import View


def seen_by(seen: Tensor, views: str, dim: int = 0) -> Tensor:
    """Reduce what each view sees to what counts as visible.

    Args:
        seen: (..., V, ...) bool, the views along `dim`.
        views: 'any' view has to see a point (what lifting can fill), or 'all' of them do.

    Returns:
        The shape of `seen` without `dim`, bool.
    """
    if views not in ('any', 'all'):
        raise ValueError(f"views: expected 'any' or 'all', got {views!r}")
    return seen.any(dim) if views == 'any' else seen.all(dim)


def visible_voxels(
    cameras: Mapping[str, View | Mapping], grid: CartesianGrid, view: str | None = None, views: str = 'all'
) -> np.ndarray:
    """Voxels whose centre projects into the image; occlusion plays no part.

    Args:
        cameras: name -> view, as in a sample's metainfo.
        grid: where the voxels lie in the ego frame.
        view: the one view that decides; by default those of the sample do, together; views of past frames
            (`is_past_view`) do not.
        views: how together: in 'any' or in 'all' of them. The views of a sample are projections of one panoramic
            camera, and none can show what another hides.

    Returns:
        (X, Y, Z) bool.
    """
    if not cameras or (view is not None and view not in cameras):
        raise ValueError(
            f'visibility needs the camera of view {view!r} in the metainfo, got the views {sorted(cameras)}'
        )
    names = [name for name in cameras if not is_past_view(name)] if view is None else [view]
    centers = grid.centers()
    seen = torch.stack([View.of(cameras[name]).visible(centers) for name in names])
    return seen_by(seen, views).cpu().numpy()
