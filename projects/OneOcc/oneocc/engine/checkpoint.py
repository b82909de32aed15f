"""Checkpoints that are always whole and never run code.

A file holds tensors and plain containers only, so that `torch.load(weights_only=True)` reads it. It
is written beside its final name, forced to the disk, checked record by record and then renamed; the
pointer `last_checkpoint` follows by the same route, as a path relative to its own folder.
"""

from __future__ import annotations

import os
import pickle
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import nn

from .plain_state import to_plain

POINTER_NAME = 'last_checkpoint'
PARTIAL_SUFFIX = '.partial'
_SHOWN_DIFFERENCES = 5


class CheckpointError(RuntimeError):
    """A checkpoint is missing, broken, unsafe or made for something else; the text names the file."""


def write_atomically(path: Path, write: Callable, check: Callable | None = None) -> None:
    """Lets `write(file)` fill a file that appears under `path` whole or not at all.

    `check(partial_path)` may raise to keep the file from appearing. The previous file of that name
    stands until the very rename, and after a failure.
    """
    partial = path.with_name(path.name + PARTIAL_SUFFIX)
    try:
        with open(partial, 'wb') as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        if check is not None:
            check(partial)
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_checkpoint(checkpoint: Mapping, path: str | Path) -> None:
    """Stores a checkpoint under `path`, whole or not at all.

    Raises:
        TypeError: something in it is neither a tensor nor a plain container.
        CheckpointError: the disk is full or broken; the file of that name before is untouched.
    """
    path = Path(path)
    plain = to_plain(checkpoint)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, lambda file: torch.save(plain, file), verify_checkpoint)
    except (OSError, RuntimeError) as error:
        raise CheckpointError(f'{path}: could not be written ({error}); earlier checkpoints are untouched') from error


