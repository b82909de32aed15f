"""SGN's lifting: every voxel takes the mean of the nearest features of the views that see it.

Shapes: B batch, C channels, N = X * Y * Z voxels in C order, V views.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from mmdet3d.registry import MODELS
from mmengine.model import BaseModule
from mmengine.structures import BaseDataElement
from torch import Tensor

from ....core.geometry import CartesianGrid
from ....core.geometry.depth_points import depth_points
from ...models.lifting.flosp import flosp
from ...models.lifting.voxel_projection import VoxelProjection
from ...structures import Volumes, batch_views

SOURCES = ('points', 'depth')


def mean_of_views(maps: Sequence[Tensor], pixels: Sequence[Tensor], seen: Sequence[Tensor], scale: int) -> Tensor:
    """Nearest feature of each view, averaged over the views that see a voxel; 0 where none does.

    Args:
        maps: V tensors (B, C, H / scale, W / scale).
        pixels: V tensors (B, N, 2), integer pixels of the full-size images; arbitrary where not seen.
        seen: V tensors (B, N) bool.
        scale: of the maps.

    Returns:
        (B, C, N).
    """
    total = torch.stack([flosp({scale: level}, *where) for level, *where in zip(maps, pixels, seen)]).sum(0)
    number = torch.stack(tuple(seen)).sum(0).clamp(min=1)
    return total / number[:, None].to(total.dtype)


@MODELS.register_module()
class SGNLifting(BaseModule):
    """Features of one or several panoramas onto a grid; the points that seeds come from are handed on with it.

    Args:
        grid: shape, voxel_size, origin of the lifted grid (CartesianGrid).
        seeds_from: 'points' (LiDAR, input `points`) or 'depth' (radial depth, input `depth`, of the views that it
            holds).
        views: the views that are lifted, the current frame first; a past frame is a view whose calibration holds the
            ego motion.
        scale: stride of the features.
        ring: the views are panoramas that go round; a voxel straight behind falls into their first or last column.

    Raises:
        ValueError: a source of seeds that is none.
    """

    keeps_channels = True  # lifted volumes are as wide as the features

    def __init__(
        self,
        grid: Mapping,
        seeds_from: str = 'points',
        views: Sequence[str] = ('equi',),
        scale: int = 16,
        ring: bool = True,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        if seeds_from not in SOURCES:
            raise ValueError(f'seeds_from: expected one of {SOURCES}, got {seeds_from!r}')
        self.needs = (seeds_from,)
        self.grid, self.views, self.scale, self.ring = CartesianGrid(**grid), tuple(views), scale, ring
        self.projection = VoxelProjection(self.grid.centers().reshape(-1, 3), whole_pixels=True)

    def forward(
        self,
        features: Mapping[str, Mapping[int, Tensor]],
        data_samples: Sequence[BaseDataElement],
        image_sizes: Mapping[str, tuple[int, int]],
        points: Sequence[Tensor] | None = None,
        depth: Mapping[str, Tensor] | None = None,
    ) -> Volumes:
        """Lift the views.

        Args:
            features: {view: {scale: (B, C, H / scale, W / scale)}}.
            data_samples: B samples with `cameras` in their metainfo.
            image_sizes: {view: (H, W)}.
            points: per sample (N_i, 3 or more) in the current ego frame in metres, those of past frames among them.
            depth: {view: (B, H, W)} radial depth in metres.

        Returns:
            `cartesian` (B, C, X, Y, Z), `visible` (B, X, Y, Z) bool, seen by any view, and `points`, per sample
            (N_i, 3) in the ego frame, inside the grid or not.
        """
        missing = [view for view in self.views if self.scale not in features.get(view, {})]
        if missing:
            raise ValueError(
                f'SGNLifting needs the scale {self.scale} of the views {self.views}, got none of {missing}'
            )
        maps = [features[view][self.scale] for view in self.views]
        device = maps[0].device
        with torch.no_grad():
            located = [self._project(data_samples, view, image_sizes[view], device) for view in self.views]
            if self.needs == ('depth',):
                points = self._depth_points(data_samples, depth, image_sizes)
        if points is None:
            raise ValueError("seeds_from='points' needs the points of every sample, got None")
        pixels, seen = zip(*located)
        lifted = mean_of_views(maps, pixels, seen, self.scale)
        shape = tuple(self.grid.shape)
        visible = torch.stack(seen).any(0).unflatten(1, shape)
        return Volumes(lifted.unflatten(2, shape), visible, points=[cloud[:, :3].to(device) for cloud in points])

    @torch.compiler.disable
    def _project(
        self, data_samples: Sequence[BaseDataElement], view: str, image_size: tuple[int, int], device: torch.device
    ) -> tuple[Tensor, Tensor]:
        """Pixels (B, N, 2) int64 and seen (B, N); cameras are objects, there is nothing to compile."""
        return self.projection(batch_views(data_samples, view, image_size, ring=self.ring), device)

    @torch.compiler.disable
    def _depth_points(
        self,
        data_samples: Sequence[BaseDataElement],
        depth: Mapping[str, Tensor] | None,
        image_sizes: Mapping[str, tuple[int, int]],
    ) -> list[Tensor]:
        """Points (N_i, 3) of every sample from the depth of all views that have one."""
        names = [view for view in self.views if view in (depth or ())]
        if depth is None or not names:
            raise ValueError(f"seeds_from='depth' needs the depth of a view of {self.views}, got {sorted(depth or ())}")
        clouds = []
        for name in names:
            views = batch_views(data_samples, name, image_sizes[name], ring=self.ring)
            clouds.append([depth_points(of_sample, view) for of_sample, view in zip(depth[name], views)])
        return [torch.cat(of_sample) for of_sample in zip(*clouds)]
