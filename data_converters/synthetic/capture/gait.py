"""How a legged body moves: a smooth gravity-aligned path, and the gait that shakes the sensor.

Two poses exist at every instant. `world_from_ego` follows the path: yaw and position only, so that
its z axis is up (the frame of the labels). `world_from_body` is the true frame of the sensor mount:
ego moved and turned by the gait. The gait is a strictly periodic function of the stride phase with
zero mean, so ego is its average on level ground; on a slope the body also leans with the ground,
which ego does not.

Default amplitudes (peak, about the ego pose), plausible for robots and people of this size:

| style            | stride Hz | heave | sway  | surge | roll | pitch | yaw  | foot strike         |
|------------------|-----------|-------|-------|-------|------|-------|------|---------------------|
| TROT, at 0.60 m  | 2.0       | 25 mm | 15 mm |  8 mm | 3.0° | 2.5°  | 1.5° | 6 mm, 0.8°, 14 Hz   |
| WALK, at 1.65 m  | 0.95      | 22 mm | 25 mm | 10 mm | 1.5° | 2.0°  | 2.5° | 3 mm, 0.4°, 10 Hz   |

Beside the gait, ego itself turns slowly away from the way and back (50° every 9 m, 35° every 12 m).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

_STRIKE_DAMPING_S = 0.045


@dataclass(frozen=True)
class GaitStyle:
    """Amplitudes (peak) of one gait; metres, degrees, hertz.

    Two feet (walk) or two diagonal pairs (trot) strike once a stride each, so heave, surge and
    pitch swing at twice the stride frequency; sway, roll and yaw swing with the stride.

    Attributes:
        mount_height_m: Height of the sensor mount above the ground.
        slope_follow: Share of the ground's slope that the body takes over (1 = parallel to it).
        look_deg, look_m: How far the robot turns away from its way while it goes along it (a quadruped walks
            sideways as well, a person looks around), and the length of way of one swing to and fro. Slow and
            on purpose, so it belongs to ego.
        strike_m, strike_deg: Vertical and pitch amplitude of the ringing after each foot strike.
    """

    name: str
    mount_height_m: float
    speed_mps: float
    stride_hz: float
    heave_m: float
    sway_m: float
    surge_m: float
    roll_deg: float
    pitch_deg: float
    yaw_deg: float
    strike_m: float
    strike_deg: float
    strike_hz: float
    slope_follow: float
    look_deg: float = 0.0
    look_m: float = 10.0

    def scaled(self, factor: float) -> GaitStyle:
        """The same gait with all amplitudes times `factor` (0 = a perfectly smooth ride)."""
        names = ('heave_m', 'sway_m', 'surge_m', 'roll_deg', 'pitch_deg', 'yaw_deg', 'strike_m', 'strike_deg')
        return replace(self, **{name: getattr(self, name) * factor for name in names})

    def jitter(self, phase: np.ndarray) -> np.ndarray:
        """Displacement of the body from ego at stride phases (N,), one stride per unit.

        Returns:
            (N, 6): surge x, sway y, heave z in metres, roll, pitch, yaw in radians; the mean over
            a stride is zero.
        """
        phase = np.asarray(phase, dtype=np.float64)
        stride = 2 * np.pi * phase
        step = 2 * stride
        ringing = self._strike(phase)
        motion = np.stack(
            [
                self.surge_m * np.sin(step + 0.6),
                self.sway_m * np.sin(stride),
                self.heave_m * np.cos(step) + self.strike_m * ringing,
                np.deg2rad(self.roll_deg) * (np.sin(stride + 0.4) + 0.15 * np.sin(3 * stride)) / 1.1,
                np.deg2rad(self.pitch_deg) * np.sin(step + 1.1) + np.deg2rad(self.strike_deg) * ringing,
                np.deg2rad(self.yaw_deg) * np.cos(stride + 0.2),
            ],
            axis=-1,
        )
        return motion

    def _strike(self, phase: np.ndarray) -> np.ndarray:
        """Damped ringing after each of the two strikes of a stride, zero mean, peak about -1. Same shape (N,) as
        `phase`."""
        period = 0.5 / self.stride_hz
        since = np.mod(phase, 0.5) / self.stride_hz
        decay, omega = 1 / _STRIKE_DAMPING_S, 2 * np.pi * self.strike_hz
        ringing = -np.exp(-decay * since) * np.sin(omega * since)
        # closed form of the mean over one step, so that the average stays on the ego pose exactly
        end = np.exp(-decay * period)
        integral = (omega - end * (decay * np.sin(omega * period) + omega * np.cos(omega * period))) / (
            decay**2 + omega**2
        )
        return ringing + integral / period


TROT = GaitStyle(
    'trot',
    mount_height_m=0.60,
    speed_mps=0.9,
    stride_hz=2.0,
    heave_m=0.025,
    sway_m=0.015,
    surge_m=0.008,
    roll_deg=3.0,
    pitch_deg=2.5,
    yaw_deg=1.5,
    strike_m=0.006,
    strike_deg=0.8,
    strike_hz=14.0,
    slope_follow=0.8,
    look_deg=50.0,
    look_m=9.0,
)
WALK = GaitStyle(
    'walk',
    mount_height_m=1.65,
    speed_mps=1.3,
    stride_hz=0.95,
    heave_m=0.022,
    sway_m=0.025,
    surge_m=0.010,
    roll_deg=1.5,
    pitch_deg=2.0,
    yaw_deg=2.5,
    strike_m=0.003,
    strike_deg=0.4,
    strike_hz=10.0,
    slope_follow=0.0,
    look_deg=35.0,
    look_m=12.0,
)


class GaitTrajectory:
    """A gait riding along a ground path: ego and body pose at any time in [0, duration].

    Args:
        path_xy: (N, 2+) points of the walkable centre line, metres, world frame; only x and y
            are used.
        ground_height: Height of the ground (M,) at points (M, 2).
        style: Gait and mount height.
        phase: Stride phase at time 0, in strides.
        smooth_m: Sigma of the Gaussian that rounds path, heading and height, metres of travel.

    Raises:
        ValueError: A path with fewer than two distinct points, or with non-finite ones.
    """

    def __init__(
        self,
        path_xy: np.ndarray,
        ground_height: Callable[[np.ndarray], np.ndarray],
        style: GaitStyle,
        phase: float = 0.0,
        smooth_m: float = 0.6,
    ) -> None:
        path = np.asarray(path_xy, dtype=np.float64)
        if path.ndim != 2 or path.shape[1] < 2 or not np.isfinite(path).all():
            raise ValueError(f'path_xy: expected finite points (N, 2), got shape {path.shape}')
        self.style, self.phase = style, float(phase)
        spacing = 0.05
        arc, xy = _resample(path[:, :2], spacing)
        xy = np.stack([_smooth(xy[:, k], smooth_m / spacing) for k in range(2)], axis=1)
        arc, xy = _resample(xy, spacing)
        self._arc, self._xy = arc, xy
        tangent = np.gradient(xy, axis=0)
        heading = np.unwrap(np.arctan2(tangent[:, 1], tangent[:, 0]))
        swing = np.sin(2 * np.pi * (arc / style.look_m + self.phase))
        self._yaw = _smooth(heading, smooth_m / spacing) + np.deg2rad(style.look_deg) * swing
        ground = np.asarray(ground_height(xy), dtype=np.float64)
        self._ground = _smooth(ground, smooth_m / spacing)
        ahead = np.stack([np.cos(self._yaw), np.sin(self._yaw)], axis=1)
        left = np.stack([-np.sin(self._yaw), np.cos(self._yaw)], axis=1)
        self._slope, self._bank = (
            _smooth(
                np.arctan(
                    (np.asarray(ground_height(xy + 0.2 * side)) - np.asarray(ground_height(xy - 0.2 * side))) / 0.4
                ),
                smooth_m / spacing,
            )
            for side in (ahead, left)
        )

    @property
    def duration(self) -> float:
        """Seconds from the start to the end of the path."""
        return float(self._arc[-1] / self.style.speed_mps)

    def ego_poses(self, times: np.ndarray) -> np.ndarray:
        """Gait-smoothed gravity-aligned `world_from_ego` (T, 4, 4) at times (T,) in seconds."""
        arc = self._arc_at(times)
        x, y, ground, yaw = (
            np.interp(arc, self._arc, values) for values in (self._xy[:, 0], self._xy[:, 1], self._ground, self._yaw)
        )
        poses = _rigid(np.zeros_like(yaw), np.zeros_like(yaw), yaw)
        poses[:, :3, 3] = np.stack([x, y, ground + self.style.mount_height_m], axis=-1)
        return poses

    def body_poses(self, times: np.ndarray) -> np.ndarray:
        """True `world_from_body` (T, 4, 4) at times (T,): ego, the ground's slope and the gait."""
        arc = self._arc_at(times)
        strides = np.asarray(times, dtype=np.float64) * self.style.stride_hz
        jitter = self.style.jitter(self.phase + strides)
        follow = self.style.slope_follow
        # going uphill lifts the nose, a negative turn about the y axis that points left
        pitch = jitter[:, 4] - follow * np.interp(arc, self._arc, self._slope)
        roll = jitter[:, 3] + follow * np.interp(arc, self._arc, self._bank)
        ego_from_body = _rigid(roll, pitch, jitter[:, 5])
        ego_from_body[:, :3, 3] = jitter[:, :3]
        return self.ego_poses(times) @ ego_from_body

    def _arc_at(self, times: np.ndarray) -> np.ndarray:
        """Distance along the path (N,) m at the times (N,) s."""
        times = np.asarray(times, dtype=np.float64)
        if times.size and (times.min() < 0 or times.max() > self.duration + 1e-9):
            raise ValueError(
                f'times: expected within 0..{self.duration:.2f} s, the length of the '
                f'path, got {times.min():.2f}..{times.max():.2f} s'
            )
        return times * self.style.speed_mps


