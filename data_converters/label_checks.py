"""Everything that label making and the info files need, asked before the first label is made.

What a recording itself must be stands in core/formats/recording_rules.py.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data_converters.point_labels.sweep_labels import UNFINISHED
from data_converters.voxel_edits import read_edits
from projects.OneOcc.core.formats.atomic_files import read_json, write_json
from projects.OneOcc.core.formats.infos import InfoError, grid_key
from projects.OneOcc.core.formats.paths import UnsafeNameError, check_name, inside
from projects.OneOcc.core.formats.recording import Recording, RecordingError, check_recording, check_sensor_files
from projects.OneOcc.core.geometry import CartesianGrid

ORIGIN_FILE = 'made_from.json'


def check_grids(grids: Sequence[CartesianGrid]) -> None:
    """Raise ValueError if there is no grid, or two share the name that their files go by."""
    keys = [grid_key(grid.shape) for grid in grids]
    if not keys or len(set(keys)) != len(keys):
        raise ValueError(f'grids: expected at least one and distinct shapes, got {keys}')


def check_labelable(recording: Recording) -> None:
    """Refuse a recording that labels cannot be made from, or a training could not read afterwards.

    Reads the headers of all sensor files, and one sweep of every lidar.

    Raises:
        RecordingError: Names the file and the entry, the expected and the actual.
    """
    check_recording(recording)
    index = recording.root / 'recording.json'
    if not recording.lidars and recording.dense_camera is None:
        raise RecordingError(f'{index}: expected a lidar or a dense depth camera to make labels from, got neither')
    sources = {*recording.lidars} or {'depth'}
    if not any(sources & set(frame.files) for frame in recording.frames):
        raise RecordingError(
            f'{index}: frames: expected files of {sorted(sources)} to make labels from, got none in '
            f'{len(recording.frames)} frames'
        )
    if UNFINISHED in recording.meta:
        raise RecordingError(
            f'{index}: expected finished labels, got a change by {recording.meta[UNFINISHED]} that was '
            'interrupted; run it again'
        )
    read_edits(recording)
    check_sensor_files(recording)
    for name in recording.lidars:
        first = next((frame for frame in recording.frames if name in frame.files), None)
        if first is not None:
            recording.read_lidar(first, name)


def folder_below(recording: Recording, root: Path) -> str:
    """The recording's folder relative to the data root, whichever of them is relative or a link.

    Raises:
        RecordingError: It does not lie below the data root; info files could not name its images.
    """
    own, home = Path(os.path.abspath(recording.root)), Path(os.path.abspath(root))
    for below, above in ((own, home), (own.resolve(), home.resolve())):
        if above in below.parents:
            return below.relative_to(above).as_posix()
    raise RecordingError(
        f'{recording.root}: expected a recording below the data root {root}, whose info files name its images by '
        'relative paths; move it, or link or copy it there (label_recordings.py does)'
    )


def claim_labels(folder: Path, name: str, base: str) -> Path:
    """Folder for the labels of one recording; remembers whose they are.

    Raises:
        RecordingError: It holds the labels of another recording of the same name; names both folders.
    """
    try:
        own = inside(folder, check_name(name, f'{base}: name'), f'{base}: name')
    except UnsafeNameError as error:
        raise RecordingError(str(error)) from error
    origin = own / ORIGIN_FILE
    if origin.is_file():
        found = read_json(origin, RecordingError)
        before = found.get('recording') if isinstance(found, dict) else None
        if before != base:
            raise RecordingError(
                f'{own}: expected labels of the recording {base}, got those of {before}, which has the same name '
                f'{name!r}; give one of the two another name in its recording.json, or remove that folder'
            )
    else:
        write_json(origin, dict(recording=base))
    return own


def check_splits(splits: Any, names: Sequence[str], where: str = 'splits') -> None:
    """Refuse splits that are empty or name unknown sequences.

    Raises:
        InfoError: Names the split, the expected and the actual.
    """
    if not isinstance(splits, dict) or not splits:
        raise InfoError(f'{where}: expected split names with lists of sequences, got {splits!r}')
    for split, wanted in splits.items():
        try:
            check_name(split, f'{where}: name of a split')
        except UnsafeNameError as error:
            raise InfoError(str(error)) from error
        if not isinstance(wanted, (list, tuple)) or not wanted:
            raise InfoError(f'{where}: {split}: expected at least one sequence, got {wanted!r}')
        unknown = [name for name in wanted if name not in names]
        if unknown:
            raise InfoError(f'{where}: {split}: expected sequences among {sorted(names)}, got {unknown}')
        if len(set(wanted)) != len(wanted):
            raise InfoError(f'{where}: {split}: expected every sequence once, got {list(wanted)}')


def check_summaries(summaries: Sequence[dict[str, Any]], grids: Sequence[CartesianGrid]) -> dict[str, dict[str, Any]]:
    """Summaries of `label_sequence` by name, if they may stand in one set.

    Raises:
        InfoError: None at all, two of one name, other classes or another order of them, other grids.
    """
    if not summaries:
        raise InfoError('summaries: expected those of at least one recording, got none')
    by_name: dict[str, dict[str, Any]] = {}
    first = summaries[0]
    for summary in summaries:
        name = summary['sequence']
        if name in by_name:
            folders = [by_name[name].get('recording', '?'), summary.get('recording', '?')]
            raise InfoError(
                f'recordings: expected distinct names, got {name!r} twice, in {folders[0]} and {folders[1]}'
            )
        if summary['classes'] != first['classes']:
            raise InfoError(
                f'classes: expected those of {first["sequence"]!r} in their order, {first["classes"]}, '
                f'got {summary["classes"]} in {name!r}'
            )
        missing = [key for key in map(grid_key, (grid.shape for grid in grids)) if key not in summary['counts']]
        if missing:
            raise InfoError(f'{name}: expected labels on the grids {missing}, got {sorted(summary["counts"])}')
        if not summary['entries']:
            raise InfoError(f'{name}: expected at least one labelled frame, got none')
        by_name[name] = summary
    return by_name
