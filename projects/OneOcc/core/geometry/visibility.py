"""What "visible" means: a point whose projection falls into the image of any of a sample's views."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from .ego_motion import is_past_view
from .grids import CartesianGrid
from .view import View


def seen_by_any(seen: Tensor, dim: int = 0) -> Tensor:
    """Whether any view sees a point: what lifting can fill, what is supervised and what is scored as visible.

    The views of a sample are projections of one panoramic camera, each masked where its lens is blind.

    Args:
        seen: (..., V, ...) bool, the views along `dim`.

    Returns:
        The shape of `seen` without `dim`, bool.
    """
    return seen.any(dim)


def visible_voxels(cameras: Mapping[str, View | Mapping], grid: CartesianGrid, view: str | None = None) -> np.ndarray:
    """Voxels whose centre projects into the image of any view; occlusion plays no part.

    Args:
        cameras: name -> view, as in a sample's metainfo.
        grid: where the voxels lie in the ego frame.
        view: the one view that decides; by default those of the sample do, together; views of past frames
            (`is_past_view`) do not.

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
    return seen_by_any(seen).cpu().numpy()
