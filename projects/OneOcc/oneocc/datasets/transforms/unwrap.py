"""The annular image as an equirectangular one (Eq. 1)."""

from __future__ import annotations

import json
import math

import torch
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS

from ....core.geometry import EquirectCamera, View, unwrap, unwrap_map, unwrapped_view
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
        self._maps: CalibrationCache[tuple[Sampling, View]] = CalibrationCache(_CACHED_MAPS)

    def transform(self, results: dict) -> dict:
        if self.source not in results.get('imgs', {}):
            raise KeyError(
                f'{results.get("sample_id")}: no image {self.source!r} to unwrap; loaded are '
                f'{sorted(results.get("imgs", {}))}'
            )
        raw = View.of(results['cameras'][self.source])
        results['imgs'][self.target] = unwrap(results['imgs'][self.source], self.sampling(raw))
        results['cameras'][self.target] = self.view_of(raw)
        if not self.keep_raw:
            del results['imgs'][self.source], results['cameras'][self.source]
        return results

    def sampling(self, raw: View) -> Sampling:
        """Source pixels (H, W, 2) and validity (H, W) of the new view of a raw one."""
        return self._map(raw)[0]

    def view_of(self, raw: View) -> View:
        """The new view of a raw one: level at its lens's centre, blind where the lens is."""
        return self._map(raw)[1]

    def _map(self, raw: View) -> tuple[Sampling, View]:
        """How the source is sampled, and the new view; kept per calibration."""

        def compute() -> tuple[Sampling, View]:
            sampling = unwrap_map(self.camera, raw.camera, raw.cam_from_ego[:3, :3])
            return sampling, unwrapped_view(self.camera, raw, sampling[1])

        # Rounded, so that the same mounting after four quarter turns is the same key.
        return self._maps.get(
            (json.dumps(raw.camera.to_dict(), sort_keys=True), raw.cam_from_ego.round(12).tobytes()), compute
        )

    def __repr__(self) -> str:
        return (
            f'UnwrapPanorama({self.camera.height}x{self.camera.width}, elevation '
            f'{self.band_deg} deg, {self.source} -> {self.target}, keep_raw={self.keep_raw})'
        )
