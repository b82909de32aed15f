"""A recording as SemanticKITTI's point_labeler opens it, and the labels back from there.

velodyne/000012.bin   float32 x y z intensity of a sweep, in the order of its file
labels/000012.label   uint32: the class (1..C; 100 + it where the point moves), 0 = unlabelled
poses.txt, calib.txt  the LiDAR's poses, 12 numbers a row; Tr is the identity
times.txt             seconds
labels.xml            names and colours for point_labeler
labels_before/        the labels as they were exported, to tell what was changed by hand
export.json           which frame every file is of
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np

from data_converters.point_labels.sweep_labels import label_change, replace_labels
from projects.OneOcc.core.formats.atomic_files import read_json, write_bytes, write_json, write_text
from projects.OneOcc.core.formats.labels import UNKNOWN
from projects.OneOcc.core.formats.recording import Frame, Recording

MOVING = 100
_INDEX = 'export.json'


class ExportError(ValueError):
    """An export that cannot be used; the message names the file, the expected and the actual."""


@dataclass
class ImportReport:
    """What an import did: points changed by frame, and conflicts by frame."""

    changed: dict[str, int] = field(default_factory=dict)
    conflicts: dict[str, int] = field(default_factory=dict)


def export_labels(recording: Recording, lidar: str, out: Path) -> int:
    """Write the sweeps of a lidar with their labels to the new folder `out`; returns their number.

    Raises:
        ExportError: The folder has content; more classes than ids.
    """
    out = Path(out)
    if out.exists() and any(out.iterdir()):
        raise ExportError(f'{out}: expected a new or empty folder, got one with content')
    if len(recording.classes) >= MOVING:
        raise ExportError(
            f'{recording.root}: expected at most {MOVING - 1} classes for point_labeler, got {len(recording.classes)}'
        )
    frames = [frame for frame in recording.frames if lidar in frame.files]
    poses = []
    for index, frame in enumerate(frames):
        sweep = recording.read_lidar(frame, lidar)
        ids = encode(sweep['label'], sweep['dynamic'])
        points = np.column_stack([sweep['points'], sweep['intensity']]).astype('<f4')
        write_bytes(out / f'velodyne/{index:06d}.bin', points.tobytes())
        for folder in ('labels_before', 'labels'):
            write_bytes(out / f'{folder}/{index:06d}.label', ids.tobytes())
        poses.append(frame.world_from_body @ np.linalg.inv(recording.lidars[lidar]))
    # near 0: the tool keeps float32
    first_from_world = np.linalg.inv(poses[0])
    rows = [' '.join(f'{n:.9g}' for n in (first_from_world @ pose)[:3].ravel()) for pose in poses]
    write_text(out / 'poses.txt', '\n'.join(rows) + '\n')
    identity = '1 0 0 0 0 1 0 0 0 0 1 0'
    write_text(out / 'calib.txt', ''.join(f'{name}: {identity}\n' for name in ('P0', 'P1', 'P2', 'P3', 'Tr')))
    write_text(out / 'times.txt', ''.join(f'{frame.time - frames[0].time:.6f}\n' for frame in frames))
    write_text(out / 'labels.xml', _labels_xml(recording.classes))
    write_json(
        out / _INDEX,
        dict(recording=recording.name, lidar=lidar, classes=list(recording.classes), frames=[f.id for f in frames]),
    )
    return len(frames)


def import_labels(recording: Recording, source: Path, force: bool = False) -> ImportReport:
    """Take what was changed by hand in an export back into its recording; nothing else is touched.

    A point is in conflict if the recording's own label has changed since the export as well, to something else.

    Args:
        force: Let the labels by hand win in conflicts.

    Raises:
        ExportError: Not an export of this recording, other numbers of points, unknown ids, or conflicts; nothing is
            changed then.
    """
    source = Path(source)
    index = read_json(source / _INDEX, ExportError)
    expected = dict(recording=recording.name, classes=list(recording.classes))
    for key, value in expected.items():
        if not isinstance(index, dict) or index.get(key) != value:
            found = index.get(key) if isinstance(index, dict) else index
            raise ExportError(f'{source / _INDEX}: {key}: expected {value!r}, got {found!r}')
    frames = {frame.id: frame for frame in recording.frames}
    report, plan = ImportReport(), []
    for number, frame_id in enumerate(index['frames']):
        if frame_id not in frames:
            raise ExportError(f'{source / _INDEX}: frames: expected frames of {recording.root}, got {frame_id!r}')
        before = _read(source / f'labels_before/{number:06d}.label')
        after = _read(source / f'labels/{number:06d}.label', len(before))
        plan.append((frames[frame_id], before, after))
    changes = []
    for frame, before, after in plan:
        change = _changed(recording, frame, index['lidar'], before, after, report)
        if change is not None:
            changes.append((frame, *change))
    if report.conflicts and not force:
        told = ', '.join(f'{count} points of frame {name}' for name, count in list(report.conflicts.items())[:5])
        raise ExportError(
            f'{source}: expected labels that changed on one side only since the export, got {told} changed on '
            'both; --force '
            'lets the labels by hand win'
        )
    if changes:
        with label_change(recording, 'import-labels', points=sum(report.changed.values())):
            for frame, label, dynamic in changes:
                replace_labels(recording, frame, index['lidar'], label, dynamic)
    return report


def encode(label: np.ndarray, dynamic: np.ndarray) -> np.ndarray:
    """Ids (N,) uint32 of labels (N,) uint8 and motion (N,) bool."""
    ids = np.where((label == UNKNOWN) | (label == 0), 0, label).astype('<u4')
    return ids + np.where(dynamic, MOVING, 0).astype('<u4')


def decode(ids: np.ndarray, num_classes: int, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Labels (N,) uint8 and motion (N,) bool of ids (N,) uint32, whose upper half (instances) is left aside.

    Raises:
        ExportError: An id that is no class.
    """
    lower = (ids & 0xFFFF).astype(np.int64)
    dynamic = lower >= MOVING
    label = np.where(dynamic, lower - MOVING, lower)
    wrong = label[label > num_classes]
    if wrong.size:
        raise ExportError(f'{where}: expected ids 0..{num_classes}, perhaps plus {MOVING}, got {int(wrong[0])}')
    return np.where(label == 0, UNKNOWN, label).astype(np.uint8), dynamic


