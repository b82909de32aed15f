"""How far away what a pixel shows is, and what that says about the voxels on its ray.

Lifting gives every voxel of a ray the same features. A distribution over radial bins a pixel tells them apart: whether
the surface lies in the voxel, and whether it lies before it. Not in the paper.

Shapes: B batch, D bins, (h, w) cells of a feature map, N voxels of a grid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional as F

from ....core.geometry import View, transform_points
from ....core.geometry.calibration_cache import CalibrationCache
from ....core.geometry.depth_points import nearest_ranges
from ....core.ops.view_sample.reference import corners
from .voxel_projection import VoxelProjection


def range_bins(first: float, last: float, number: int) -> Tensor:
    """(D,) float32 centres in metres, as far apart in the logarithm: a step is a share of the range.

    Raises:
        ValueError: not 0 < first < last, or fewer than two bins.
    """
    if not 0 < first < last or number < 2:
        raise ValueError(f'range bins: expected 0 < first < last and two or more, got {first}, {last}, {number}')
    return torch.logspace(0, 1, number, base=last / first, dtype=torch.float64).mul(first).float()


def bin_positions(ranges: Tensor, bins: Tensor) -> Tensor:
    """Ranges (...) in metres as positions among the bins: 0 at the first centre, D - 1 at the last, clamped."""
    step = (bins[-1] / bins[0]).log() / (len(bins) - 1)
    return ((ranges.clamp(min=1e-6) / bins[0]).log() / step).clamp(0, len(bins) - 1)


def sample_bins(volume: Tensor, coords: Tensor, positions: Tensor, wrap: bool) -> Tensor:
    """Bilinear among the cells and linear among the bins: eight values a voxel, and no channel that is not asked for.

    Args:
        volume: (B, D, h, w).
        coords: (B, N, 2) cells (x, y), the centre of the first one at (0.5, 0.5).
        positions: (B, N) among the bins, in [0, D - 1].
        wrap: whether the last column continues in the first.

    Returns:
        (B, N) in the volume's dtype.
    """
    depth, rows, columns = volume.shape[1:]
    cells, weights = corners(coords, rows, columns, wrap)  # (B, N, 4) each
    near = positions.floor().clamp(max=max(depth - 2, 0))
    share = (positions - near)[..., None]
    flat = volume.flatten(1)
    low = near.long()[..., None] * (rows * columns) + cells
    high = low + rows * columns * int(depth > 1)
    values = (1 - share) * _taken(flat, low) + share * _taken(flat, high)
    return (values * weights).sum(-1).to(volume.dtype)


def _taken(flat: Tensor, index: Tensor) -> Tensor:
    """(B, M) values at (B, N, 4) indices."""
    return flat.gather(1, index.flatten(1)).view(index.shape)


def range_loss(logits: Tensor, ranges: Tensor, bins: Tensor) -> Tensor:
    """Cross-entropy against the two bins around the measured range, by their nearness; 0 where nothing is measured.

    Args:
        logits: (B, D, h, w).
        ranges: (B, h, w) metres, 0 where unknown; what lies outside the bins is left out.
        bins: (D,) of `range_bins`.
    """
    known = (ranges >= bins[0]) & (ranges <= bins[-1])
    log_probability = logits.float().log_softmax(1).permute(0, 2, 3, 1)[known]  # (n, D)
    positions = bin_positions(ranges[known], bins)
    near = positions.floor().long().clamp(max=len(bins) - 2)
    share = positions - near
    taken = log_probability.gather(1, torch.stack((near, near + 1), 1))  # (n, 2)
    terms = (1 - share) * taken[:, 0] + share * taken[:, 1]
    return -terms.sum() / known.sum().clamp(min=1)


@dataclass(frozen=True, eq=False)
class RangeMaps:
    """A distribution over ranges for each cell of a view.

    Attributes:
        here: (B, D, h, w) probability of a bin over that of an even distribution, so that 1 says nothing.
        before: (B, D, h, w) probability that the surface is nearer than the bin.
    """

    here: Tensor
    before: Tensor


class RangeDistribution(BaseModule):
    """Distribution over radial bins for each cell of one view's feature map.

    Args:
        channels: C of the features.
        bins: first, last, number of the bins' centres in metres.
        view: the view whose features say how far things are; `ring` where its width is the full turn.
        scale: stride of its features.
        hidden: width of the 3x3 convolution in front of the logits; by default C.
        loss_weight: of the cross-entropy against measured ranges in training; 0 leaves it out.
    """

    def __init__(
        self,
        channels: int,
        bins: Sequence[float] = (0.5, 20.0, 32),
        view: str = 'equi',
        ring: bool = True,
        scale: int = 4,
        hidden: int | None = None,
        loss_weight: float = 0.2,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        if loss_weight < 0:
            raise ValueError(f'loss_weight: expected 0 or more, got {loss_weight}')
        first, last, number = bins
        self.register_buffer('bins', range_bins(first, last, int(number)), persistent=False)
        self.view, self.ring, self.scale, self.loss_weight = view, ring, scale, loss_weight
        hidden = hidden or channels
        self.reduce = nn.Conv2d(channels, hidden, 3)
        self.logits = nn.Conv2d(hidden, int(number), 1)
        self.log_vars: dict[str, Tensor] = {}

    def forward(
        self,
        features: Mapping[str, Mapping[int, Tensor]],
        views: Sequence[View],
        points: Sequence[Tensor] | None = None,
    ) -> RangeMaps:
        """Features {view: {scale: (B, C, h, w)}} -> maps; points (N_i, 3 or more) in the ego frame teach them.

        The loss stands in `log_vars` as `loss_range`, which the segmentor adds to the others.
        """
        maps = features[self.view][self.scale]
        with torch.autocast(maps.device.type, enabled=False):
            logits = self.logits(F.gelu(self.reduce(self._padded(maps.float()))))
            self.log_vars = {}
            if points is not None and self.loss_weight:
                measured = [nearest_ranges(p.to(maps.device), v, self.scale) for p, v in zip(points, views)]
                self.log_vars['loss_range'] = self.loss_weight * range_loss(logits, torch.stack(measured), self.bins)
            probability = logits.softmax(1)
            return RangeMaps(probability * len(self.bins), probability.cumsum(1) - 0.5 * probability)

    def _padded(self, maps: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, C, h + 2, w + 2).

        A border of one cell, around the ring along the width, repeated above and below.
        """
        mode = 'circular' if self.ring else 'replicate'
        return F.pad(F.pad(maps, (1, 1, 0, 0), mode=mode), (0, 0, 1, 1), mode='replicate')


