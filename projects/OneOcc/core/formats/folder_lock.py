"""One writer a folder: a lock that the system frees however its holder ends, on local disks and on NFS."""

from __future__ import annotations

import errno
import fcntl
import os
import sys
import time
from pathlib import Path

LOCK_FILE = '.lock'
PATIENCE_S = 10.0
# Linux says EAGAIN, other systems and NFS say EACCES for a lock that somebody else holds
_HELD = (errno.EAGAIN, errno.EACCES, errno.EWOULDBLOCK)
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EBADF, errno.EINVAL)


class FolderLock:
    """Keeps a second run out of a folder.

    Locks a file in the folder that is open for writing: NFS turns the lock into a byte range lock of
    its server, which a descriptor open for reading, such as a folder's, cannot have. Where the file
    system knows no locks the run goes on without one and says so.

    Args:
        folder: Exists and is writable; `folder`/.lock stays there, empty.
        patience_s: How long to wait for a run that has just been killed.

    Raises:
        ValueError: On entry, if another run holds the folder for longer than that.
    """

    def __init__(self, folder: str | Path, patience_s: float = PATIENCE_S) -> None:
        self._folder, self._patience_s = Path(folder), patience_s
        self._handle: int | None = None

    def __enter__(self) -> FolderLock:
        self._handle = os.open(self._folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            self._wait(self._handle)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _wait(self, handle: int) -> None:
        deadline = time.monotonic() + self._patience_s
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except OSError as error:
                if error.errno in _NO_LOCKS:
                    print(
                        f'{self._folder}: the file system knows no locks ({error.strerror}); start no second run there',
                        file=sys.stderr,
                    )
                    return
                if error.errno not in _HELD:
                    raise
                if time.monotonic() > deadline:
                    raise ValueError(
                        f'{self._folder}: expected no other run there, but another run is writing there'
                    ) from None
            time.sleep(0.2)
