"""Gait Displacement Compensation: undo the body's jitter before lifting (section 3.5, Eq. 9-11).

Shapes: B batch, view v, scale s, features (B, C, Hs, Ws).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn as nn
from mmdet3d.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor

Features = Mapping[str, Mapping[int, Tensor]]
MOST_ZOOM = 0.1


@dataclass
class GaitCorrection:
    """What lifting has to apply; None where there is nothing to do.

    Attributes:
        shifts: {view: {scale: (B, 2)}} displacement (dx, dy) in pixels of the image, whatever the scale.
        zooms: {view: (B, 2)} factors (zx, zy) of the pixels' distance from the image's middle.
        motion: (B, 3, 4) rotation and translation (m) of the voxel centres in the ego frame,
            p -> R p + t.
    """

    shifts: dict[str, dict[int, Tensor]] | None = None
    motion: Tensor | None = None
    zooms: dict[str, Tensor] | None = None

    def zoomed(self, view: str, pixels: Tensor, image_size: tuple[int, int]) -> Tensor:
        """Pixels (B, N, 2) of a view, moved from or towards the middle of its image (H, W)."""
        if self.zooms is None or view not in self.zooms:
            return pixels
        middle = pixels.new_tensor((image_size[1] / 2, image_size[0] / 2))
        return middle + (pixels - middle) * self.zooms[view][:, None]


def rotation_from_vector(vector: Tensor) -> Tensor:
    """Rodrigues' formula; exactly the identity, with finite gradients, at the zero vector.

    Args:
        vector: (..., 3), axis times angle in radians.

    Returns:
        (..., 3, 3).
    """
    square = vector.square().sum(-1)[..., None, None]
    small = square < 1e-8
    safe = torch.where(small, torch.ones_like(square), square)
    angle = safe.sqrt()
    first = torch.where(small, 1 - square / 6, angle.sin() / angle)
    second = torch.where(small, 0.5 - square / 24, (1 - angle.cos()) / safe)
    x, y, z = vector.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack((zero, -z, y, z, zero, -x, -y, x, zero), -1).unflatten(-1, (3, 3))
    eye = torch.eye(3, dtype=vector.dtype, device=vector.device)
    return eye + first * cross + second * (cross @ cross)


@MODELS.register_module()
class GaitDisplacementCompensation(BaseModule):
    """Regress the displacement of each frame from its own features, zero at the start.

    `mode='shift'` is the paper's: for each view and scale Delta_s = Linear_0(GAP(F_s)) (Eq. 9), a displacement
    in pixels of the image, added to the projected pixels before the bilinear sample (Eq. 10, 11). It is bounded,
    Delta = m tanh(x): a displacement that carried every sample off the map would lose its gradient, and could
    never come back. One shift of an equirectangular image is a turn about the vertical plus a mean rise of the
    horizon; it cannot express roll or pitch, which is what gait mostly is. One of a raw annulus can: a tilt moves
    the circle of the horizon sideways.

    `mode='rotation'` therefore moves the voxel centres before projection, by a rotation vector
    (and a translation) that Linear_0 regresses from all scales of the ring views. GAP does not
    know the direction of a tilt: turning the world about the vertical leaves it unchanged. So
    the horizontal components come from the first harmonic around the ring,
    sum_c a_c <F_c e(phi)> + b_c <F_c e(phi + 90 deg)> with e(phi) the horizontal unit vector at
    azimuth phi, which turns with the world; the vertical ones come from GAP.

    Args:
        channels: C of the features, equal at all scales.
        views: views that are compensated; ring views only in mode 'rotation'.
        scales: strides s of the features.
        mode: 'shift' or 'rotation'.
        translation: mode 'rotation' also regresses a translation in metres.
        max_shift: the most that mode 'shift' displaces, m, as a share of the image's height.
        zoom: mode 'shift' also regresses the scale of Fig. 3a, one a view and axis, at most 10 % (around a ring
            only its height); the equations do not have it.
        ring_views: views whose width is the full turn.
    """

    def __init__(
        self,
        channels: int,
        views: Sequence[str] = ('equi', 'raw'),
        scales: Sequence[int] = (1, 4, 8, 16),
        mode: str = 'shift',
        translation: bool = False,
        max_shift: float = 0.06,
        zoom: bool = False,
        ring_views: Sequence[str] = ('equi',),
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        if mode not in ('shift', 'rotation'):
            raise ValueError(f"mode: expected 'shift' or 'rotation', got {mode!r}")
        if translation and mode != 'rotation':
            raise ValueError(f"translation needs mode='rotation', got mode={mode!r}")
        if zoom and mode != 'shift':
            raise ValueError(f"zoom needs mode='shift', got mode={mode!r}")
        if not 0 < max_shift < 0.5:
            raise ValueError(f'max_shift: expected a share of the image height in (0, 0.5), got {max_shift}')
        self.max_shift, self.ring_views = float(max_shift), tuple(ring_views)
        self.log_vars: dict[str, Tensor] = {}
        self.views, self.scales, self.mode = tuple(views), tuple(scales), mode
        keys = [f'{view}_{scale}' for view in self.views for scale in self.scales]
        vectors = 1 + int(translation)
        if mode == 'shift':
            self.shift = nn.ModuleDict({key: nn.Linear(channels, 2) for key in keys})
            self.zoom = nn.ModuleDict({key: nn.Linear(channels, 2) for key in keys}) if zoom else None
        else:
            self.vertical = nn.ModuleDict({key: nn.Linear(channels, vectors) for key in keys})
            self.horizontal = nn.ModuleDict({key: nn.Linear(2 * channels, vectors, bias=False) for key in keys})
        self._zero()

    def _zero(self) -> None:
        for parameter in self.parameters():
            nn.init.zeros_(parameter)

    def init_weights(self) -> None:
        """Zero every head again: a parent's `init_cfg` over Linear layers runs before this."""
        super().init_weights()
        self._zero()

    def forward(self, features: Features) -> GaitCorrection:
        """Features {view: {scale: (B, C, Hs, Ws)}} -> the correction; float32 under autocast."""
        device = features[self.views[0]][self.scales[0]].device
        with torch.autocast(device_type=device.type, enabled=False):
            if self.mode == 'shift':
                means = {view: {s: _mean(features[view][s]) for s in self.scales} for view in self.views}
                shifts = {view: self._shifts(view, means[view], features[view]) for view in self.views}
                self.log_vars = {} if not self.training else _sizes(shifts)
                zooms = None if self.zoom is None else {view: self._zoom(view, means[view]) for view in self.views}
                return GaitCorrection(shifts=shifts, zooms=zooms)
            return GaitCorrection(motion=self._motion(features))

    def _shifts(self, view: str, means: Mapping[int, Tensor], maps: Mapping[int, Tensor]) -> dict[int, Tensor]:
        """{scale: (B, 2)} bounded displacements of a view, in pixels of its image."""
        finest = self.scales[0]
        most = self.max_shift * maps[finest].shape[-2] * finest
        return {s: most * torch.tanh(self.shift[f'{view}_{s}'](mean)) for s, mean in means.items()}

    def _zoom(self, view: str, means: Mapping[int, Tensor]) -> Tensor:
        """(B, 2) factors of a view, from all scales; a ring has no middle along its width."""
        assert self.zoom is not None  # asked for only where it was built
        raw = torch.stack([self.zoom[f'{view}_{s}'](mean) for s, mean in means.items()]).sum(0)
        factors = 1 + MOST_ZOOM * torch.tanh(raw)
        if view not in self.ring_views:
            return factors
        return torch.stack((torch.ones_like(factors[:, 0]), factors[:, 1]), dim=1)

    def _motion(self, features: Features) -> Tensor:
        """Rotation, and shift in metres where it is estimated, (B, 3, 4)."""
        parts: list[Tensor] = []
        for view in self.views:
            for scale in self.scales:
                feature, key = features[view][scale], f'{view}_{scale}'
                up = self.vertical[key](_mean(feature))  # (B, V)
                along, across = _first_harmonic(feature)  # (B, C, 2) each: x, y
                flat = self.horizontal[key](torch.cat((along, across), dim=1).transpose(1, 2))  # (B, 2, V)
                parts.append(torch.cat((flat, up[:, None]), dim=1))  # (B, 3, V)
        total = sum(parts[1:], start=parts[0])
        rotation = rotation_from_vector(total[..., 0])
        shift = total[..., 1:] if total.shape[-1] == 2 else torch.zeros_like(total)
        return torch.cat((rotation, shift), dim=-1)


