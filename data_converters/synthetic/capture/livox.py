"""A non-repetitive LiDAR: a dome of rays that never takes the same way twice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data_converters.synthetic.capture.lidar import LidarUnit

# turns and nods per second; their ratio is no fraction of small numbers, so the curve does not close
_TURN_HZ = 10.180339887
_NOD_HZ = 1013.7


@dataclass(frozen=True)
class NonRepetitiveLidar(LidarUnit):
    """A dome-shaped unit in the manner of the Livox Mid-360: -7..52 degrees, all azimuths.

    The ray turns about the vertical while its elevation swings to and fro at a rate that never closes the
    curve: the longer one looks, the denser the picture. Frame: x forward, y left, z up, metres.

    Attributes:
        points: rays of one frame.
        frame_s: how long a frame collects them.
    """

    elevation_low_deg: float = -7.0
    elevation_high_deg: float = 52.0
    points: int = 20000
    frame_s: float = 0.1
    max_range_m: float = 40.0
    min_range_m: float = 0.1

    def directions(self, time_s: float = 0.0) -> np.ndarray:
        """Unit rays (points, 3) of the frame that begins at `time_s` (s)."""
        t = time_s + (np.arange(self.points) + 0.5) * (self.frame_s / self.points)
        phi = 2 * np.pi * ((_TURN_HZ * t) % 1.0)
        # a triangle wave: every elevation is met equally often
        swing = np.abs(2 * ((_NOD_HZ * t) % 1.0) - 1)
        low, high = np.radians((self.elevation_low_deg, self.elevation_high_deg))
        theta = low + (high - low) * swing
        return np.stack([np.cos(theta) * np.cos(phi), -np.cos(theta) * np.sin(phi), np.sin(theta)], axis=-1)

    def ring_indices(self) -> np.ndarray:
        """No rings: 0 for every ray (points,)."""
        return np.zeros(self.points, np.int64)
