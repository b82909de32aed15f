"""One compiler setting for every kernel of the synthetic world.

numba keys its on-disk cache by the time stamp of the file that defines the entry kernel, so an edit
to a function that the kernel calls from another file would go unnoticed. Here the stamp covers all
files of `synthetic` that hold kernels or the constants that they read: whoever changes one
recompiles, nobody runs yesterday's code.
"""

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

from projects.OneOcc.core.compiled_kernels import compile_kernel


def sources_stamp() -> str:
    """Digest of the files of `synthetic` that define kernels, and of `solids`, whose constants they
    read."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parents[1].rglob('*.py')):
        text = path.read_bytes()
        if b'@kernel' in text or path.name == 'solids.py':
            digest.update(path.name.encode() + text)
    return digest.hexdigest()


_STAMP = sources_stamp()


def kernel(function: Callable | None = None, *, allocates: bool = False) -> Callable:
    """Compile without Python objects, cached on disk where one can, deterministic (no re-association of sums).

    Kernels that make no arrays run without reference counts: counting the arrays of a scene at
    every call of a small function costs more than the ray casting itself.
    """
    if function is None:
        return partial(kernel, allocates=allocates)
    compiled = compile_kernel(function, nogil=True, error_model='numpy', fastmath={'contract', 'nsz'}, _nrt=allocates)
    cache_file = getattr(getattr(compiled, '_cache', None), '_cache_file', None)
    if cache_file is not None:
        cache_file._source_stamp = _STAMP
    return compiled
