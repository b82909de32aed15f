"""Corrections of label volumes by hand: a small list in the recording, applied whenever its labels are made.

`voxel_edits.json` beside recording.json is a list of

    {"box_m": [x0, y0, z0, x1, y1, z1], "label": "building", "was": ["vegetation"], "frames": ["000012"], "note": "..."}

A box lies in the WORLD of the ride, its axes along the world's: it holds in all frames and on all grids that it
reaches, however the labels are made anew. Voxels whose centre lies in it get `label`: a class, "empty" or "unknown".
`was` restricts it to voxels of these labels, `frames` to these frames (moving things); both may be left out.
Later edits win.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from projects.OneOcc.core.formats.atomic_files import read_json
from projects.OneOcc.core.formats.labels import EMPTY, UNKNOWN
from projects.OneOcc.core.formats.poses import is_finite_number
from projects.OneOcc.core.formats.recording import Frame, Recording
from projects.OneOcc.core.geometry import CartesianGrid

EDITS_FILE = 'voxel_edits.json'
_KEYS = {'box_m', 'label', 'was', 'frames', 'note'}


class EditError(ValueError):
    """A list of edits that cannot be used; names the file and the edit."""


@dataclass(frozen=True)
class VoxelEdit:
    """One correction; see the module's first lines.

    Attributes:
        low, high: (3,) corners of the box in the world, metres.
        label: What the voxels become.
        was: Labels that it applies to, or None for all.
        frames: Ids of the frames that it applies to, or None for all.
    """

    low: np.ndarray
    high: np.ndarray
    label: int
    was: tuple[int, ...] | None
    frames: frozenset[str] | None


def read_edits(recording: Recording) -> list[VoxelEdit]:
    """The edits of a recording; none without the file.

    Raises:
        EditError: Not such a list, unknown labels or frames, a box without volume.
    """
    path = recording.root / EDITS_FILE
    if not path.is_file():
        return []
    content = read_json(path, EditError)
    if not isinstance(content, list):
        raise EditError(f'{path}: expected a list of edits, got {type(content).__name__}')
    return [_edit(entry, recording, f'{path}: edit {index}') for index, entry in enumerate(content)]


def apply_edits(
    labels: np.ndarray, unobserved: np.ndarray, edits: list[VoxelEdit], frame: Frame, grid: CartesianGrid
) -> int:
    """Apply edits to a label volume (X, Y, Z) uint8 and its unobserved voxels (X, Y, Z) bool, in place.

    Returns:
        The number of voxels that changed.
    """
    mine = [edit for edit in edits if edit.frames is None or frame.id in edit.frames]
    if not mine:
        return 0
    pose = frame.world_from_ego
    before = labels.copy()
    centers = grid.centers().numpy().astype(np.float64) @ pose[:3, :3].T + pose[:3, 3]
    for edit in mine:
        chosen = ((centers >= edit.low) & (centers <= edit.high)).all(axis=-1)
        if edit.was is not None:
            chosen &= np.isin(labels, edit.was)
        labels[chosen] = edit.label
        unobserved[chosen] = False
    return int((labels != before).sum())


def _edit(entry: object, recording: Recording, where: str) -> VoxelEdit:
    if not isinstance(entry, dict) or set(entry) - _KEYS or not {'box_m', 'label'} <= set(entry):
        raise EditError(f'{where}: expected box_m and label, perhaps was, frames, note, got {entry!r:.100}')
    box = entry['box_m']
    if not (isinstance(box, list) and len(box) == 6 and all(map(is_finite_number, box))):
        raise EditError(f'{where}: box_m: expected x0 y0 z0 x1 y1 z1 in metres, got {box!r}')
    low, high = np.array(box[:3], dtype=np.float64), np.array(box[3:], dtype=np.float64)
    if (low >= high).any():
        raise EditError(f'{where}: box_m: expected its lower corner first, got {box!r}')
    was, frames = entry.get('was'), entry.get('frames')
    known = {frame.id for frame in recording.frames}
    if frames is not None and not (isinstance(frames, list) and set(map(str, frames)) <= known):
        raise EditError(f'{where}: frames: expected ids of frames, got {frames!r:.100}')
    if was is not None and not isinstance(was, list):
        raise EditError(f'{where}: was: expected a list of labels, got {was!r}')
    return VoxelEdit(
        low,
        high,
        _label(entry['label'], recording, f'{where}: label'),
        None if was is None else tuple(_label(name, recording, f'{where}: was') for name in was),
        None if frames is None else frozenset(map(str, frames)),
    )


def _label(name: object, recording: Recording, where: str) -> int:
    special = {'empty': EMPTY, 'unknown': UNKNOWN}
    if name in special:
        return special[str(name)]
    if name in recording.classes:
        return recording.classes.index(str(name)) + 1
    raise EditError(f'{where}: expected one of {list(recording.classes)}, empty or unknown, got {name!r}')
