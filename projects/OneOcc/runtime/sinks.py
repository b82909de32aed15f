"""Where results go. A sink that cannot write says so by `SinkError` and can be asked again; the stream goes on."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Protocol, TextIO

import numpy as np

from .occ_runtime import OccResult
from .sight import FREE, OCCUPIED

RESERVE_BYTES = 16 << 20  # what stays free on a disk, so that what was begun can be ended


class SinkError(RuntimeError):
    """A result that could not be written, in one sentence; later ones may be."""


class MissingExtraError(ImportError):
    """An optional package is not installed; the message says which extra brings it."""


class Sink(Protocol):
    """Takes results one at a time."""

    def write(self, result: OccResult, stamp: float) -> None:
        """Write a result of the time `stamp` in seconds; raises SinkError if that cannot be done now."""

    def close(self) -> None:
        """End the output, so that it is whole."""


class LineSink:
    """One line of JSON a result: stamp, voxels by state, voxels by class. For a person, or for a pipe."""

    def __init__(self, file: TextIO | None = None) -> None:
        self.file = sys.stdout if file is None else file

    def write(self, result: OccResult, stamp: float) -> None:
        """Write one line."""
        names = result.bundle.classes
        counts = np.bincount(result.labels[result.state == OCCUPIED], minlength=len(names) + 1)
        line = dict(
            stamp=stamp,
            occupied=len(result.occupied),
            free=int((result.state == FREE).sum()),
            classes={name: int(counts[i + 1]) for i, name in enumerate(names) if counts[i + 1]},
        )
        try:
            self.file.write(json.dumps(line) + '\n')
            self.file.flush()
        except OSError as error:
            raise SinkError(f'standard output: expected to write a line, got {error}') from error

    def close(self) -> None:
        """Nothing to end."""


class OutputFolder:
    """A folder of parts, each of which appears whole under its final name.

    Args:
        folder: made where needed.
        suffix: of every part's name.
        part_bytes: a new part begins when this much has been written into one.
    """

    def __init__(self, folder: str | Path, suffix: str = '', part_bytes: int = 1 << 30) -> None:
        self.folder, self.suffix, self.part_bytes = Path(folder), suffix, part_bytes
        self.folder.mkdir(parents=True, exist_ok=True)
        self.written = 0

    def next_part(self) -> tuple[Path, Path]:
        """(temporary, final) path of a part that does not exist yet."""
        number = 0
        while (final := self.folder / f'part_{number:04d}{self.suffix}').exists():
            number += 1
        temporary = self.folder / f'.part_{number:04d}.{os.getpid()}.partial{self.suffix}'
        remove(temporary)
        self.written = 0
        return temporary, final

    def check_space(self, num_bytes: int) -> None:
        """Refuse, by SinkError, to write what would not leave the reserve free."""
        free = shutil.disk_usage(self.folder).free
        if free < num_bytes + RESERVE_BYTES:
            raise SinkError(
                f'{self.folder}: the disk is full: expected {(num_bytes + RESERVE_BYTES) >> 20} MB free, '
                f'got {free >> 20} MB'
            )

    def count(self, num_bytes: int) -> bool:
        """Note what was written; whether the part is full."""
        self.written += num_bytes
        return self.written >= self.part_bytes


def remove(path: Path) -> None:
    """Remove a file or a folder, where there is one."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
