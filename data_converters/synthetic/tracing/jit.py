"""One compiler setting for every kernel of the synthetic world.

numba keys its on-disk cache by the time stamp of the file that defines the entry kernel, so an edit
to a function that the kernel calls from another file would go unnoticed. Here the stamp covers all
files of `synthetic` that hold kernels, the tuples that they read or the constants that they read: whoever
changes one recompiles, nobody runs yesterday's code.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, overload

from numba import types

from projects.OneOcc.core.compiled_kernels import compile_kernel

Kernel = TypeVar('Kernel', bound=Callable)


def sources_stamp() -> str:
    """Digest of the files of `synthetic` that define kernels or tuples, and of `solids`, whose constants they
    read."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parents[1].rglob('*.py')):
        text = path.read_bytes()
        if b'@kernel' in text or b'(NamedTuple)' in text or path.name == 'solids.py':
            digest.update(path.name.encode() + text)
    return digest.hexdigest()


_STAMP = sources_stamp()


@overload
def kernel(function: Kernel) -> Kernel: ...


@overload
def kernel(*, allocates: bool) -> Callable[[Kernel], Kernel]: ...


def kernel(function: Callable | None = None, *, allocates: bool = False) -> Callable:
    """Compile without Python objects, cached on disk where one can, deterministic (no re-association of sums).

    Kernels that make no arrays run without reference counts: counting the arrays of a scene at
    every call of a small function costs more than the ray casting itself. To whoever checks types a
    kernel is the function that it was made from; the compiler reads no annotation.
    """
    if function is None:
        return lambda plain: _compiled(plain, allocates)
    return _compiled(function, allocates)


def _compiled(function: Callable, allocates: bool) -> Callable:
    compiled = compile_kernel(function, nogil=True, error_model='numpy', fastmath={'contract', 'nsz'}, _nrt=allocates)
    compiled.get_call_template = partial(_without_constants, compiled.get_call_template)
    cache_file = getattr(getattr(compiled, '_cache', None), '_cache_file', None)
    if cache_file is not None:
        cache_file._source_stamp = _STAMP
    return compiled


def _without_constants(template: Callable, args: tuple, kws: dict[str, Any]) -> tuple:
    """What `template` says of a call whose constant integers are plain ones.

    Left alone, numba compiles a function once more for every constant that kernels call it with: the noise of the
    textures thirty times.
    """
    plain = (types.unliteral(arg) if isinstance(arg, types.IntegerLiteral) else arg for arg in args)
    return template(tuple(plain), kws)
