"""Change labels and motion of the sweeps of a recording, and nothing else in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from projects.OneOcc.core.formats.atomic_files import write_npz
from projects.OneOcc.core.formats.lidar_scan import LIDAR_KEYS
from projects.OneOcc.core.formats.npz_archives import read_npz
from projects.OneOcc.core.formats.recording import PER_POINT, Frame, Recording, RecordingError
from projects.OneOcc.core.formats.recording_rules import sensor_path

UNFINISHED = 'unfinished'  # in meta: a change of labels that was begun; check_labelable refuses it
HISTORY = 'label_history'  # in meta: what changed the labels, in order


def replace_labels(
    recording: Recording, frame: Frame, lidar: str, label: np.ndarray | None = None, dynamic: np.ndarray | None = None
) -> int:
    """Write new labels (N,) or motion (N,) into one sweep; returns how many points changed.

    N counts the points that `Recording.read_lidar` gives, that is, without padding.

    Raises:
        RecordingError: Other lengths, labels that are no class.
    """
    path = sensor_path(recording, frame, lidar)
    arrays = read_npz(path, LIDAR_KEYS, optional=tuple(PER_POINT))
    returned = np.flatnonzero((arrays['points'] != 0).any(axis=1))
    changed = np.zeros(len(returned), bool)
    for key, new in (('label', label), ('dynamic', dynamic)):
        if new is None:
            continue
        if new.shape != returned.shape:
            raise RecordingError(f'{path}: {key}: expected {len(returned)} values, got {new.shape}')
        if key == 'label' and ((new > len(recording.classes)) & (new != 255)).any():
            raise RecordingError(f'{path}: expected labels 0..{len(recording.classes)} or 255, got {int(new.max())}')
        changed |= arrays[key][returned] != new
        arrays[key][returned] = new
    if changed.any():
        write_npz(path, **arrays)
    return int(changed.sum())


@contextmanager
def label_change(recording: Recording, what: str, **details: Any) -> Iterator[dict[str, Any]]:
    """Mark the recording as unfinished while its sweeps change, and note in its history what was done.

    Yields:
        The entry of the history, to be filled with counts.
    """
    recording.meta[UNFINISHED] = what
    recording.write()
    entry = dict(details, what=what)
    yield entry
    del recording.meta[UNFINISHED]
    recording.meta[HISTORY] = [*recording.meta.get(HISTORY, []), entry]
    recording.write()
