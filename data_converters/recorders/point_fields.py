"""What the fields of a point cloud mean, whatever its driver calls them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data_converters.recorders.pose_track import RideError

INTENSITY_NAMES = ('intensity', 'intensities', 'i', 'reflectivity', 'remission', 'reflectance', 'scalar_intensity')
TIME_NAMES = ('time', 't', 'timestamp', 'time_stamp', 'offset_time', 'time_offset', 'timestampsec')
RING_NAMES = ('ring', 'channel', 'line', 'laser_id', 'scan_id', 'beam')
LABEL_NAMES = ('label', 'labels', 'sem_label', 'semantic')
_SWEEP_S = (0.005, 0.8)  # how long a sweep takes; a packet of one takes about 1 ms
_ABSOLUTE_S = 1e6  # seconds since 1970, not since the sweep began


@dataclass
class Cloud:
    """One sweep as its driver gave it; the arrays are of equal length.

    Attributes:
        points: (N, 3) float64 metres in the frame of the LiDAR.
        intensity: (N,) as stored, or None.
        time: (N,) float64 seconds after the time of the message, or None.
        ring: (N,) integers, or None.
        label: (N,) integers, raw ids of the file, or None.
        broken: Points that were NaN or infinite; they are left out.
        notes: What should be known about it.
    """

    points: np.ndarray
    intensity: np.ndarray | None = None
    time: np.ndarray | None = None
    ring: np.ndarray | None = None
    label: np.ndarray | None = None
    broken: int = 0
    notes: tuple[str, ...] = ()

    def chosen(self, keep: np.ndarray) -> Cloud:
        """The points where `keep` (N,) is true."""
        parts = {
            name: None if getattr(self, name) is None else getattr(self, name)[keep]
            for name in ('intensity', 'time', 'ring', 'label')
        }
        return Cloud(self.points[keep], **parts, broken=self.broken, notes=self.notes)


def cloud_from_fields(fields: dict[str, np.ndarray], stamp: float, where: str) -> Cloud:
    """A cloud from named columns (N,) of whatever types.

    Args:
        stamp: Time of the message or file in seconds, for drivers that give absolute times per point.

    Raises:
        RideError: No x, y, z among them.
    """
    by_name = {name.lower(): name for name in fields}
    if not {'x', 'y', 'z'} <= set(by_name):
        raise RideError(f'{where}: expected the fields x, y, z, got {sorted(fields)}')
    points = np.stack([np.asarray(fields[by_name[axis]], dtype=np.float64) for axis in 'xyz'], axis=1)
    finite = np.isfinite(points).all(axis=1)

    def first(names: tuple[str, ...]) -> np.ndarray | None:
        found = next((by_name[name] for name in names if name in by_name), None)
        return None if found is None else np.asarray(fields[found])

    time, note = point_times(first(TIME_NAMES), stamp, finite)
    cloud = Cloud(
        points,
        first(INTENSITY_NAMES),
        time,
        first(RING_NAMES),
        first(LABEL_NAMES),
        notes=(note,) if note else (),
    ).chosen(finite)
    cloud.broken = int(len(points) - finite.sum())
    return cloud


def point_times(times: np.ndarray | None, stamp: float, valid: np.ndarray) -> tuple[np.ndarray | None, str]:
    """Seconds after `stamp` per point (N,) from a driver's times, and a note if they cannot be used.

    The unit (s, ms, us, ns) is the one in which a sweep takes between 5 ms and 0.8 s; at most one does, as they lie a
    factor of 1000 apart. Absolute times become relative ones; where they are of another clock than the message, the
    first of them counts as its time.
    """
    if times is None or not valid.any():
        return None, ''
    values = times.astype(np.float64)
    good = valid & np.isfinite(values)
    if not good.any():
        return None, 'times per point are not finite: not used'
    span = float(values[good].max() - values[good].min())
    unit = next((unit for unit in (1.0, 1e-3, 1e-6, 1e-9) if _SWEEP_S[0] <= span * unit <= _SWEEP_S[1]), None)
    if unit is None:
        return None, f'times per point span {span:g}, which is no sweep in s, ms, us or ns: not used'
    # a float64 holds seconds since 1970 to 2e-7 s: subtracted first, scaled afterwards
    relative = (values - values[good].min()) * unit
    start = float(values[good].min()) * unit
    if abs(start) > _ABSOLUTE_S:
        start = start - stamp if abs(start - stamp) <= _SWEEP_S[1] else 0.0
    elif abs(start) > _SWEEP_S[1]:
        start = 0.0
    return np.where(good, relative + start, start), ''