def _rigid(roll: np.ndarray, pitch: np.ndarray, yaw: np.ndarray) -> np.ndarray:
    """Rz(yaw) Ry(pitch) Rx(roll) as (N, 4, 4) transforms without translation."""
    cr, sr, cp, sp = np.cos(roll), np.sin(roll), np.cos(pitch), np.sin(pitch)
    cy, sy = np.cos(yaw), np.sin(yaw)
    poses = np.zeros((*np.shape(yaw), 4, 4))
    poses[..., 0, :3] = np.stack([cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr], -1)
    poses[..., 1, :3] = np.stack([sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr], -1)
    poses[..., 2, :3] = np.stack([-sp, cp * sr, cp * cr], -1)
    poses[..., 3, 3] = 1
    return poses


def _resample(xy: np.ndarray, spacing: float) -> tuple[np.ndarray, np.ndarray]:
    """Points every `spacing` metres along a polyline: arc lengths (M,) and points (M, 2)."""
    steps = np.hypot(*np.diff(xy, axis=0).T)
    arc = np.concatenate([[0.0], np.cumsum(steps)])
    if arc[-1] < 2 * spacing:
        raise ValueError(f'path_xy: expected a path longer than {2 * spacing} m, got {arc[-1]:.3f} m')
    even = np.arange(int(arc[-1] / spacing) + 1) * spacing
    return even, np.stack([np.interp(even, arc, xy[:, k]) for k in range(2)], axis=1)


def _smooth(values: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian smoothing of (N,) samples; the ends are continued by point reflection."""
    radius = min(int(3 * sigma), len(values) - 1)
    if radius < 1:
        return values
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    padded = np.concatenate(
        [2 * values[0] - values[radius:0:-1], values, 2 * values[-1] - values[-2 : -radius - 2 : -1]]
    )
    return np.convolve(padded, kernel / kernel.sum(), mode='valid')
