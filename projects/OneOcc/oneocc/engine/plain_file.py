"""Files of torch that are whole or absent when written, and never run code when read."""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

import torch
from mmengine.logging import print_log

from ...core.formats.atomic_files import remove_leftovers, write_atomically

PARTIAL_SUFFIX = '.partial'


class CheckpointError(RuntimeError):
    """A checkpoint is missing, broken, unsafe or made for something else; the text names the file."""


def write_file(path: Path, write: Callable[[BinaryIO], Any], check: Callable[[Path], Any] | None = None) -> None:
    """`core.formats.atomic_files.write_atomically`, where a folder of that name is set aside before the rename."""

    def check_then_set_aside(temporary: Path) -> None:
        if check is not None:
            check(temporary)
        _set_aside(path)

    write_atomically(path, write, check_then_set_aside)


def _set_aside(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        aside = next(p for n in count(1) if not (p := path.with_name(f'{path.name}.folder{n}')).exists())
        path.rename(aside)
        print_log(f'{path}: expected a file, found a folder; it is called {aside.name} now', 'current', 30)


def remove_partial_files(folder: str | Path) -> None:
    """Clears what a killed run had begun to write; release 0.1 named it `*.pth.partial`."""
    remove_leftovers(Path(folder))
    for path in Path(folder).glob('*.pth' + PARTIAL_SUFFIX):
        if path.is_file():
            path.unlink(missing_ok=True)


def verify_checkpoint(path: str | Path) -> None:
    """Reads every record of the file against its checksum.

    Raises:
        CheckpointError: the file does not exist, is truncated or altered.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f'{path}: expected a checkpoint file, found {"a folder" if path.is_dir() else "nothing"}')
    try:
        size = path.stat().st_size
        if not zipfile.is_zipfile(path):
            with open(path, 'rb') as file:
                started_as_zip = file.read(2) == b'PK'
            if started_as_zip or size == 0:
                raise CheckpointError(f'{path}: expected a whole checkpoint, got a truncated file of {size} bytes')
            return  # the format of torch < 1.6, which has no checksums: reading it will tell
        with zipfile.ZipFile(path) as archive:
            packed = [info.filename for info in archive.infolist() if info.compress_type != zipfile.ZIP_STORED]
            if packed:  # torch never packs; unpacked, a small file may ask for all memory
                raise CheckpointError(f'{path}: expected records as they are, got a packed one ({packed[0]!r})')
            broken = archive.testzip()
    except CheckpointError:
        raise
    except Exception as error:  # an archive of random bytes raises whatever it likes
        raise CheckpointError(
            f'{path}: expected a whole checkpoint, got a broken file of {size} bytes ({error})'
        ) from error
    if broken is not None:
        raise CheckpointError(
            f'{path}: expected a whole checkpoint, but the checksum of its record {broken!r} is wrong'
        )


def read_plain(path: str | Path, mmap: bool = False, inert: Sequence[str] = (), verify: bool = True) -> Any:
    """Loads whatever a file of torch holds to the CPU without ever running code from it.

    Args:
        path: a local file.
        mmap: leave the tensors on the disk (to look at the other entries of a big file).
        inert: full names of classes that the file may mention; an empty class stands in for each, so that
            nothing of theirs is imported or run.
        verify: check all records first; without it only what is looked at is read.

    Raises:
        CheckpointError: no such file, truncated, with code inside, or with tensors that claim more
            numbers than the file holds.
    """
    path = Path(path)
    if verify or not path.is_file():
        verify_checkpoint(path)
    # torch knows an allowed class by the module and the name that the class itself claims
    stand_ins: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
        type(name.rpartition('.')[2], (), {'__module__': name.rpartition('.')[0]}) for name in inert
    ]
    try:
        with torch.serialization.safe_globals(stand_ins):
            content = torch.load(path, map_location='cpu', weights_only=True, mmap=mmap and zipfile.is_zipfile(path))
        _check_tensors(content, '')
    except CheckpointError as error:
        raise CheckpointError(f'{path}: {error}') from None
    except pickle.UnpicklingError as error:
        names = re.findall(r'GLOBAL ([\w.]+)', str(error))
        found = f'it asks for {names[0]}' if names else _first_line(error)
        raise CheckpointError(
            f'{path}: expected tensors and plain containers, but the file holds '
            f'Python objects or code ({found}); nothing of it was run'
        ) from error
    except Exception as error:  # what a damaged pickle raises cannot be listed
        raise CheckpointError(
            f'{path}: expected a checkpoint, got a file that torch cannot read ({_first_line(error)})'
        ) from error
    return content


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _check_tensors(value: Any, name: str) -> None:
    """Refuses tensors whose shape claims more than their storage holds: using one would fill all memory."""
    if torch.is_tensor(value):
        if value.layout is not torch.strided or value.is_quantized or value.device.type != 'cpu':
            raise CheckpointError(f'{name}: expected a dense tensor, got {value.layout} on {value.device}')
        if value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise CheckpointError(
                f'{name}: expected a tensor stored in full, got shape {tuple(value.shape)} '
                f'in {value.untyped_storage().nbytes()} bytes'
            )
    elif isinstance(value, Mapping):
        for key, item in value.items():
            _check_tensors(item, f'{name}.{key}' if name else str(key))
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            _check_tensors(item, f'{name}[{index}]')
