"""OccFormer's lifting on panoramas: bins of radial range on the rays of the feature map's cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod

import torch
from mmdet3d.registry import MODELS
from mmengine.model import BaseModule
from mmengine.structures import BaseDataElement
from torch import Tensor

from ....core.geometry import CartesianGrid, View
from ....core.geometry.calibration_cache import CalibrationCache
from ....core.geometry.depth_points import nearest_ranges
from ...structures import Volumes, batch_views
from .depth_loss import depth_labels, depth_loss
from .depth_net import DepthNet, lift_inputs
from .frustum import depth_bins, panoramic_points
from .lift_splat import lift_splat, voxel_ids


@dataclass(frozen=True, eq=False)
class LiftedVolumes(Volumes):
    """Volumes and what lifting them cost.

    Attributes:
        depth_loss: scalar, where the depth bins are supervised.
    """

    depth_loss: Tensor | None = None


@MODELS.register_module()
class PanoramicLiftSplat(BaseModule):
    """Features x depth distribution of one panorama, summed into voxels with the calibration of each sample.

    Args:
        grid: shape, voxel_size, origin of the volume (CartesianGrid).
        channels: of the features.
        volume_channels: of the volume.
        mid_channels: inside the depth network; by default `channels`.
        bounds: first, last, step of the radial bins, metres.
        stride: of the features that are lifted.
        view: the view that is lifted.
        ring: the width goes round.
        depth_weight: of the loss against the ranges of the points (input `points`), in training alone; 0 leaves it
            out.
    """

    def __init__(
        self,
        grid: Mapping,
        channels: int,
        volume_channels: int = 128,
        mid_channels: int | None = None,
        bounds: Sequence[float] = (0.5, 18.5, 0.25),
        stride: int = 16,
        view: str = 'equi',
        ring: bool = True,
        depth_weight: float = 0.0,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        self.grid = CartesianGrid(**grid)
        self.stride, self.view, self.ring, self.depth_weight = stride, view, ring, depth_weight
        self.register_buffer('bins', depth_bins(bounds), persistent=False)
        self.depth_net = DepthNet(channels, mid_channels or channels, volume_channels, len(self.bins), ring=ring)
        self._known: CalibrationCache[tuple[Tensor, Tensor]] = CalibrationCache()

    @property
    def needs(self) -> tuple[str, ...]:
        """Points supervise the depth in training and are never read in inference."""
        return ('points',) if self.training and self.depth_weight else ()

    def forward(
        self,
        features: Mapping[str, Mapping[int, Tensor]],
        data_samples: Sequence[BaseDataElement],
        image_sizes: Mapping[str, tuple[int, int]],
        points: Sequence[Tensor] | None = None,
    ) -> LiftedVolumes:
        """Lift the view.

        Args:
            features: {view: {stride: (B, C, H / stride, W / stride)}}.
            data_samples: B samples with `cameras` in their metainfo.
            image_sizes: {view: (H, W)}.
            points: B tensors (N_i, 3 or more), ego frame, metres; they supervise the depth.

        Returns:
            `cartesian` (B, C, X, Y, Z), `visible` (B, X, Y, Z), the voxels that hold a bin, and `depth_loss`.
        """
        if self.view not in features or self.stride not in features[self.view]:
            found = {view: sorted(maps) for view, maps in features.items()}
            raise ValueError(f'expected features of the view {self.view!r} at the stride {self.stride}, got {found}')
        views = batch_views(data_samples, self.view, image_sizes[self.view], ring=self.ring)
        maps = features[self.view][self.stride]
        logits, context = self.depth_net(maps)
        depth, context = lift_inputs(logits, context, cameras=1)
        ids, visible = self._tables(views, maps.device)
        volume = lift_splat(depth, context, ids[:, None], self.grid.shape)
        loss = None if points is None else self._depth_loss(depth[:, 0], views, points)
        return LiftedVolumes(volume, visible.unflatten(-1, tuple(self.grid.shape)), depth_loss=loss)

    @torch.compiler.disable
    def _tables(self, views: Sequence[View], device: torch.device) -> tuple[Tensor, Tensor]:
        """Voxel of every bin (B, D, h, w), and the voxels that hold one (B, X Y Z)."""
        tables = [self._known.get((view.key, str(device)), partial(self._table, view, device)) for view in views]
        ids, visible = zip(*tables)
        return torch.stack(ids), torch.stack(visible)

    def _table(self, view: View, device: torch.device) -> tuple[Tensor, Tensor]:
        """Voxel of every bin (D, h, w), and the voxels that hold one (X Y Z,)."""
        # on the CPU in float64, so that every device puts a bin on a border into the same voxel
        points, valid = panoramic_points(view, self.bins.cpu(), self.stride)
        ids = voxel_ids(points, self.grid.origin, [self.grid.voxel_size] * 3, self.grid.shape)
        ids = torch.where(valid, ids, -1)
        visible = torch.zeros(prod(self.grid.shape), dtype=torch.bool)
        visible[ids[ids >= 0]] = True
        return ids.to(device), visible.to(device)

    def _depth_loss(self, depth: Tensor, views: Sequence[View], points: Sequence[Tensor]) -> Tensor:
        """Scalar; depth (B, D, h, w), points (N_i, 3 or more) of each sample."""
        ranges = torch.stack([nearest_ranges(p.to(depth.device), v, self.stride) for p, v in zip(points, views)])
        labels = depth_labels(ranges, self.bins, stride=1)
        return self.depth_weight * depth_loss(depth, labels)
