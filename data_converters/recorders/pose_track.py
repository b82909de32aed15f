"""A body's poses over time, asked for at any instant between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

DEFAULT_MAX_GAP_S = 0.5


class RideError(ValueError):
    """A ride that cannot become a recording; the message names the file or topic and the cure."""


@dataclass(frozen=True)
class PoseTrack:
    """Poses in the order of their times.

    Attributes:
        times: (N,) seconds, strictly rising.
        positions: (N, 3) metres.
        quaternions: (N, 4) x y z w, of length 1.
        max_gap: Longest pause between two poses that is interpolated over, seconds.
    """

    times: np.ndarray
    positions: np.ndarray
    quaternions: np.ndarray
    max_gap: float = DEFAULT_MAX_GAP_S

    @classmethod
    def from_rows(cls, rows: np.ndarray, where: str, max_gap: float = DEFAULT_MAX_GAP_S) -> PoseTrack:
        """A track from rows (N, 8): t x y z qx qy qz qw; sorted, doubled times dropped.

        Raises:
            RideError: No rows, numbers that are not finite, quaternions of length 0.
        """
        rows = np.asarray(rows, dtype=np.float64).reshape(-1, 8)
        if not len(rows):
            raise RideError(f'{where}: expected poses, got none')
        if not np.isfinite(rows).all():
            at = int(np.flatnonzero(~np.isfinite(rows).all(axis=1))[0])
            raise RideError(f'{where}: expected finite numbers, got {rows[at].tolist()} as pose {at}')
        lengths = np.linalg.norm(rows[:, 4:], axis=1)
        if (np.abs(lengths - 1) > 0.05).any():
            at = int(np.abs(lengths - 1).argmax())
            raise RideError(f'{where}: expected quaternions of length 1 (x y z w), got {rows[at, 4:].tolist()}')
        _, first = np.unique(rows[:, 0], return_index=True)
        rows, lengths = rows[first], lengths[first]
        return cls(rows[:, 0], rows[:, 1:4], rows[:, 4:] / lengths[:, None], max_gap)

    @classmethod
    def from_matrices(
        cls, times: np.ndarray, poses: np.ndarray, where: str, max_gap: float = DEFAULT_MAX_GAP_S
    ) -> PoseTrack:
        """A track from times (N,) and poses (N, 4, 4)."""
        quaternions = Rotation.from_matrix(poses[:, :3, :3]).as_quat()
        return cls.from_rows(np.column_stack([times, poses[:, :3, 3], quaternions]), where, max_gap)

    def at(self, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Poses (M, 4, 4) at times (M,), and (M,) bool where they are known.

        Positions are interpolated linearly, rotations along the shortest arc (slerp). Nothing is extrapolated: before
        the first pose, behind the last one and in pauses beyond `max_gap` a pose is not known, and the nearest one
        stands there.
        """
        times = np.asarray(times, dtype=np.float64)
        poses = np.tile(np.eye(4), (len(times), 1, 1))
        known = (times >= self.times[0]) & (times <= self.times[-1])
        clamped = np.clip(times, self.times[0], self.times[-1])
        if len(self.times) == 1:
            poses[:, :3, :3] = Rotation.from_quat(self.quaternions[0]).as_matrix()
            poses[:, :3, 3] = self.positions[0]
            return poses, known
        after = np.clip(np.searchsorted(self.times, clamped), 1, len(self.times) - 1)
        exact = self.times[np.clip(np.searchsorted(self.times, clamped), 0, len(self.times) - 1)] == clamped
        known &= exact | (self.times[after] - self.times[after - 1] <= self.max_gap)
        poses[:, :3, :3] = Slerp(self.times, Rotation.from_quat(self.quaternions))(clamped).as_matrix()
        for axis in range(3):
            poses[:, axis, 3] = np.interp(clamped, self.times, self.positions[:, axis])
        return poses, known

    def matrices(self) -> np.ndarray:
        """All poses (N, 4, 4)."""
        return self.at(self.times)[0]


def check_clock(stamps: np.ndarray, received: np.ndarray, what: str, limit: float = 1.0) -> None:
    """Refuse a clock that jumps against the one that received the messages.

    Args:
        stamps, received: (N,) seconds: the times in the messages, and when they were written down.
        limit: Jump in seconds that is told; less is transport.

    Raises:
        RideError: Names the message and the jump.
    """
    if len(stamps) < 2:
        return
    lag = received - stamps
    jumps = np.diff(lag)
    # one late message jumps there and back; a clock that was set stays
    settled = np.array(
        [np.median(lag[i + 1 : i + 6]) - np.median(lag[max(i - 4, 0) : i + 1]) for i in range(len(jumps))]
    )
    bad = (np.abs(jumps) > limit) & (np.abs(settled) > limit)
    if bad.any():
        at = int(bad.argmax())
        raise RideError(
            f'{what}: expected a steady clock, got a jump of {-jumps[at]:+.2f} s against the time of receipt at '
            'message '
            f'{at + 1}; cut the ride there, or take the times of receipt (--stamps received)'
        )