def verify_checkpoint(path: str | Path) -> None:
    """Reads every record of the file against its checksum.

    Raises:
        CheckpointError: the file does not exist, is truncated or altered.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f'{path}: expected a checkpoint file, found {"a folder" if path.is_dir() else "nothing"}')
    size = path.stat().st_size
    if not zipfile.is_zipfile(path):
        with open(path, 'rb') as file:
            started_as_zip = file.read(2) == b'PK'
        if started_as_zip or size == 0:
            raise CheckpointError(f'{path}: expected a whole checkpoint, got a truncated file of {size} bytes')
        return  # the format of torch < 1.6, which has no checksums: reading it will tell
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
    except (zipfile.BadZipFile, OSError, EOFError) as error:
        raise CheckpointError(
            f'{path}: expected a whole checkpoint, got a broken file of {size} bytes ({error})'
        ) from error
    if broken is not None:
        raise CheckpointError(
            f'{path}: expected a whole checkpoint, but the checksum of its record {broken!r} is wrong'
        )


def read_plain(path: str | Path, mmap: bool = False, inert: Sequence[str] = ()):
    """Loads whatever a file of torch holds to the CPU without ever running code from it.

    Args:
        path: a local file.
        mmap: leave the tensors on the disk (to look at the other entries of a big file).
        inert: full names of classes that the file may mention; an empty class stands in for each, so that
            nothing of theirs is imported or run.

    Raises:
        CheckpointError: no such file, truncated, or with code inside.
    """
    path = Path(path)
    verify_checkpoint(path)
    # torch knows an allowed class by the module and the name that the class itself claims
    stand_ins = [type(name.rpartition('.')[2], (), {'__module__': name.rpartition('.')[0]}) for name in inert]
    try:
        with torch.serialization.safe_globals(stand_ins):
            return torch.load(path, map_location='cpu', weights_only=True, mmap=mmap and zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        names = re.findall(r'GLOBAL ([\w.]+)', str(error))
        found = f'it asks for {names[0]}' if names else str(error).splitlines()[0]
        raise CheckpointError(
            f'{path}: expected tensors and plain containers, but the file holds '
            f'Python objects or code ({found}); nothing of it was run'
        ) from error
    except (RuntimeError, EOFError, ValueError, KeyError, OSError) as error:
        raise CheckpointError(
            f'{path}: expected a checkpoint, got a file that torch cannot read ({str(error).splitlines()[0]})'
        ) from error


def read_checkpoint(path: str | Path, mmap: bool = False) -> dict:
    """Loads a checkpoint of this project to the CPU without ever running code from it.

    Args:
        path, mmap: see `read_plain`.

    Returns:
        A dict with at least 'state_dict' and 'meta'; a bare state dict is wrapped into one.

    Raises:
        CheckpointError: no such file, truncated, with code inside, or not a checkpoint.
    """
    content = read_plain(path, mmap)
    if not isinstance(content, dict):
        raise CheckpointError(f'{path}: expected a dict with "state_dict", got {type(content).__name__}')
    if 'state_dict' not in content:
        if not content or not all(torch.is_tensor(item) for item in content.values()):
            raise CheckpointError(
                f'{path}: expected a dict with "state_dict", got one with the keys {sorted(map(str, content))[:10]}'
            )
        content = {'state_dict': content}
    content.setdefault('meta', {})
    return content


def check_state_dict(model: nn.Module, state_dict: Mapping, source: str | Path) -> None:
    """Refuses a state dict that does not fit the model exactly.

    Raises:
        CheckpointError: names the file and the first missing, unknown and differently shaped
            entries, each with the expected and the actual shape.
    """
    expected = {key: value for key, value in model.state_dict().items() if torch.is_tensor(value)}
    missing = sorted(set(expected) - set(state_dict))
    unknown = sorted(
        set(state_dict) - set(expected) - {key for key in state_dict if not torch.is_tensor(state_dict[key])}
    )
    differing = [key for key in expected if key in state_dict and expected[key].shape != state_dict[key].shape]
    if not (missing or unknown or differing):
        return
    parts = []
    if differing:
        shapes = [
            f'{key} expected {tuple(expected[key].shape)}, got {tuple(state_dict[key].shape)}' for key in differing
        ]
        parts.append(_some('of another shape', shapes))
    if missing:
        parts.append(_some('missing', [f'{key} {tuple(expected[key].shape)}' for key in missing]))
    if unknown:
        parts.append(_some('unknown to this model', unknown))
    raise CheckpointError(
        f'{source}: expected the {len(expected)} entries of '
        f'{type(model).__name__}, got a checkpoint of another config; ' + '; '.join(parts)
    )


def _some(title: str, items: list[str]) -> str:
    more = len(items) - _SHOWN_DIFFERENCES
    tail = f' and {more} more' if more > 0 else ''
    return f'{len(items)} {title}: ' + ', '.join(items[:_SHOWN_DIFFERENCES]) + tail


def write_pointer(work_dir: str | Path, checkpoint_path: str | Path) -> None:
    """Makes `last_checkpoint` of a run name this file, relative to the folder of the run."""
    work_dir = Path(work_dir)
    relative = os.path.relpath(checkpoint_path, work_dir)
    write_atomically(work_dir / POINTER_NAME, lambda file: file.write(relative.encode()))


def latest_checkpoint(work_dir: str | Path) -> tuple[Path | None, list[str]]:
    """The newest checkpoint of a run that can be resumed, and why newer ones were passed over.

    The pointer is asked first; then the other `*.pth` files beside it, newest first.

    Returns:
        (path, complaints); path is None when the folder holds no checkpoint at all.

    Raises:
        CheckpointError: there are checkpoints, and none of them is whole.
    """
    work_dir = Path(work_dir)
    pointer = work_dir / POINTER_NAME
    candidates: list[Path] = []
    folders = {work_dir}
    if pointer.is_file() and (text := pointer.read_text().strip()):
        candidates.append(work_dir / text)
        folders.add((work_dir / text).parent)
    others = {path for folder in folders for path in folder.glob('*.pth')} - set(candidates)
    candidates += sorted(others, key=_age_rank, reverse=True)
    complaints = []
    for path in candidates:
        try:
            content = read_checkpoint(path, mmap=True)
        except CheckpointError as error:
            complaints.append(str(error))
            continue
        if 'optimizer' in content and 'iter' in content['meta']:
            return path, complaints
    if complaints:
        raise CheckpointError(
            f'{work_dir}: expected a checkpoint to resume from, but none is whole: ' + '; '.join(complaints)
        )
    return None, []


def _age_rank(path: Path) -> tuple[int, int]:
    numbers = re.findall(r'\d+', path.stem)
    return path.stat().st_mtime_ns, int(numbers[-1]) if numbers else -1


def remove_partial_files(folder: str | Path) -> None:
    """Clears what a killed run had begun to write."""
    for path in Path(folder).glob('*' + PARTIAL_SUFFIX):
        path.unlink(missing_ok=True)
