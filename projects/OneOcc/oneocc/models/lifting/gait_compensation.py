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


@dataclass
class GaitCorrection:
    """What lifting has to apply; None where there is nothing to do.

    Attributes:
        shifts: {view: {scale: (B, 2)}} displacement (dx, dy) in pixels of that scale.
        motion: (B, 3, 4) rotation and translation (m) of the voxel centres in the ego frame,
            p -> R p + t.
    """

    shifts: dict[str, dict[int, Tensor]] | None = None
    motion: Tensor | None = None


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

    `mode='shift'` is the paper's: for each view and scale Delta_s = Linear_0(GAP(F_s)) (Eq. 9),
    a displacement in pixels of that scale, added to the projected pixels before the bilinear
    sample (Eq. 10, 11). One shift of an equirectangular image is a turn about the vertical plus
    a mean rise of the horizon; it cannot express roll or pitch, which is what gait mostly is.

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
    """

    def __init__(
        self,
        channels: int,
        views: Sequence[str] = ('equi', 'raw'),
        scales: Sequence[int] = (1, 4, 8, 16),
        mode: str = 'shift',
        translation: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        if mode not in ('shift', 'rotation'):
            raise ValueError(f"mode must be 'shift' or 'rotation', got {mode!r}")
        if translation and mode != 'rotation':
            raise ValueError(f"translation needs mode='rotation', got mode={mode!r}")
        self.views, self.scales, self.mode = tuple(views), tuple(scales), mode
        keys = [f'{view}_{scale}' for view in self.views for scale in self.scales]
        vectors = 1 + int(translation)
        if mode == 'shift':
            self.shift = nn.ModuleDict({key: nn.Linear(channels, 2) for key in keys})
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
                return GaitCorrection(
                    shifts={
                        view: {s: self.shift[f'{view}_{s}'](_mean(features[view][s])) for s in self.scales}
                        for view in self.views
                    }
                )
            return GaitCorrection(motion=self._motion(features))

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
