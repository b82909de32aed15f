"""Checkpoints that are always whole and never run code.

A file holds tensors and plain containers only, so that `torch.load(weights_only=True)` reads it. It
is written beside its final name, forced to the disk, checked record by record and then renamed; the
pointer `last_checkpoint` follows by the same route, as a path relative to its own folder.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .plain_file import (
    PARTIAL_SUFFIX,
    CheckpointError,
    read_plain,
    remove_partial_files,
    verify_checkpoint,
    write_file,
)
from .plain_state import to_plain
from .safetensors_file import SUFFIX as SAFETENSORS
from .safetensors_file import read_safetensors

__all__ = [
    'PARTIAL_SUFFIX',
    'POINTER_NAME',
    'CheckpointError',
    'check_state_dict',
    'latest_checkpoint',
    'ordered_checkpoints',
    'read_checkpoint',
    'read_plain',
    'remove_partial_files',
    'verify_checkpoint',
    'write_file',
    'write_checkpoint',
    'write_pointer',
]

POINTER_NAME = 'last_checkpoint'
_SHOWN_DIFFERENCES = 5


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
        write_file(path, lambda file: torch.save(plain, file), verify_checkpoint)
    except (OSError, RuntimeError) as error:
        raise CheckpointError(f'{path}: could not be written ({error}); earlier checkpoints are untouched') from error


def read_checkpoint(path: str | Path, mmap: bool = False, verify: bool = True) -> dict:
    """Loads a checkpoint of this project to the CPU without ever running code from it.

    Args:
        path: a checkpoint, or weights as safetensors.
        mmap, verify: see `read_plain`.

    Returns:
        A dict with at least 'state_dict' and 'meta'; a bare state dict is wrapped into one.

    Raises:
        CheckpointError: no such file, truncated, with code inside, or not a checkpoint.
    """
    safe = Path(path).suffix == SAFETENSORS
    content: Any = read_safetensors(path) if safe else read_plain(path, mmap, verify=verify)
    if not isinstance(content, dict):
        raise CheckpointError(f'{path}: expected a dict with "state_dict", got {type(content).__name__}')
    if 'state_dict' not in content:
        if not content or not all(torch.is_tensor(item) for item in content.values()):
            raise CheckpointError(
                f'{path}: expected a dict with "state_dict", got one with the keys {sorted(map(str, content))[:10]}'
            )
        content = {'state_dict': content}
    content.setdefault('meta', {})
    for name in ('state_dict', 'meta'):
        if not isinstance(content[name], dict):
            raise CheckpointError(f'{path}: {name}: expected a dict, got {type(content[name]).__name__}')
    return content


def check_state_dict(model: nn.Module, state_dict: Mapping, source: str | Path) -> None:
    """Refuses a state dict that does not fit the model exactly.

    Raises:
        CheckpointError: names the file and the first missing, unknown and differently shaped
            entries, each with the expected and the actual shape.
    """
    expected = {key: value for key, value in model.state_dict().items() if torch.is_tensor(value)}
    for key, value in state_dict.items():
        if not isinstance(key, str) or key in expected and not torch.is_tensor(value):
            raise CheckpointError(
                f'{source}: state_dict: expected tensors by name, got {key!r}: {type(value).__name__}'
            )
        if key in expected and value.is_floating_point() != expected[key].is_floating_point():
            raise CheckpointError(f'{source}: state_dict.{key}: expected {expected[key].dtype}, got {value.dtype}')
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
    write_file(work_dir / POINTER_NAME, lambda file: file.write(relative.encode()))


def latest_checkpoint(work_dir: str | Path, out_dir: str | Path | None = None) -> tuple[Path | None, list[str]]:
    """The newest whole checkpoint of a run that can be resumed, and why others were passed over.

    Args, order: see `ordered_checkpoints`.

    Returns:
        (path, complaints); path is None when the folder holds no checkpoint at all.

    Raises:
        CheckpointError: there are checkpoints, and none of them is whole.
    """
    candidates, complaints = ordered_checkpoints(work_dir, out_dir)
    for path in candidates:
        try:
            verify_checkpoint(path)
        except CheckpointError as error:
            complaints.append(str(error))
            continue
        return path, complaints
    if complaints:
        raise none_is_whole(work_dir, complaints)
    return None, []


def none_is_whole(work_dir: str | Path, complaints: list[str]) -> CheckpointError:
    """The error that lists what is wrong with every checkpoint of a folder."""
    return CheckpointError(
        f'{work_dir}: expected a checkpoint to resume from, but none is whole: ' + '; '.join(complaints)
    )


def ordered_checkpoints(work_dir: str | Path, out_dir: str | Path | None = None) -> tuple[list[Path], list[str]]:
    """The files of a run that can be resumed, in the order to try them, and what is wrong with the others.

    The file that the pointer names comes first, unless a later one of the same run is there (the run was
    killed between the two, or the pointer is an old copy); then the others by the epoch and iteration that
    they hold: neither names nor time stamps count, which copying changes. Records are not checked here.

    Args:
        work_dir: the folder of the run; the pointer lies there.
        out_dir: where its checkpoints lie, when not there. A pointer that leads elsewhere is not followed.
    """
    folders = {Path(work_dir).resolve(): Path(work_dir)}
    if out_dir is not None:
        folders.setdefault(Path(out_dir).resolve(), Path(out_dir))
    named, complaints = _pointed_at(Path(work_dir), folders)
    places = {}
    found = {path for folder in folders.values() for path in folder.glob('*.pth')} | set(named)
    for path in sorted(found, reverse=True):
        try:
            place = _place(path)
        except CheckpointError as error:
            complaints.append(str(error))
        else:
            if place is not None:
                places[path] = place
    first = [path for path in named if path in places]
    candidates = first + sorted(set(places) - set(first), key=lambda path: places[path][0], reverse=True)
    if first and len(candidates) > 1 and places[candidates[1]][0] > places[first[0]][0]:
        runs = {places[path][1] for path in candidates[:2]}
        if len(runs) == 1 and None not in runs:
            candidates.sort(key=lambda path: places[path][0], reverse=True)
        else:
            complaints.append(f'{candidates[1]}: later than {first[0].name}, but {POINTER_NAME} names that one')
    return candidates, complaints


def _pointed_at(work_dir: Path, folders: Mapping[Path, Path]) -> tuple[list[Path], list[str]]:
    """What the pointer names, as a list of none or one, and what is wrong with the pointer."""
    pointer = work_dir / POINTER_NAME
    if not pointer.exists():
        return [], []
    try:
        text = pointer.read_bytes()[:4096].decode().strip()
        target = work_dir / text
        if not text or '\0' in text or not target.is_file():
            return [], [f'{pointer}: expected the name of a checkpoint file, got {text!r}']
        folder = folders.get(target.parent.resolve())
    except (OSError, ValueError) as error:
        return [], [f'{pointer}: expected the name of a checkpoint file, got what cannot be read ({error})']
    if folder is None:
        return [], [f'{pointer}: expected a checkpoint of this run, got {text!r} outside of {work_dir}']
    return [folder / target.name], []


def _place(path: Path) -> tuple[tuple[int, int], str | None] | None:
    """((epoch, iteration), run) that a checkpoint holds; None where it holds weights alone."""
    content = read_checkpoint(path, mmap=True, verify=False)
    if 'optimizer' not in content or 'iter' not in content['meta']:
        if 'optimizer' in content or 'message_hub' in content and 'best_' not in path.name:
            raise CheckpointError(f'{path}: expected an optimizer and meta.iter to resume from, got {sorted(content)}')
        return None
    epoch, iteration = content['meta'].get('epoch'), content['meta']['iter']
    for name, number in (('epoch', epoch), ('iter', iteration)):
        if type(number) is not int or number < 0:
            raise CheckpointError(f'{path}: meta.{name}: expected a whole number from 0, got {number!r}')
    run = content['meta'].get('run_id')
    return (epoch, iteration), run if isinstance(run, str) else None
