"""Bi-Grid Voxelization and view-to-view sampling (section 3.4, Eq. 5-8).

The equations in their order: the centres of both grids (Eq. 5) are `centers()` of `core.geometry.grids`;
`grid_lifting.py` samples the features there (Eq. 6, with the displacement of Eq. 10 and 11) and weighs the scales
(Eq. 7); `polar_pyramid.py` gathers the cylindrical volume onto the Cartesian grid and injects it (Eq. 8).

Shapes: B batch, V views, S scales, N voxels of a grid in C order, C channels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

import torch
import torch.nn as nn
from mmdet3d.registry import MODELS
from mmengine.model import BaseModule
from mmengine.structures import BaseDataElement
from torch import Tensor

from ....core.geometry import CartesianGrid, CylindricalGrid, View
from ...structures import Volumes, batch_views
from .gait_compensation import Features, GaitCorrection
from .grid_lifting import GridLifting, ScaleScores, merge_views
from .polar_pyramid import PolarInjection, PolarPyramid
from .range_distribution import RangeDistribution, RangeEvidence
from .voxel_position import VoxelPosition

__all__ = ['CELL_CENTRES', 'BiGridViewTransformer', 'merge_views', 'surrounding_cylinder']

# How far beside the middle of its s pixels a cell's centre lies, in cells of stride s: this times (1 - 1 / s).
# The pixel u of a cell centred on its first pixel, u = s j + 0.5, is at u / s + 0.5 (1 - 1 / s) = j + 0.5.
CELL_CENTRES = {'area': 0.0, 'first_pixel': 0.5, 'last_pixel': -0.5}


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
        polar_levels: where the cylindrical volumes of levels 2 and 4 come from: 'lifted' samples the views on grids
            of these levels too ("at three scales", Fig. 2), 'strided' halves the volume of level 1. Eq. 8 leaves it
            open.
        merge: how the views of a voxel are weighed, 'features' (its place and what each view shows there) or 'place'.
        view_dropout: share of the training samples that one view is taken away from (`drop_views`).
        ranges: config of `RangeDistribution`: a distribution over ranges for each pixel of a view tells the voxels of
            a ray apart, taught by the input `points` in training; None for lifting as in the paper.
        sampling: implementation of `scored_view_sample`, e.g. 'reference'; None takes the fastest for the device.
    """

    levels = (1, 2, 4)
    keeps_channels = True  # lifted volumes are as wide as the features

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
        polar_levels: str = 'lifted',
        merge: str = 'features',
        view_dropout: float = 0.0,
        ranges: Mapping | None = None,
        sampling: str | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        if cell_centre not in CELL_CENTRES:
            raise ValueError(f'cell_centre: expected one of {sorted(CELL_CENTRES)}, got {cell_centre!r}')
        self.cell_shift = CELL_CENTRES[cell_centre]
        if tuple(grids) not in (('cartesian',), ('cartesian', 'cylindrical')):
            raise ValueError(f"grids: expected ('cartesian',) or ('cartesian', 'cylindrical'), got {tuple(grids)}")
        if injection not in ('neck', 'volume'):
            raise ValueError(f"injection: expected 'neck' or 'volume', got {injection!r}")
        if polar_levels not in ('lifted', 'strided'):
            raise ValueError(f"polar_levels: expected 'lifted' or 'strided', got {polar_levels!r}")
        if merge not in ('features', 'place'):
            raise ValueError(f"merge: expected 'features' or 'place', got {merge!r}")
        if not 0 <= view_dropout < 1:
            raise ValueError(f'view_dropout: expected a share in [0, 1), got {view_dropout}')
        self.views, self.scales = tuple(views), tuple(scales)
        self.merge_channels = channels if merge == 'features' else None
        self.view_dropout, self.sampling = view_dropout, sampling
        self.ring_views = tuple(view for view in views if view in ring_views)
        self.grid = CartesianGrid(**grid)
        self.polar_grid, self.inject = None, None
        # Checkpoints know the liftings of both grids as `lift.cartesian` and `lift.cylindrical`.
        self.grids: dict[str, CartesianGrid | CylindricalGrid] = {'cartesian': self.grid}
        if 'cylindrical' in grids:
            self.polar_grid = CylindricalGrid(**{**surrounding_cylinder(self.grid), **(cylinder or {})})
            levels = self.levels if injection == 'neck' else (1,)
            lifted = levels if polar_levels == 'lifted' else (1,)
            self.grids |= {polar_name(level): self.polar_grid.downsampled(level) for level in lifted}
            self.polar = PolarPyramid(self.polar_grid, self.grid, channels, levels, strided=polar_levels == 'strided')
            if injection == 'volume':
                self.inject = PolarInjection(channels, channels)
        self.lift = nn.ModuleDict(
            {name: self._lifting(own, index) for index, (name, own) in enumerate(self.grids.items())}
        )
        self.position = None
        if position:
            self.position = nn.ModuleDict(
                {name: VoxelPosition(own.centers().reshape(-1, 3), channels) for name, own in self.grids.items()}
            )
        self.ranges, self.evidence = None, None
        if ranges is not None:
            self.ranges, self.evidence = self._range_parts(ranges, channels)
        self.score = ScaleScores(channels, len(self.lift), self.views, self.scales)
        self._init_zero()
        self.gait = None
        if gait is not None:
            compensated = self.ring_views if gait.get('mode') == 'rotation' else self.views
            given = dict(channels=channels, views=compensated, scales=self.scales, ring_views=self.ring_views)
            self.gait = MODELS.build(dict(given, **gait))

    def _lifting(self, grid: CartesianGrid | CylindricalGrid, index: int) -> GridLifting:
        return GridLifting(
            grid.centers().reshape(-1, 3),
            self.views,
            len(self.scales),
            index,
            channels=self.merge_channels,
            view_dropout=self.view_dropout,
            sampling=self.sampling,
        )

    def _range_parts(self, settings: Mapping, channels: int) -> tuple[RangeDistribution, nn.ModuleDict]:
        """The distribution over ranges, and what it tells the voxels of each grid."""
        view = settings.get('view', 'equi')
        for name, value, known in (('view', view, self.views), ('scale', settings.get('scale', 4), self.scales)):
            if value not in known:
                raise ValueError(f'ranges.{name}: expected one of {known}, got {value!r}')
        distribution = RangeDistribution(**{**dict(channels=channels, ring=view in self.ring_views), **settings})
        grids = {name: RangeEvidence(own.centers().reshape(-1, 3), channels) for name, own in self.grids.items()}
        return distribution, nn.ModuleDict(grids)

    @property
    def needs(self) -> tuple[str, ...]:
        """Points teach ranges in training and are never read in inference."""
        return ('points',) if self.training and self.ranges is not None and self.ranges.loss_weight else ()

    def _init_zero(self) -> None:
        for lifting in self.lift.values():
            cast('GridLifting', lifting).init_zero()
        self.score.init_zero()

    def init_weights(self) -> None:
        """Scales and views start with equal weights, whatever a parent's `init_cfg` did."""
        super().init_weights()
        self._init_zero()

    def forward(
        self,
        features: Features,
        data_samples: Sequence[BaseDataElement],
        image_sizes: Mapping[str, tuple[int, int]],
        points: Sequence[Tensor] | None = None,
    ) -> Volumes:
        """Lift a batch; every sample with its own calibration.

        Args:
            features: {view: {scale: (B, C, H/s, W/s)}}.
            data_samples: B samples whose metainfo holds `cameras`, {view: View}.
            image_sizes: {view: (H, W)} of the images that the features come from.
            points: B tensors (N_i, 3 or more) in the ego frame, metres, that teach `ranges`.

        Returns:
            `cartesian` (B, C, X, Y, Z); `visible` (B, X, Y, Z) bool; with the second grid
            `cylindrical` (B, C, R, PHI, Z), `cylindrical_visible` (B, R, PHI, Z) bool and, with
            injection in the neck, `polar` {l: (B, C, X/l, Y/l, Z/l)} gathered onto the
            Cartesian grid.
        """
        maps = {view: {s: features[view][s] for s in self.scales} for view in self.views}
        lifting = dict(
            features=maps,
            scores={view: self.score.stacked(view) for view in self.views},
            views={} if self.rig_is_fixed else self._calibrated(data_samples, image_sizes),
            image_sizes=image_sizes,
            ring_views=self.ring_views,
            correction=self._correction(maps),  # Eq. 9
        )
        if self.ranges is not None:
            found = self.ranges(maps, lifting['views'][self.ranges.view], points)
            lifting = {**lifting, 'range_maps': found}
        cartesian, visible = self._volume('cartesian', lifting)  # Eq. 6, 7: V^Ca
        if self.polar_grid is None:
            return Volumes(cartesian, visible)
        cylindrical, cylindrical_visible = self._volume('cylindrical', lifting)  # Eq. 6, 7: V^Po
        coarser = {
            level: self._volume(polar_name(level), lifting)[0]
            for level in self.levels[1:]
            if polar_name(level) in self.lift
        }
        polar = self.polar({1: cylindrical, **coarser})  # Eq. 8: V^Po_l[J_l]
        if self.inject is None:
            return Volumes(cartesian, visible, cylindrical, cylindrical_visible, polar)
        return Volumes(self.inject(cartesian, polar[1]), visible, cylindrical, cylindrical_visible)

    @property
    def rig_is_fixed(self) -> bool:
        """Whether `fix_rig` was called."""
        return cast('GridLifting', self.lift['cartesian']).rig is not None

    def fix_rig(
        self,
        data_samples: Sequence[BaseDataElement],
        image_sizes: Mapping[str, tuple[int, int]],
        device: torch.device,
    ) -> None:
        """From now on lift with the calibration of these B samples; `forward` reads none any more.

        Raises:
            ValueError: gait compensation by rotation, which projects the voxels anew for every frame; `ranges`.
        """
        if self.ranges is not None:
            raise ValueError('a fixed rig: expected lifting without ranges, whose distances are no constants yet')
        if getattr(self.gait, 'mode', None) == 'rotation':
            raise ValueError(
                "a fixed rig has fixed voxels: expected gait compensation by mode='shift' or none, got mode='rotation'"
            )
        views = self._calibrated(data_samples, image_sizes)
        for lifting in self.lift.values():
            cast('GridLifting', lifting).fix_rig(views, device)

    def _volume(self, name: str, lifting: Mapping) -> tuple[Tensor, Tensor]:
        """The volume (B, C, X, Y, Z) of a grid and the voxels (B, X, Y, Z) that a view sees."""
        lifting = dict(lifting)
        range_maps = lifting.pop('range_maps', None)
        volume, visible = self.lift[name](**lifting)
        if range_maps is not None and self.ranges is not None and self.evidence is not None:
            volume = self.evidence[name](volume, self.ranges, range_maps, lifting['views'][self.ranges.view])
        if self.position is not None:
            volume = self.position[name](volume.transpose(1, 2), visible).transpose(1, 2)
        shape = self.grids[name].shape
        # (B, N, C) -> (B, C, X, Y, Z); the memory stays channels-last
        return volume.unflatten(1, shape).permute(0, 4, 1, 2, 3), visible.unflatten(1, shape)

    def _correction(self, maps: Features) -> GaitCorrection:
        correction = GaitCorrection() if self.gait is None else self.gait(maps)
        return self._centred(correction, maps) if self.cell_shift else correction

    def _centred(self, correction: GaitCorrection, maps: Features) -> GaitCorrection:
        """The correction with the constant way from a cell's middle to its centre, on every map."""
        found = correction.shifts
        return replace(
            correction,
            shifts={
                view: {
                    s: f.new_full((len(f), 2), self.cell_shift * (s - 1), dtype=torch.float32)
                    + (0 if found is None else found[view][s])
                    for s, f in scales.items()
                }
                for view, scales in maps.items()
            },
        )

    @torch.compiler.disable
    def _calibrated(
        self, data_samples: Sequence[BaseDataElement], image_sizes: Mapping[str, tuple[int, int]]
    ) -> dict[str, list[View]]:
        """{view: B calibrated views}; they are objects, there is nothing to compile."""
        return {
            view: batch_views(data_samples, view, image_sizes[view], ring=view in self.ring_views)
            for view in self.views
        }


def polar_name(level: int) -> str:
    """How modules and checkpoints call the cylindrical grid of a level."""
    return 'cylindrical' if level == 1 else f'cylindrical_{level}'


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
