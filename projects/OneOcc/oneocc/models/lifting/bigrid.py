"""Bi-Grid Voxelization and view-to-view sampling (section 3.4, Eq. 5-8).

Shapes: B batch, V views, S scales, N voxels of a grid in C order, C channels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import torch
import torch.nn as nn
from mmdet3d.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor

from ....core.geometry import CartesianGrid, CylindricalGrid
from ....core.ops import view_sample
from ...structures import sample_camera
from ..necks.amoe3d import PolarInjection
from .gait_compensation import Features, GaitCorrection
from .polar_pyramid import PolarPyramid
from .voxel_position import VoxelPosition
from .voxel_projection import VoxelProjection

# How far beside the middle of its s pixels a cell's centre lies, in cells of stride s: this times (1 - 1 / s).
# The pixel u of a cell centred on its first pixel, u = s j + 0.5, is at u / s + 0.5 (1 - 1 / s) = j + 0.5.
CELL_CENTRES = {'area': 0.0, 'first_pixel': 0.5, 'last_pixel': -0.5}


class GridLifting(nn.Module):
    """Lift all views onto one grid (Eq. 6, 7) and merge the views where they see the voxel.

    The weights of the scales are a softmax of two terms: the sampled score of each scale, and a
    small MLP of the voxel's range and height (no azimuth, so that turning the world turns the
    volume). Views are merged by a softmax over the views that see the voxel, its logits from the
    same MLP. All start at zero: every scale and every view begins with an equal share.

    Args:
        centers: (N, 3) voxel centres in the ego frame, metres.
        views: names, in a fixed order.
        num_scales: S.
        hidden: width of the MLP.
    """

    def __init__(self, centers: Tensor, views: Sequence[str], num_scales: int, hidden: int = 16) -> None:
        super().__init__()
        self.projection = VoxelProjection(centers)
        self.num_scales = num_scales
        radius = centers[:, :2].norm(dim=-1)
        position = torch.stack((radius, centers[:, 2]), dim=-1)  # (N, 2), metres
        position = position / position.abs().amax(0).clamp(min=1e-6)
        self.register_buffer('position', position.float(), persistent=False)
        self.place = nn.ModuleDict(
            {
                view: nn.Sequential(
                    nn.Linear(2, hidden), nn.GELU(), nn.Linear(hidden, num_scales + int(len(views) > 1))
                )
                for view in views
            }
        )
        self.init_zero()

    def init_zero(self) -> None:
        """All places prefer no scale and no view."""
        for mlp in self.place.values():
            _zero(mlp[-1])

    def scale_weights(self, view: str, scores: Tensor) -> tuple[Tensor, Tensor | None]:
        """Convex weights of the scales of one view (Eq. 7) and the view's own logit.

        Args:
            scores: (B, S, N) sampled scores.

        Returns:
            (B, N, S) float32, summing to one; (N,) float32, None with a single view.
        """
        mlp = self.place[view]
        place = mlp(self.position.to(mlp[0].weight.dtype)).float()
        logits = scores.transpose(1, 2).float() + place[:, : self.num_scales]
        own = place[:, self.num_scales] if place.shape[1] > self.num_scales else None
        return logits.softmax(-1), own

    def forward(
        self,
        features: Features,
        score: Callable,
        scores: Features | None,
        calibrations: Mapping[str, Sequence[Mapping]],
        image_sizes: Mapping[str, tuple[int, int]],
        ring_views: Sequence[str],
        correction: GaitCorrection,
    ) -> tuple[Tensor, Tensor]:
        """Lift.

        Args:
            features: {view: {scale: (B, C, Hs, Ws)}}.
            score: (view, samples (B, S, C, N)) -> scores (B, S, N).
            scores: maps of the scores, {view: {scale: (B, 1, Hs, Ws)}}. With them only weighted
                samples are made, one scale after the other; None samples all scales first and
                scores the samples, which on a GPU is half the kernels.

        Returns:
            volume (B, N, C), zero where no view sees the voxel; visible (B, N) bool.
        """
        lifted, seen, logits = [], [], []
        for view, maps in features.items():
            pixels, valid = self._project(
                calibrations[view], image_sizes[view], next(iter(maps.values())).device, correction.motion
            )
            options: dict = dict(image_size=image_sizes[view], wrap=view in ring_views)
            if correction.shifts is not None:
                options['shifts'] = [correction.shifts[view][s] for s in maps]
            if scores is None:
                sampled = view_sample(list(maps.values()), pixels, valid, **options)  # (B, S, C, N)
                weights, logit = self.scale_weights(view, score(view, sampled))
                merged = (sampled * weights.transpose(1, 2)[:, :, None]).sum(1).to(sampled.dtype)
            else:
                sampled = view_sample(list(scores[view].values()), pixels, valid, **options)
                weights, logit = self.scale_weights(view, sampled[:, :, 0])
                merged = view_sample(list(maps.values()), pixels, valid, weights, **options)
            lifted.append(merged.transpose(1, 2))
            seen.append(valid)
            logits.append(logit)
        if len(lifted) == 1:
            return lifted[0], seen[0]
        return merge_views(torch.stack(lifted, 1), torch.stack(seen, 1), torch.stack(logits))

    @torch.compiler.disable
    def _project(self, calibrations, image_size, device, motion) -> tuple[Tensor, Tensor]:
        """Cameras are objects and their answers are remembered: nothing to compile here."""
        with torch.autocast(device_type=device.type, enabled=False):
            return self.projection(calibrations, image_size, device, motion)


def _zero(layer: nn.Module) -> None:
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)


def merge_views(
    lifted: Tensor,  # (B, V, N, C)
    seen: Tensor,  # (B, V, N) bool
    logits: Tensor,  # (V, N)
) -> tuple[Tensor, Tensor]:
    """Softmax over the views that see a voxel; one view alone has weight one, none gives zero.

    Returns:
        (B, N, C), visible (B, N) bool.
    """
    scores = logits.to(torch.float32).expand(seen.shape).masked_fill(~seen, float('-inf'))
    visible = seen.any(1)
    # a row of -inf has no softmax: give it zeros, and mask the answer
    scores = torch.where(visible[:, None], scores, torch.zeros_like(scores))
    weights = scores.softmax(1) * seen
    return (lifted * weights.to(lifted.dtype)[..., None]).sum(1), visible


@MODELS.register_module()
class BiGridViewTransformer(BaseModule):
    """Lift panoramic features onto a Cartesian and a cylindrical grid (Eq. 5-8).

    Args:
        grid: of the Cartesian grid: shape, voxel_size (m), origin (m).
        channels: C of the features and of the volumes.
        cylinder: of the cylindrical grid: shape (R, PHI, Z), radius_range (m), z_range (m).
            What it leaves out is derived: radius to the farthest corner of the Cartesian grid in steps of
            about its voxel, PHI = 2 X, the same heights.
        grids: ('cartesian', 'cylindrical'), or ('cartesian',) for single-grid lifting.
        injection: 'neck' hands the polar volumes of levels 1, 2, 4 to the neck (hierarchical
            injection); 'volume' folds level 1 into the Cartesian volume here (Eq. 8 at l = 1),
            for a neck that knows nothing of polar grids.
        views: views that are lifted; `ring_views` of them are equirectangular.
        scales: strides of the features.
        gait: config of GaitDisplacementCompensation, its channels, views and scales filled in
            from here; None for no compensation.
        position: add to every lifted voxel where it is (`VoxelPosition`); not in the paper.
        cell_centre: which pixel of the image a cell of a feature map sits at. 'area', as in Eq. 6: the middle of
            its s x s pixels. Strided convolutions do not put it there: with the same padding on both sides
            (ResNet, MobileNet) a cell is centred on its 'first_pixel', with TensorFlow's padding (EfficientNet)
            on its 'last_pixel', half a cell beside the middle. A network can learn that, and so can a GDC.
    """

    levels = (1, 2, 4)
    keeps_channels = True  # lifted volumes are as wide as the features
    # Maps of scores before samples, or samples before scores: the same numbers. None: the first on CPUs, where
    # bytes count, the second on GPUs, where kernels do.
    score_first: bool | None = None

    def __init__(
        self,
        grid: Mapping,
        channels: int,
        cylinder: Mapping | None = None,
        grids: Sequence[str] = ('cartesian', 'cylindrical'),
        injection: str = 'neck',
        views: Sequence[str] = ('equi', 'raw'),
        ring_views: Sequence[str] = ('equi',),
        scales: Sequence[int] = (1, 4, 8, 16),
        gait: Mapping | None = None,
        position: bool = False,
        cell_centre: str = 'area',
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        if cell_centre not in CELL_CENTRES:
            raise ValueError(f'cell_centre must be one of {sorted(CELL_CENTRES)}, got {cell_centre!r}')
        self.cell_shift = CELL_CENTRES[cell_centre]
        if tuple(grids) not in (('cartesian',), ('cartesian', 'cylindrical')):
            raise ValueError(f"grids must be ('cartesian',) or ('cartesian', 'cylindrical'), got {tuple(grids)}")
        if injection not in ('neck', 'volume'):
            raise ValueError(f"injection must be 'neck' or 'volume', got {injection!r}")
        self.views, self.scales = tuple(views), tuple(scales)
        self.ring_views = tuple(view for view in views if view in ring_views)
        self.grid = CartesianGrid(**grid)
        self.lift = nn.ModuleDict({'cartesian': self._lifting(self.grid)})
        self.polar_grid, self.inject = None, None
        if 'cylindrical' in grids:
            self.polar_grid = CylindricalGrid(**{**surrounding_cylinder(self.grid), **(cylinder or {})})
            self.lift['cylindrical'] = self._lifting(self.polar_grid)
            levels = self.levels if injection == 'neck' else (1,)
            self.polar = PolarPyramid(self.polar_grid, self.grid, channels, levels)
            if injection == 'volume':
                self.inject = PolarInjection(channels, channels)
        places = {'cartesian': self.grid, 'cylindrical': self.polar_grid}
        self.position = (
            None
            if not position
            else nn.ModuleDict(
                {name: VoxelPosition(places[name].centers().reshape(-1, 3), channels) for name in self.lift}
            )
        )
        # Scores are linear in the features, so sampling a map of scores is scoring the samples;
        # channel g of a map is the score for grid g.
        self.score = nn.ModuleDict(
            {
                view: nn.ModuleDict({str(s): nn.Conv2d(channels, len(self.lift), 1) for s in self.scales})
                for view in self.views
            }
        )
        self._init_zero()
        self.gait = None
        if gait is not None:
            compensated = self.ring_views if gait.get('mode') == 'rotation' else self.views
            self.gait = MODELS.build(dict(dict(channels=channels, views=compensated, scales=self.scales), **gait))

    def _lifting(self, grid) -> GridLifting:
        return GridLifting(grid.centers().reshape(-1, 3), self.views, len(self.scales))

    def _init_zero(self) -> None:
        for lifting in self.lift.values():
            lifting.init_zero()
        for convolutions in self.score.values():
            for convolution in convolutions.values():
                _zero(convolution)

    def init_weights(self) -> None:
        """Scales and views start with equal weights, whatever a parent's `init_cfg` did."""
        super().init_weights()
        self._init_zero()

    def forward(self, features: Features, data_samples: Sequence, image_sizes: Mapping[str, tuple[int, int]]) -> dict:
        """Lift a batch; every sample with its own calibration.

        Args:
            features: {view: {scale: (B, C, H/s, W/s)}}.
            data_samples: B samples whose metainfo holds `cameras`
                {view: {'camera': OmniCamera, 'cam_from_ego': (4, 4)}}.
            image_sizes: {view: (H, W)} of the images that the features come from.

        Returns:
            'cartesian' (B, C, X, Y, Z); 'visible' (B, X, Y, Z) bool; with the second grid
            'cylindrical' (B, C, R, PHI, Z), 'cylindrical_visible' (B, R, PHI, Z) bool and, with
            injection in the neck, 'polar' {l: (B, C, X/l, Y/l, Z/l)} gathered onto the
            Cartesian grid.
        """
        maps = {view: {s: features[view][s] for s in self.scales} for view in self.views}
        calibrations = self._calibrations(data_samples)
        score_first = self.score_first
        if score_first is None:
            score_first = maps[self.views[0]][self.scales[0]].device.type == 'cpu'
        scores = (
            None
            if not score_first
            else {view: {s: self.score[view][str(s)](f) for s, f in found.items()} for view, found in maps.items()}
        )
        correction = GaitCorrection() if self.gait is None else self.gait(maps)
        if self.cell_shift:
            correction = self._centred(correction, maps)

        def lift(name, grid):
            own = list(self.lift).index(name)
            chosen = (
                None
                if scores is None
                else {
                    view: {s: score[:, own : own + 1] for s, score in found.items()} for view, found in scores.items()
                }
            )
            volume, visible = self.lift[name](
                maps, partial(self._score_samples, own), chosen, calibrations, image_sizes, self.ring_views, correction
            )
            if self.position is not None:
                volume = self.position[name](volume.transpose(1, 2), visible).transpose(1, 2)
            # (B, N, C) -> (B, C, X, Y, Z); the memory stays channels-last
            return (volume.unflatten(1, grid.shape).permute(0, 4, 1, 2, 3), visible.unflatten(1, grid.shape))

        cartesian, visible = lift('cartesian', self.grid)
        volumes = dict(cartesian=cartesian, visible=visible)
        if self.polar_grid is None:
            return volumes
        cylindrical, polar_visible = lift('cylindrical', self.polar_grid)
        polar = self.polar(cylindrical)
        if self.inject is None:
            volumes['polar'] = polar
        else:
            volumes['cartesian'] = self.inject(cartesian, polar[1])
        return dict(volumes, cylindrical=cylindrical, cylindrical_visible=polar_visible)

    def _centred(self, correction: GaitCorrection, maps: Features) -> GaitCorrection:
        """The correction with the constant way from a cell's middle to its centre, on every map."""
        found = correction.shifts
        return replace(
            correction,
            shifts={
                view: {
                    s: f.new_full((len(f), 2), self.cell_shift * (1 - 1 / s), dtype=torch.float32)
                    + (0 if found is None else found[view][s])
                    for s, f in scales.items()
                }
                for view, scales in maps.items()
            },
        )

    def _score_samples(self, grid: int, view: str, sampled: Tensor) -> Tensor:
        """What sampled maps of scores would be: (B, S, C, N) features -> (B, S, N) scores for a grid."""
        layers = [self.score[view][str(s)] for s in self.scales]
        weight = torch.stack([layer.weight[grid].flatten() for layer in layers])  # (S, C)
        bias = torch.stack([layer.bias[grid] for layer in layers])
        return torch.einsum('bscn,sc->bsn', sampled, weight.to(sampled.dtype)) + bias[:, None]

    def _calibrations(self, data_samples: Sequence) -> dict[str, list[Mapping]]:
        found = {view: [sample_camera(sample, view) for sample in data_samples] for view in self.views}
        for view in self.ring_views:
            for calibration in found[view]:
                if not calibration['camera'].periodic:
                    raise ValueError(
                        f'ring view {view!r} must have a periodic camera, got {type(calibration["camera"]).__name__}'
                    )
        return found


def surrounding_cylinder(grid: CartesianGrid) -> dict:
    """A cylindrical grid that just holds a Cartesian one, with cells of about its voxel size.

    R reaches the farthest corner, PHI = 2 X (an arc of one voxel at X / pi voxels from the
    axis), the heights are equal. R is rounded up to a multiple of 4, for levels 2 and 4.
    """
    x, y, z = grid.shape
    size = float(grid.voxel_size)
    corners = [max(abs(o), abs(o + n * size)) for o, n in zip(grid.origin[:2], (x, y))]
    radius = (corners[0] ** 2 + corners[1] ** 2) ** 0.5
    rings = -(-int(radius / size + 1) // 4) * 4
    low = float(grid.origin[2])
    return dict(shape=(rings, 2 * x, z), radius_range=(0.0, rings * size), z_range=(low, low + z * size))
