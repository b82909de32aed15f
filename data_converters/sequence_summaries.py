"""What label making left of a finished sequence: DIR/sequences/<name>.json, written last, by a rename.

A sequence is done when that file exists; it holds what the info files need.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from projects.OneOcc.core.formats.atomic_files import read_json
from projects.OneOcc.core.formats.paths import check_name, inside

_SUMMARY_TYPES = dict(sequence=str, classes=list, entries=list, counts=dict)


def summary_path(out: Path, name: str) -> Path:
    """Where what `label_sequence` returned for a sequence is kept; its existence says that it is done."""
    return inside(out / 'sequences', f'{check_name(name, "sequence")}.json', 'sequence')


def read_summary(out: Path, name: str) -> dict[str, Any] | None:
    """The summary of a finished sequence, or None if it is not finished.

    Raises:
        ValueError: A file that is no such summary; names it and the cure.
    """
    path = summary_path(out, name)
    if not path.is_file():
        return None
    cure = 'remove it, and the same command makes that sequence again'
    try:
        summary = read_json(path)
    except ValueError as error:
        raise ValueError(f'{error}; {cure}') from error
    wrong = not isinstance(summary, dict) or any(
        not isinstance(summary.get(key), kind) for key, kind in _SUMMARY_TYPES.items()
    )
    if wrong or summary['sequence'] != name or not summary['entries']:
        raise ValueError(f'{path}: expected the summary of the sequence {name!r}, got something else; {cure}')
    return summary
