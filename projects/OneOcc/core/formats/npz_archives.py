"""Reading .npz archives of plain arrays without trusting them: what a member declares is compared with
what is expected before memory is taken for it.

A few kilobytes of deflated zeros can declare gigabytes, so every array has its number of bytes checked
first, and exactly so many are read.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

MAX_BYTES = 1 << 28  # of one array that nothing else limits: 256 MiB


class ArchiveError(ValueError):
    """Not a readable archive of the expected plain arrays; the message names the file."""


@dataclass(frozen=True)
class ArrayHeader:
    """What one member of an archive declares of itself."""

    shape: tuple[int, ...]
    dtype: np.dtype
    fortran_order: bool

    @property
    def num_bytes(self) -> int:
        count = self.dtype.itemsize
        for length in self.shape:
            count *= length
        return count


HeaderCheck = Callable[[dict[str, ArrayHeader]], None]


def read_npz(
    path: str | Path, keys: Sequence[str], check: HeaderCheck | None = None, optional: Sequence[str] = ()
) -> dict[str, np.ndarray]:
    """Read the arrays `keys`, and of `optional` those that are there; never unpickles.

    Args:
        check: Called with the declared shapes and dtypes before any array is read; raises to refuse.

    Returns:
        Writable arrays (...) of the declared shapes, by key.

    Raises:
        FileNotFoundError: No such file.
        ArchiveError: Not a readable archive, an object array inside, a key missing, an array of more
            than 256 MiB, or fewer bytes than it declares.
    """
    with _opened(path) as archive:
        with _damages_told(path):
            headers = _headers(archive, path, keys, optional)
        if check is not None:
            check(headers)
        with _damages_told(path):
            return {key: _read_array(archive, key, declared) for key, declared in headers.items()}


def read_npy(path: str | Path, check: Callable[[ArrayHeader], None] | None = None) -> np.ndarray:
    """Read one plain array (...) from a .npy file; never unpickles.

    Args:
        check: Called with the declared shape and dtype before the array is read; raises to refuse.

    Raises:
        FileNotFoundError: No such file.
        ArchiveError: No .npy file, an object array, more than 256 MiB, or other bytes than it declares.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f'{path}: no such array')
    with open(path, 'rb') as file:
        with _damages_told(path, 'a readable plain array'):
            declared = _read_header(file, 'the array')
        if check is not None:
            check(declared)
        with _damages_told(path, 'a readable plain array'):
            return _read_values(file, 'the array', declared)


def read_npz_headers(path: str | Path, keys: Sequence[str], optional: Sequence[str] = ()) -> dict[str, ArrayHeader]:
    """Declared shapes and dtypes of the arrays of an archive; raises as `read_npz` does."""
    with _opened(path) as archive, _damages_told(path):
        return _headers(archive, path, keys, optional)


@contextmanager
def _opened(path: str | Path) -> Iterator[zipfile.ZipFile]:
    if not Path(path).is_file():
        raise FileNotFoundError(f'{path}: no such archive')
    with _damages_told(path):
        archive = zipfile.ZipFile(path)
    with archive:
        yield archive


@contextmanager
def _damages_told(path: str | Path, what: str = 'a readable archive of plain arrays') -> Iterator[None]:
    try:
        yield
    except ArchiveError:
        raise
    except Exception as error:  # a damaged header makes numpy's parser raise nearly anything
        raise ArchiveError(f'{path}: not {what}: {error}') from error


def _headers(
    archive: zipfile.ZipFile, path: str | Path, keys: Sequence[str], optional: Sequence[str]
) -> dict[str, ArrayHeader]:
    members = archive.namelist()
    if any(f'{key}.npy' not in members for key in keys):
        found = sorted(member.removesuffix('.npy') for member in members)
        raise ArchiveError(f'{path}: expected the arrays {list(keys)}, got {found[:20]}')
    headers = {}
    for key in [*keys, *(key for key in optional if f'{key}.npy' in members)]:
        with archive.open(f'{key}.npy') as file:
            headers[key] = _read_header(file, key)
    return headers


def _read_array(archive: zipfile.ZipFile, key: str, declared: ArrayHeader) -> np.ndarray:
    """An entry (...) of the shape and dtype that it declared when the headers were read."""
    with archive.open(f'{key}.npy') as file:
        _read_header(file, key)
        return _read_values(file, key, declared)


def _read_values(file: IO[bytes], key: str, declared: ArrayHeader) -> np.ndarray:
    """The array (...) behind a header, as it declares; ValueError on more or fewer bytes."""
    # one byte more than declared, so that an archive's own check sum is compared at the end
    content = file.read(declared.num_bytes + 1)
    if len(content) != declared.num_bytes:
        more = 'more' if len(content) > declared.num_bytes else len(content)
        raise ValueError(
            f'{key}: expected {declared.num_bytes} bytes for {declared.shape} {declared.dtype}, got {more}'
        )
    array = np.frombuffer(content, declared.dtype).reshape(declared.shape, order='F' if declared.fortran_order else 'C')
    return array.copy(order='K')  # of its own and writable, as np.load gives it


def _read_header(file: IO[bytes], where: str) -> ArrayHeader:
    """Parse the header of a .npy stream, leaving the stream at the first value.

    Raises:
        ValueError: Pickled or structured values, lengths that no array has, or more than `MAX_BYTES`.
    """
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, fortran_order, dtype = np.lib.format.read_array_header_2_0(file)
    else:
        raise ValueError(f'{where}: expected a .npy of version 1 or 2, got {version}')
    if dtype.hasobject or dtype.fields is not None or dtype.subdtype is not None:
        raise ValueError(f'{where}: expected a plain array, got dtype {dtype}, which needs pickle or has fields')
    if any(isinstance(length, bool) or not 0 <= length < 1 << 40 for length in shape) or len(shape) > 32:
        raise ValueError(f'{where}: expected lengths from 0 on, got the shape {shape}')
    header = ArrayHeader(tuple(int(length) for length in shape), dtype, bool(fortran_order))
    if header.num_bytes > MAX_BYTES:
        raise ValueError(
            f'{where}: expected at most {MAX_BYTES >> 20} MiB, got {shape} {dtype}, {header.num_bytes >> 20} MiB'
        )
    return header
