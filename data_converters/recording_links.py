"""Recordings that lie elsewhere, brought below a data root by a link or a copy."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

from data_converters.label_checks import folder_below
from projects.OneOcc.core.formats.paths import inside
from projects.OneOcc.core.formats.recording import Recording, RecordingError


def is_below(recording: Recording, out: Path) -> bool:
    """Does the recording lie below the data root `out`?"""
    try:
        folder_below(recording, out)
    except RecordingError:
        return False
    return True


def target_of(recording: Recording, out: Path) -> Path:
    """Where below `out` the recording stands or will stand.

    Raises:
        RecordingError: Something else of that name stands there.
    """
    if is_below(recording, out):
        return recording.root
    target = inside(out / 'recordings', recording.name, f'{recording.root}: name', follow_links=True)
    if target.is_symlink() or target.exists():
        same = target.exists() and (target.samefile(recording.root) or _index(target) == _index(recording.root))
        if not same:
            raise RecordingError(
                f'{target}: expected the recording {recording.root} or nothing there, got '
                f'{os.readlink(target) if target.is_symlink() else "another recording"} of the name {recording.name!r}'
            )
    return target


def place_recording(recording: Recording, out: Path, copy: bool = False) -> Recording:
    """The recording at its place below `out`: linked there, or copied, if it lies elsewhere.

    A copy appears under its name when it is whole.

    Raises:
        RecordingError: Something else of that name stands there.
        OSError: The disk is full, or knows no links.
    """
    target = target_of(recording, out)
    if target != recording.root and not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        if copy:
            partial = target.with_name(f'.{target.name}.tmp')
            shutil.rmtree(partial, ignore_errors=True)
            _copy(recording.root, partial)
            os.replace(partial, target)
        else:
            target.symlink_to(recording.root.resolve(), target_is_directory=True)
    return replace(recording, root=target)


def _copy(source: Path, target: Path) -> None:
    try:
        shutil.copytree(source, target)
    except shutil.Error as error:  # a list of (source, target, reason)
        shutil.rmtree(target, ignore_errors=True)
        raise OSError(f'{target}: could not be copied: {error.args[0][0][2]}') from error


def _index(folder: Path) -> bytes | None:
    path = folder / 'recording.json'
    return path.read_bytes() if path.is_file() else None
