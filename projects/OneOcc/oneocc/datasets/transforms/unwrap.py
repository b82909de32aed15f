"""The annular image as an equirectangular one (Eq. 1)."""

from __future__ import annotations

import json
import math

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS

from ....core.geometry import EquirectCamera, OmniCamera, View, unwrap, unwrap_map
from ....core.geometry.calibration_cache import CalibrationCache

_CACHED_MAPS = 8
# source pixels (H, W, 2) and validity (H, W) of the new view
Sampling = tuple[torch.Tensor, torch.Tensor]


@TRANSFORMS.register_module()
class UnwrapPanorama(BaseTransform):
    """Add an equirectangular view, resampled from another one with bilinear weights.

    The new view is a virtual :class:`EquirectCamera` at the lens centre, aligned with the ego
    frame: its ``cam_from_ego`` is a pure translation. Directions that the lens does not see are
    black, and masked in the new camera: it sees what lies in its band and in the lens's view. The
    sampling map is made once per calibration.

    Args:
        height, width: size of the new view in pixels.
        elevation_min_deg, elevation_max_deg: band of the new view; the full sphere by default.
        source, target: names of the view that is read and of the one that is added.
        keep_raw: keep the source view beside the new one.

    Raises:
        ValueError: the band is empty or leaves the sphere, or the source sees nothing of it.
        KeyError: the source view has not been loaded.
    """

    def __init__(
        self,
        height: int,
        width: int,
        elevation_min_deg: float = -90.0,
        elevation_max_deg: float = 90.0,
        source: str = 'raw',
        target: str = 'equi',
        keep_raw: bool = True,
    ) -> None:
        if not -90 <= elevation_min_deg < elevation_max_deg <= 90:
            raise ValueError(
                'the elevation band: expected a band within [-90, 90] degrees that is not empty, got '
                f'[{elevation_min_deg}, {elevation_max_deg}]'
            )
        self.camera = EquirectCamera(width, height, math.radians(elevation_min_deg), math.radians(elevation_max_deg))
        self.band_deg = (elevation_min_deg, elevation_max_deg)
        self.source, self.target, self.keep_raw = source, target, keep_raw
        self._maps: CalibrationCache[tuple[Sampling, EquirectCamera]] = CalibrationCache(_CACHED_MAPS)

    def transform(self, results: dict) -> dict:
        if self.source not in results.get('imgs', {}):
            raise KeyError(
                f'{results.get("sample_id")}: no image {self.source!r} to unwrap; loaded are '
                f'{sorted(results.get("imgs", {}))}'
            )
        sampling, view = self.unwrapped(View.of(results['cameras'][self.source]))
        results['imgs'][self.target] = unwrap(results['imgs'][self.source], sampling)
        results['cameras'][self.target] = view
        if not self.keep_raw:
            del results['imgs'][self.source], results['cameras'][self.source]
        return results

    def unwrapped(self, raw: View) -> tuple[Sampling, View]:
        """How a source is sampled, pixels (H, W, 2) and validity (H, W), and the view that comes of it."""
        rotation = raw.cam_from_ego[:3, :3]
        sampling, camera = self._map(raw.camera, rotation)
        equi_from_ego = np.eye(4)
        equi_from_ego[:3, 3] = rotation.T @ raw.cam_from_ego[:3, 3]
        return sampling, View(camera, equi_from_ego)

    def _map(self, raw: OmniCamera, raw_from_equi: np.ndarray) -> tuple[Sampling, EquirectCamera]:
        """How the source is sampled, and the new view with its mask; kept per calibration."""
        # Rounded, so that the same mounting after four quarter turns is the same key.
        key = (json.dumps(raw.to_dict(), sort_keys=True), raw_from_equi.round(12).tobytes())

        def compute() -> tuple[Sampling, EquirectCamera]:
            pixels, valid = unwrap_map(self.camera, raw, raw_from_equi)
            return (pixels, valid), self._masked(valid.numpy(), raw)

        return self._maps.get(key, compute)

    def _masked(self, valid: np.ndarray, raw: OmniCamera) -> EquirectCamera:
        """The new view, blind where `valid` (H, W) says that the source shows nothing."""
        if valid.all():
            return self.camera
        if not valid.any():
            raise ValueError(
                f'unwrapping {self.source!r}: {raw} sees nothing of the band {self.band_deg} deg: is the lens mounted '
                'as its cam_from_ego says?'
            )
        return EquirectCamera(self.camera.width, self.camera.height, *self.camera.elevation_range, mask=valid)

    def __repr__(self) -> str:
        return (
            f'UnwrapPanorama({self.camera.height}x{self.camera.width}, elevation '
            f'{self.band_deg} deg, {self.source} -> {self.target}, keep_raw={self.keep_raw})'
        )
