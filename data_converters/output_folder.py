"""A folder belongs to the settings that began it: the same command continues, any other is refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from projects.OneOcc.core.formats.atomic_files import read_json, write_json
from projects.OneOcc.core.formats.folder_lock import LOCK_FILE


def claim_output(out: Path, settings_file: str, settings: dict[str, Any], tolerated: Sequence[str] = ()) -> None:
    """Make `out`, or check that it holds a run of the same settings.

    Args:
        settings_file: Name of the file in `out` that holds the settings.
        tolerated: Names that may stand in a folder that no run has begun in.

    Raises:
        ValueError: A file, a foreign folder, or a run with other settings; names them.
    """
    if out.exists() and not out.is_dir():
        raise ValueError(f'--out: expected a folder, got the file {out}')
    out.mkdir(parents=True, exist_ok=True)
    settings = json.loads(json.dumps(settings))
    path = out / settings_file
    if path.is_file():
        _compare(out, path, settings)
        return
    known = {LOCK_FILE, *tolerated}
    strangers = sorted(p.name for p in out.iterdir() if not p.name.endswith('.tmp') and p.name not in known)
    if strangers:
        raise ValueError(
            f'{out}: expected an empty folder or a set begun by this command, '
            f'got one with {", ".join(strangers[:5])} in it'
        )
    write_json(path, settings, indent=1)


def _compare(out: Path, path: Path, settings: dict[str, Any]) -> None:
    try:
        found = read_json(path)
    except ValueError as error:
        raise ValueError(f'{error}; choose another --out') from error
    if not isinstance(found, dict):
        raise ValueError(f'{path}: expected the settings of a set, got {_brief(found)}; choose another --out')
    wrong = [
        f'{key} is {_brief(found.get(key))} there and {_brief(settings[key])} now'
        for key in settings
        if found.get(key) != settings[key]
    ]
    if wrong:
        raise ValueError(
            f'{out} holds a set with other settings: {"; ".join(wrong)}. Choose another --out, or remove that folder'
        )


def _brief(value: object) -> str:
    text = json.dumps(value, sort_keys=True)
    return text if len(text) <= 60 else text[:57] + '...'
