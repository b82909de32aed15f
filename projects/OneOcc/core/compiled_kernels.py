"""One way to compile loops with numba: a cache on disk is a help, never a condition.

Where the folder of the code and the home cannot be written (a container, an installation of root's), where
the disk is full or a cached file is damaged, a kernel is compiled for this process alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numba

_log = logging.getLogger(__name__)


def compile_kernel(function: Callable, **options: Any) -> Callable:
    """`numba.njit(cache=True, **options)` that compiles without a cache where none can be kept.

    Args:
        function: to compile at its first call.
        options: `numba.njit`'s.
    """
    try:
        compiled = numba.njit(cache=True, **options)(function)
    except RuntimeError as error:  # numba found no folder that it may write
        if 'cannot cache' not in str(error):
            raise
        return numba.njit(**options)(function)
    _forgive(compiled._cache, function.__name__)
    return compiled


def _forgive(cache: Any, name: str) -> None:
    """Makes a damaged or full cache mean "compile", not the end of the program."""
    load, save = cache.load_overload, cache.save_overload

    def load_if_whole(*arguments: Any) -> Any:
        try:
            return load(*arguments)
        except Exception as error:  # a cached file is a pickle: cut short, it raises whatever it likes
            _log.warning('%s: its cached machine code cannot be read (%r); compiling it', name, error)
            return None

    def save_if_possible(*arguments: Any) -> None:
        try:
            save(*arguments)
        except Exception as error:  # saving first reads the index, which may be cut short too
            _log.warning('%s: its machine code cannot be cached (%s)', name, error)

    cache.load_overload, cache.save_overload = load_if_whole, save_if_possible
