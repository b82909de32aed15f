"""From a name that stands in a file to a path that stays inside a folder; standard library only.

Names of recordings, frames, sensors and samples come from other people's files. Whatever such a name
says, nothing is read or written outside the folder that it belongs to.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

MAX_PART_BYTES = 200  # file systems take 255; suffixes and the names of temporary files are added
_RESERVED = re.compile(r'(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?', re.IGNORECASE)
_DRIVE = re.compile(r'[A-Za-z]:')


class UnsafeNameError(ValueError):
    """A name from a file that leads, or could lead, out of its folder; the message holds it."""


def inside(folder: Path, name: str, what: str, *, follow_links: bool = False) -> Path:
    """The path `folder`/`name`, which lies below `folder` on every system.

    Args:
        folder: Trusted; may itself be a link, and need not exist.
        name: From a file; forward slashes make sub-folders.
        what: How the message calls the name, e.g. 'recording.json: frames[3]: id'.
        follow_links: Let symbolic links below `folder` lead out of it: for reading only.

    Raises:
        UnsafeNameError: Empty, absolute, '.' or '..', a backslash, a drive letter, a control
            character, a name that Windows reserves, a part that is too long, or a link that leaves.
    """
    path = Path(folder, check_relative(name, what))
    if not follow_links:
        try:
            home, target = Path(folder).resolve(), path.resolve()
        except (OSError, RuntimeError) as error:  # links in a circle
            raise UnsafeNameError(f'{what}: expected a path inside {folder}, got {name!r}: {error}') from error
        if home not in target.parents:
            raise UnsafeNameError(f'{what}: expected a path inside {folder}, got {name!r}, which leads to {target}')
    return path


def flat_name(name: str) -> str:
    """An id with slashes as the name of one file: 'seq00/000005' -> 'seq00_000005'."""
    return name.replace('/', '_')


def check_relative(name: str, what: str) -> PurePosixPath:
    """Refuse all that `inside` refuses without asking the disk; returns the relative path."""
    parts = _parts(name, what)
    for part in parts:
        if part in ('', '.', '..') or part[-1] in '. ' or part[0] == ' ' or _RESERVED.fullmatch(part):
            raise UnsafeNameError(
                f'{what}: expected a relative path without empty, dotted, blank-ended or reserved parts, '
                f'inside its folder, got {_shown(name)}'
            )
        if len(part.encode()) > MAX_PART_BYTES:
            raise UnsafeNameError(f'{what}: expected parts of at most {MAX_PART_BYTES} bytes, got {_shown(name)}')
    return PurePosixPath(*parts)


def check_name(name: str, what: str) -> str:
    """A name that makes one file or folder: what `check_relative` takes, without a slash."""
    if '/' in str(check_relative(name, what)):
        raise UnsafeNameError(f'{what}: expected one name without slashes, got {_shown(name)}')
    return name


def _parts(name: str, what: str) -> list[str]:
    if not isinstance(name, str) or not name:
        raise UnsafeNameError(f'{what}: expected a name or relative path, got {_shown(name)}')
    try:
        name.encode()
    except UnicodeEncodeError:
        raise UnsafeNameError(f'{what}: expected text that a file name can hold, got {_shown(name)}') from None
    if '\\' in name or _DRIVE.match(name) or not name.isprintable():
        raise UnsafeNameError(
            f'{what}: expected a relative path inside its folder with forward slashes, without drive letters and '
            f'control characters, got {_shown(name)}'
        )
    if name.startswith('/'):
        raise UnsafeNameError(f'{what}: expected a relative path inside its folder, got {_shown(name)}')
    return name.split('/')


def _shown(name: object) -> str:
    text = ascii(name)
    return text if len(text) <= 120 else text[:117] + '...'