def _changed(
    recording: Recording, frame: Frame, lidar: str, before: np.ndarray, after: np.ndarray, report: ImportReport
) -> tuple[np.ndarray, np.ndarray] | None:
    """What `label` (N,) uint8 and `dynamic` (N,) bool become by ids (N,) before and after; None without an edit."""
    edited = (before & 0xFFFF) != (after & 0xFFFF)
    if not edited.any():
        return None
    sweep = recording.read_lidar(frame, lidar)
    now = encode(sweep['label'], sweep['dynamic'])
    if len(now) != len(before):
        raise ExportError(
            f'frame {frame.id}: expected {len(before)} points as exported, got {len(now)} in the recording'
        )
    conflict = edited & (now != (before & 0xFFFF)) & (now != (after & 0xFFFF))
    if conflict.any():
        report.conflicts[frame.id] = int(conflict.sum())
    report.changed[frame.id] = int(edited.sum())
    label, dynamic = decode(after, len(recording.classes), f'labels of frame {frame.id}')
    return np.where(edited, label, sweep['label']).astype(np.uint8), np.where(edited, dynamic, sweep['dynamic'])


def _read(path: Path, count: int | None = None) -> np.ndarray:
    """Ids (N,) uint32 of a .label file, of `count` points where that is known."""
    if not path.is_file():
        raise FileNotFoundError(f'{path}: the label file is missing')
    content = path.read_bytes()
    if len(content) % 4 or (count is not None and len(content) != 4 * count):
        raise ExportError(
            f'{path}: expected {"whole" if count is None else count} labels of 4 bytes, got {len(content)} bytes'
        )
    return np.frombuffer(content, '<u4')


def _labels_xml(classes: tuple[str, ...]) -> str:
    lines = ['<?xml version="1.0"?>', '<config>']
    for number, name in enumerate(('unlabelled', *classes)):
        for offset, prefix in ((0, ''), (MOVING, 'moving-'))[: 1 if not number else 2]:
            r, g, b = (
                round(255 * c) for c in colorsys.hsv_to_rgb(number / (len(classes) + 1), 0 if not number else 0.8, 0.9)
            )
            lines.append(
                f'  <label><id>{number + offset}</id><name>{escape(prefix + name)}</name><description></description>'
                f'<color>{b} {g} {r}</color><root>{"moving" if offset else "static"}</root></label>'
            )
    return '\n'.join([*lines, '</config>', ''])
