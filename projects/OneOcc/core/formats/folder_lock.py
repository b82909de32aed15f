"""One writer a folder: a lock that the system frees however its holder ends; standard library only.

The lock is `flock` on a file of the folder, opened for writing, because a network file system grants an
exclusive lock on nothing else. The file says who holds it; where a file system knows no locks, that note is
all there is, and it is believed for processes of the same machine.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import sys
import time
from pathlib import Path

LOCK_FILE = '.lock'
PATIENCE_S = 10.0
_HELD = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)


class FolderLockedError(ValueError):
    """Another process writes into the folder; the text names the folder and, where known, the process."""


class FolderLock:
    """Keeps a second writer out of a folder: a context manager, or `acquire` and `release`.

    Args:
        folder: must exist and be writable.
        patience_s: seconds to wait for a holder that is about to end; child processes of a run that was
            killed hold on for a moment.
        what: what is protected, for the message: 'run', 'training'.
    """

    def __init__(self, folder: str | Path, patience_s: float = PATIENCE_S, what: str = 'run') -> None:
        self.path = Path(folder) / LOCK_FILE
        self.what = what
        self.patience_s = patience_s
        self._handle: int | None = None

    def acquire(self) -> FolderLock:
        """Takes the lock.

        Raises:
            FolderLockedError: another process holds it and does not end within the patience.
            OSError: the folder does not exist or cannot be written.
        """
        deadline = time.monotonic() + self.patience_s
        while not self._try_once():
            if time.monotonic() > deadline:
                raise FolderLockedError(
                    f'{self.path.parent}: another {self.what} is writing there{_told(self._note())}; '
                    'wait for it, end it, or take another folder'
                )
            time.sleep(0.2)
        return self

    def release(self) -> None:
        """Gives the lock back and removes its file; does nothing without the lock."""
        if self._handle is not None:
            self.path.unlink(missing_ok=True)
            os.close(self._handle)
            self._handle = None

    def __enter__(self) -> FolderLock:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    def _try_once(self) -> bool:
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            if not self._lock(handle) or not self._is_current(handle):
                os.close(handle)
                return False
            note = {'host': socket.gethostname(), 'pid': os.getpid(), 'since': time.strftime('%Y-%m-%d %H:%M:%S')}
            os.ftruncate(handle, 0)
            os.pwrite(handle, json.dumps(note).encode(), 0)
        except BaseException:
            os.close(handle)
            raise
        self._handle = handle
        return True

    def _lock(self, handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _HELD:
                return False
            if _is_alive(self._note()):
                return False
            print(
                f'{self.path.parent}: the file system knows no locks ({error.strerror}); start no second run there',
                file=sys.stderr,
            )
        return True

    def _is_current(self, handle: int) -> bool:
        """Whether the locked file still has its name: the holder before may have removed it meanwhile."""
        try:
            return os.path.samestat(os.stat(self.path), os.fstat(handle))
        except FileNotFoundError:
            return False

    def _note(self) -> dict:
        try:
            note = json.loads(self.path.read_bytes())
        except (OSError, ValueError):
            return {}
        return note if isinstance(note, dict) else {}


def _told(note: dict) -> str:
    return f' (process {note.get("pid")} on {note.get("host")}, since {note.get("since")})' if note else ''


def _is_alive(note: dict) -> bool:
    """Whether the note names another living process of this machine."""
    pid = note.get('pid')
    if note.get('host') != socket.gethostname() or not isinstance(pid, int) or pid < 1 or pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