class RangeEvidence(BaseModule):
    """What a range distribution says about the voxels of one grid, told to their features.

    f' = f (1 + A e) + B e with e = (log of how much likelier the surface is here than anywhere, share of it that lies
    before the voxel). A and B start at zero: at first nothing changes.

    Args:
        centers: (N, 3) voxel centres in the ego frame, metres.
        channels: C of the voxels' features.
    """

    def __init__(self, centers: Tensor, channels: int) -> None:
        super().__init__()
        self.projection = VoxelProjection(centers)
        self.scale = nn.Linear(2, channels, bias=False)
        self.shift = nn.Linear(2, channels, bias=False)
        self._known: CalibrationCache[Tensor] = CalibrationCache()
        self._zero()

    def init_weights(self) -> None:
        """Zero both layers, whatever a parent's initialisation did to them."""
        super().init_weights()
        self._zero()

    def _zero(self) -> None:
        for layer in (self.scale, self.shift):
            nn.init.zeros_(layer.weight)

    def forward(
        self, lifted: Tensor, distribution: RangeDistribution, maps: RangeMaps, views: Sequence[View]
    ) -> Tensor:
        """(B, N, C) -> (B, N, C); a voxel that the view does not see keeps its features."""
        evidence = self.evidence(distribution, maps, views).to(lifted.dtype)
        return lifted * (1 + self.scale(evidence)) + self.shift(evidence)

    def evidence(self, distribution: RangeDistribution, maps: RangeMaps, views: Sequence[View]) -> Tensor:
        """(B, N, 2) e of every voxel, zero where the view does not see it."""
        pixels, seen, ranges = self._places(views, maps.here.device)
        coords = pixels / distribution.scale
        positions = bin_positions(ranges, distribution.bins)
        here = sample_bins(maps.here, coords, positions, distribution.ring)
        before = sample_bins(maps.before, coords, positions, distribution.ring)
        found = torch.stack(((here + 1e-3).log() * 0.25, before), -1)
        return torch.where(seen[..., None], found, torch.zeros_like(found))

    @torch.compiler.disable
    def _places(self, views: Sequence[View], device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
        """Pixels (B, N, 2), seen (B, N) and range (B, N) in metres of the centres, remembered by calibration."""
        pixels, seen = self.projection(views, device)
        ranges = [self._known.get((view.key, str(device)), partial(self._ranges, view, device)) for view in views]
        return torch.where(seen[..., None], pixels, torch.zeros_like(pixels)), seen, torch.stack(ranges)

    def _ranges(self, view: View, device: torch.device) -> Tensor:
        """(N,) float32 distance of the centres from a view's camera."""
        return transform_points(view.cam_from_ego, self.projection.centers).norm(dim=-1).float().to(device)