def _sizes(shifts: Mapping[str, Mapping[int, Tensor]]) -> dict[str, Tensor]:
    """What a log shows: length of the mean displacement of each view and scale, and its spread over the batch.

    Displacements (B, 2) in pixels -> numbers in pixels.
    """
    found = {}
    for view, scales in shifts.items():
        for scale, shift in scales.items():
            shift = shift.detach()
            found[f'gait_{view}_{scale}_mean_px'] = shift.mean(0).norm()
            found[f'gait_{view}_{scale}_spread_px'] = (shift - shift.mean(0)).norm(dim=1).mean()
    return found


def _mean(feature: Tensor) -> Tensor:
    """Global average pool, (B, C, H, W) -> (B, C) float32."""
    return feature.mean((2, 3), dtype=torch.promote_types(feature.dtype, torch.float32))


def _first_harmonic(feature: Tensor) -> tuple[Tensor, Tensor]:
    """Means of F e(phi) and of F e(phi) turned by a quarter, both (B, C, 2) in ego x, y.

    e(phi) = (cos phi, -sin phi): azimuth is positive to the right, y points left.
    """
    columns = feature.shape[-1]
    profile = feature.mean(2, dtype=torch.promote_types(feature.dtype, torch.float32))
    centre = torch.arange(columns, device=feature.device, dtype=profile.dtype) + 0.5
    phi = centre * (2 * math.pi / columns) - math.pi
    direction = torch.stack((phi.cos(), -phi.sin()), dim=1)  # (W, 2)
    along = profile @ direction / columns
    return along, torch.stack((-along[..., 1], along[..., 0]), dim=-1)
