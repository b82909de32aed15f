"""Processes of a distributed training end with the launcher that started them."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


class OrphanedError(RuntimeError):
    """The launcher of this process is gone: whoever starts the training again would write beside it."""


class LauncherWatch:
    """Knows the launcher of this process, and notices its end.

    Args:
        launcher: as the config's `launcher`. With 'none' nobody is watched: a training may outlive the
            shell that started it. With 'pytorch' Linux itself ends the process when the launcher dies,
            even in the middle of a collective operation; elsewhere `check` does it.
    """

    def __init__(self, launcher: str) -> None:
        self._parent = None if launcher == 'none' else os.getppid()
        if launcher == 'pytorch' and sys.platform == 'linux':
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)

    def check(self) -> None:
        """To be called before anything is written.

        Raises:
            OrphanedError: the launcher has ended.
        """
        if self._parent is not None and os.getppid() != self._parent:
            raise OrphanedError(f'process {os.getpid()}: its launcher, process {self._parent}, is gone; ending too')
