"""LiDAR units and what comes back to them: echo strength, lost echoes, range noise."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from data_converters.synthetic.places.world import Scene
from data_converters.synthetic.shading.lighting import Lighting
from data_converters.synthetic.tracing.solids import BODY, CABIN, COACH, LEAVES
from projects.OneOcc.core.geometry import check_rigid

# reflectance near 900 nm relative to the visible albedo: foliage is bright there, car paint
# sends light away
_NEAR_INFRARED = np.ones(256, np.float32)
_NEAR_INFRARED[LEAVES] = 3.0
_NEAR_INFRARED[[BODY, CABIN, COACH]] = 0.5
# attenuation by the air (1/m, one way) and share of shots lost to drops on the cover
_WEATHER = {
    'clear': (0.0, 0.0),
    'overcast': (0.0, 0.0),
    'rain': (0.012, 0.03),
    'fog': (0.035, 0.02),
}


@dataclass(frozen=True)
class LidarUnit(ABC):
    """What all units share.

    Attributes:
        min_range_m, max_range_m: echoes outside are not reported.
        noise_m: standard deviation of the range.
        echo: strength (reflectance * cosine * (10 m / range)^2) at which half of the echoes are lost.
        base_loss: share of shots that never come back.
    """

    min_range_m: float = 0.4
    max_range_m: float = 60.0
    noise_m: float = 0.015
    echo: float = 0.006
    base_loss: float = 0.01

    @abstractmethod
    def directions(self, time_s: float = 0.0) -> np.ndarray:
        """Unit rays (N, 3) of the frame that begins at `time_s` (s), in the lidar frame."""

    @abstractmethod
    def ring_indices(self) -> np.ndarray:
        """Ring of every ray, (N,) integers."""


@dataclass(frozen=True)
class SpinningLidar(LidarUnit):
    """Rings of a spinning LiDAR. Frame: x forward, y left, z up, metres; the default is a 32-ring
    wide-angle unit."""

    elevation_low_deg: float = -52.0
    elevation_high_deg: float = 22.0
    rings: int = 32
    columns: int = 1024

    def elevations(self) -> np.ndarray:
        """Elevation of every ring (rad), upwards. Shape (rings,)."""
        return np.radians(np.linspace(self.elevation_low_deg, self.elevation_high_deg, self.rings))

    def directions(self, time_s: float = 0.0) -> np.ndarray:
        """Unit rays (rings * columns, 3), ring by ring; azimuth from straight behind, turning
        right."""
        phi = (np.arange(self.columns) + 0.5) / self.columns * 2 * np.pi - np.pi
        theta = self.elevations()[:, None]
        return np.stack(
            [
                np.cos(theta) * np.cos(phi),
                -np.cos(theta) * np.sin(phi),
                np.sin(theta) * np.ones_like(phi),
            ],
            -1,
        ).reshape(-1, 3)

    def ring_indices(self) -> np.ndarray:
        """Ring of every ray, (rings * columns,)."""
        return np.repeat(np.arange(self.rings), self.columns)


def scan_lidar(
    scene: Scene,
    world_from_lidar: np.ndarray,
    lidar: LidarUnit,
    lighting: Lighting,
    rng: np.random.Generator,
    time_s: float = 0.0,
) -> dict[str, np.ndarray]:
    """One instantaneous frame that begins at `time_s` (the sensor does not move during it).

    Returns points (N, 3) float32 in the LIDAR frame, intensity (N,) float32 in [0, 1], label (N,)
    uint8, dynamic (N,) bool, ring (N,) uint8; only rays that came back. Weak echoes (far, dark,
    slanting, wet, through fog; sunlight adds noise) are lost more often.
    """
    pose = check_rigid('world_from_lidar', world_from_lidar)
    local = lidar.directions(time_s)
    world = local[:, :1] * pose[:3, 0] + local[:, 1:2] * pose[:3, 1] + local[:, 2:] * pose[:3, 2]
    hit = scene.cast(pose[:3, 3], world, lidar.max_range_m)
    distance = hit['range'].astype(np.float64)
    cosine = np.clip(-(hit['normal'] * world).sum(-1), 0.03, 1)
    reflectance = np.clip(hit['albedo'] * _NEAR_INFRARED[hit['material']], 0.02, 0.9)
    thickness, splashes = _WEATHER[lighting.weather]
    reflectance = reflectance * (1 - 0.5 * lighting.light.wet * (hit['solid'] == -1))
    finite = np.where(np.isfinite(distance), distance, 1e6)
    echo = reflectance * cosine * (10 / np.maximum(finite, 1.0)) ** 2 * np.exp(-2 * thickness * finite)
    floor = lidar.echo * (1 + 0.8 * float(lighting.light.sun_colour.max()))
    chance = echo / (echo + floor) * (1 - lidar.base_loss) * (1 - splashes)
    dice = rng.random(len(local))
    noise = rng.standard_normal(len(local))
    seen = np.isfinite(distance) & (distance >= lidar.min_range_m) & (dice < chance)
    # weak echoes are timed less well
    measured = distance[seen] + noise[seen] * lidar.noise_m * (1 + 0.5 * np.sqrt(floor / (echo[seen] + floor)))
    return dict(
        points=(local[seen] * measured[:, None]).astype(np.float32),
        intensity=np.clip(reflectance * cosine, 0, 1)[seen].astype(np.float32),
        label=hit['label'][seen],
        dynamic=hit['instance'][seen] > 0,
        ring=lidar.ring_indices()[seen].astype(np.uint8),
    )
