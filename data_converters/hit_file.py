"""Hits that a ride has left behind, kept on disk until a label asks for them."""

from __future__ import annotations

import os
import tempfile
from typing import IO

import numpy as np

Hits = tuple[np.ndarray, np.ndarray]


class HitFile:
    """A nameless temporary file, in the folder that TMPDIR names; it is opened with the first hits, and vanishes."""

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None
        self._end = 0

    def write(self, hits: Hits) -> int:
        """Append points (N, 3) float32 and columns (N,) uint8; return where they start.

        Raises:
            OSError: The disk is full; the message names the folder.
        """
        if self._file is None:
            self._file = tempfile.TemporaryFile()
        start = self._end
        try:
            for array in hits:
                self._file.write(array.tobytes())
                self._end += array.nbytes
            self._file.flush()
        except OSError as error:
            raise OSError(
                error.errno, f'{error.strerror}: hits of a long ride (TMPDIR chooses the folder)', tempfile.gettempdir()
            ) from error
        return start

    def read(self, start: int, count: int) -> Hits:
        """The `count` hits that start there."""
        assert self._file is not None
        data = os.pread(self._file.fileno(), 13 * count, start)
        points = np.frombuffer(data, np.float32, 3 * count).reshape(count, 3)
        return points, np.frombuffer(data, np.uint8, count, 12 * count)
