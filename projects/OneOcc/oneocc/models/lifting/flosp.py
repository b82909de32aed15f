"""FLoSP, MonoScene's lifting: every voxel takes the feature of the pixel that it falls on.

Shapes: B batch, C channels, N = X * Y * Z voxels in C order, s scales of the 2D features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from mmdet3d.registry import MODELS
from mmengine.model import BaseModule
from mmengine.structures import BaseDataElement
from torch import Tensor

from ....core.geometry import CartesianGrid
from ...structures import Volumes, batch_views
from .gait_compensation import Features
from .voxel_position import VoxelPosition
from .voxel_projection import RigProjection, VoxelProjection


def flosp(features: Mapping[int, Tensor], pixels: Tensor, fov: Tensor) -> Tensor:
    """Gather the nearest pixel at every scale, zero outside the field of view, and sum over scales.

    Args:
        features: {scale s: (B, C, ceil(H / s), ceil(W / s))}.
        pixels: (B, N, 2) integer pixels (column u, row v) of the full-size image; arbitrary where not fov.
        fov: (B, N) bool.

    Returns:
        (B, C, N), the sum over s of feature[pixel // s].
    """
    total = None
    for scale, maps in features.items():
        batch, channels, height, width = maps.shape
        column = (pixels[..., 0] // scale).clamp(0, width - 1)
        row = (pixels[..., 1] // scale).clamp(0, height - 1)
        offset = torch.arange(batch, device=maps.device)[:, None] * (height * width)
        # pixel rows of a (B * H * W, C) table: one contiguous copy per voxel, forward and backward
        table = maps.permute(0, 2, 3, 1).reshape(-1, channels)
        gathered = F.embedding(offset + row * width + column, table)  # (B, N, C)
        total = gathered if total is None else total + gathered
    if total is None:
        raise ValueError('flosp needs the features of at least one scale')
    return torch.where(fov[..., None], total, total.new_zeros(())).transpose(1, 2)


@MODELS.register_module()
class FLoSP(BaseModule):
    """Features Line of Sight Projection of one view, with the calibration of each sample.

    Args:
        grid: shape, voxel_size, origin of the label grid (CartesianGrid).
        scales: 2D scales that are summed.
        view: the view that is lifted.
        project_scale: the lifted volume is the label grid at 1 / project_scale.
        position_channels: C of the features, to add where each voxel is (`VoxelPosition`); None adds nothing, as
            in MonoScene.
    """

    keeps_channels = True  # lifted volumes are as wide as the features

    def __init__(
        self,
        grid: Mapping,
        scales: Sequence[int] = (1, 2, 4, 8),
        view: str = 'equi',
        project_scale: int = 1,
        position_channels: int | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        full = CartesianGrid(**grid)
        self.grid = full if project_scale == 1 else full.downsampled(project_scale)
        self.scales = tuple(scales)
        self.view = view
        self.position = None
        if position_channels is not None:
            self.position = VoxelPosition(self.grid.centers().reshape(-1, 3), position_channels)
        self.projection = VoxelProjection(self.grid.centers().reshape(-1, 3), whole_pixels=True)
        self.rig: RigProjection | None = None

    def fix_rig(
        self,
        data_samples: Sequence[BaseDataElement],
        image_sizes: Mapping[str, tuple[int, int]],
        device: torch.device,
    ) -> None:
        """From now on lift with the calibration of these B samples; `forward` reads none any more."""
        self.rig = RigProjection({self.view: self._project(data_samples, image_sizes[self.view], device)})

    def forward(
        self,
        features: Features,
        data_samples: Sequence[BaseDataElement],
        image_sizes: Mapping[str, tuple[int, int]],
    ) -> Volumes:
        """Lift the view.

        Args:
            features: {view: {scale: (B, C, H / scale, W / scale)}}.
            data_samples: B samples with `cameras` in their metainfo.
            image_sizes: {view: (H, W)}.

        Returns:
            `cartesian` (B, C, X, Y, Z) and `visible` (B, X, Y, Z) bool.
        """
        if self.view not in features:
            raise ValueError(f'FLoSP: expected the view {self.view!r}, got {sorted(features)}')
        maps = features[self.view]
        missing = set(self.scales) - set(maps)
        if missing:
            raise ValueError(f'FLoSP: expected the scales {self.scales}, got {sorted(maps)}')
        if self.rig is not None:
            pixels, visible = self.rig(self.view)
        else:
            pixels, visible = self._project(data_samples, image_sizes[self.view], next(iter(maps.values())).device)
        lifted = flosp({scale: maps[scale] for scale in self.scales}, pixels, visible)
        if self.position is not None:
            lifted = self.position(lifted, visible)
        shape = tuple(self.grid.shape)
        return Volumes(lifted.unflatten(-1, shape), visible.unflatten(-1, shape))

    @torch.compiler.disable
    def _project(
        self, data_samples: Sequence[BaseDataElement], image_size: tuple[int, int], device: torch.device
    ) -> tuple[Tensor, Tensor]:
        """Pixels (B, N, 2) int64 and field of view (B, N); cameras are objects, there is nothing to compile."""
        return self.projection(batch_views(data_samples, self.view, image_size), device)
