"""What all golden checks share: the registry of families, loading, comparison with a record."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

DEFAULT_FOLDER = Path(__file__).resolve().parents[1] / 'data' / 'goldens'
FAMILIES: dict[str, Callable[[Golden], None]] = {}
GROUPS: dict[str, str] = {}  # family -> group; a folder holds whole groups
NOT_CARRIED: set[str] = set()  # families whose files are too large for the repository's own folder


class GoldenError(Exception):
    """A golden folder that cannot be checked: empty, unknown file, missing companion."""


@dataclass
class Golden:
    """One golden file under check; collects deviations instead of stopping at the first.

    Attributes:
        path: the file.
        worst: per kind of comparison (deviation, tolerance, what).
        failures: one line for every comparison beyond its tolerance.
    """

    path: Path
    worst: dict[str, tuple[float, float, str]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    compared: int = 0

    def load(self) -> dict:
        """Contents of the file: arrays by key (npz) or what torch.load gives (pt)."""
        return load(self.path)

    def companion(self, name: str) -> Path:
        """Another file of the same folder that this one refers to."""
        path = self.path.parent / name
        if not path.is_file():
            raise GoldenError(f'{self.path.name} needs {name}, which is missing in {path.parent}')
        return path

    def close(
        self, what: str, actual, expected, tolerance: float, kind: str | None = None, scale: float | str = 1.0
    ) -> None:
        """Compare; the deviation is max|actual - expected| / scale.

        Args:
            what: key of the value, for the message.
            tolerance: largest deviation that passes; 0 asks for equality.
            kind: row of the record, by default `what` without the part before the last slash.
            scale: a number, or 'max' = max|expected|.
        """
        actual, expected = as_array(actual), as_array(expected)
        kind = kind or what.rsplit('/', 1)[-1]
        self.compared += 1
        if actual.shape != expected.shape:
            self.failures.append(f'{what}: shape {actual.shape}, golden {expected.shape}')
            return
        deviation = float(np.abs(actual - expected).max()) if actual.size else 0.0
        if scale == 'max':
            scale = float(np.abs(expected).max()) if expected.size else 0.0
        deviation = deviation / scale if scale > 0 else deviation
        if kind not in self.worst or deviation > self.worst[kind][0]:
            self.worst[kind] = (deviation, tolerance, what)
        # written so that NaN fails
        if not deviation <= tolerance:
            self.failures.append(f'{what}: deviation {deviation:.3g} > {tolerance:g}')

    def relative(self, what: str, actual, expected, tolerance: float, kind: str | None = None) -> None:
        """Compare scalars or arrays relative to max|expected|."""
        self.close(what, actual, expected, tolerance, kind, scale='max')

    def holds(self, what: str, condition: bool) -> None:
        """Record a failure unless the condition is true."""
        self.compared += 1
        if not condition:
            self.failures.append(what)

    def finish(self) -> None:
        """Raise AssertionError with every failure; refuse a check that compared nothing."""
        if not self.compared:
            raise GoldenError(f'the check of {self.path.name} compared nothing')
        if self.failures:
            lines = '\n  '.join(self.failures[:40])
            raise AssertionError(
                f'{self.path.name}: {len(self.failures)} of {self.compared} comparisons failed\n  {lines}'
            )

    def summary(self) -> str:
        """One line a kind of comparison: largest deviation and its tolerance."""
        rows = [
            f'  {kind:<28} {deviation:9.2e}  (tolerance {tolerance:g}; worst {what})'
            for kind, (deviation, tolerance, what) in sorted(self.worst.items())
        ]
        return '\n'.join([f'{self.path.name}: {self.compared} comparisons', *rows])


def family(*patterns: str, group: str = 'lidar, monoscene, rwkv', carried: bool = True) -> Callable:
    """Register a check for the files whose names match one of the patterns.

    Args:
        group: families that come together: a folder that holds a file of a group holds all of its families.
        carried: tests/data/goldens has a file of it.
    """

    def register(check: Callable[[Golden], None]) -> Callable[[Golden], None]:
        for pattern in patterns:
            if pattern in FAMILIES:
                raise ValueError(f'pattern {pattern!r} is registered twice')
            FAMILIES[pattern], GROUPS[pattern] = check, group
            if not carried:
                NOT_CARRIED.add(pattern)
        return check

    return register


def demanded_families(folder: Path) -> list[str]:
    """Patterns of which a folder must hold a file: all families of the groups that it holds a file of."""
    held = {GROUPS[pattern] for path in golden_files(folder) for pattern in patterns_of(path)}
    left_out = NOT_CARRIED if folder.resolve() == DEFAULT_FOLDER else set()
    return sorted(pattern for pattern in FAMILIES if GROUPS[pattern] in held and pattern not in left_out)


def golden_folder() -> Path:
    """Folder under check: $ONEOCC_GOLDENS, by default the copy that the repository carries."""
    return Path(os.environ.get('ONEOCC_GOLDENS') or DEFAULT_FOLDER)


def golden_files(folder: Path) -> list[Path]:
    """Data files of a golden folder, sorted; notes (*.md) are not data."""
    if not folder.is_dir():
        raise GoldenError(f'golden folder {folder} does not exist')
    files = sorted(path for path in folder.iterdir() if path.suffix != '.md')
    if not files:
        raise GoldenError(f'golden folder {folder} is empty')
    return files


def patterns_of(path: Path, patterns=None) -> list[str]:
    """Registered patterns that match a file name."""
    return [
        pattern for pattern in (FAMILIES if patterns is None else patterns) if fnmatch.fnmatchcase(path.name, pattern)
    ]


def check_file(path: Path) -> Golden:
    """Run the one family that knows the file; raises where none or several do, or it fails."""
    known = patterns_of(path)
    if len(known) != 1:
        raise GoldenError(f'{path.name} must match exactly one family, matches {known or "none"} of {sorted(FAMILIES)}')
    golden = Golden(path)
    FAMILIES[known[0]](golden)
    golden.finish()
    return golden


def load(path: Path) -> dict:
    """Read a golden file without unpickling code."""
    if path.suffix == '.npz':
        with np.load(path, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    if path.suffix == '.pt':
        return torch.load(path, weights_only=True, map_location='cpu')
    raise GoldenError(f'{path.name}: expected a .npz or .pt file')


def as_array(value) -> np.ndarray:
    """Any number, array or tensor as float64 (int64 and bool are exact there in our ranges)."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        value = value.float() if value.dtype == torch.bfloat16 else value
    return np.asarray(value, dtype=np.float64)
