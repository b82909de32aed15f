"""What goes wrong with a sample, by name."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any, TypeVar, cast

import torch
from mmengine.logging import print_log


class CorruptSampleError(ValueError):
    """One frame on disk cannot be used; the message names the file, the expected and the actual."""


class TooManyCorruptSamplesError(CorruptSampleError):
    """So many frames of a training set are corrupt that the run must not go on."""


Reader = TypeVar('Reader', bound=Callable[..., Any])


def one_bad_file(read: Reader) -> Reader:
    """Decorate ``read(path, ...)``: whatever exception it raises, it is this file's fault.

    Libraries that read files raise of everything: OSError of a network drive, MemoryError of a
    wild header, RuntimeError of an encrypted archive, TypeError of an array with no length. None of
    them may end a training that one bad file of a thousand has no right to end.
    """

    @functools.wraps(read)
    def named(path: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return read(path, *args, **kwargs)
        except CorruptSampleError:
            raise
        except Exception as error:
            raise CorruptSampleError(
                f'{path}: expected a file that can be used, got {type(error).__name__}: {error}'
            ) from error

    return cast('Reader', named)


class CorruptSampleCount:
    """The corrupt samples of one training set, counted once each.

    The marks live in shared memory, so that the worker processes of one data loader count
    together. The ranks of a distributed run do not share it: each stops at the limit by itself.

    Args:
        length: number of samples in the set.
        max_share: largest tolerated share of corrupt samples, a fraction of ``length``.
    """

    def __init__(self, length: int, max_share: float) -> None:
        if not 0 <= max_share <= 1:
            raise ValueError(f'max_share: expected a fraction in [0, 1], got {max_share}')
        self.max_share = max_share
        self._marks = torch.zeros(length, dtype=torch.uint8).share_memory_()

    def __len__(self) -> int:
        return int(self._marks.sum())

    def record(self, index: int, error: CorruptSampleError) -> None:
        """Name and count a corrupt sample; raise once their share exceeds the limit."""
        total = len(self._marks)
        if not self._marks[index]:
            self._marks[index] = 1
            print_log(
                f'corrupt sample replaced ({len(self)} of {total} so far): {error}',
                logger='current',
                level=logging.WARNING,
            )
        if len(self) > self.max_share * total:
            raise TooManyCorruptSamplesError(
                f'{len(self)} of {total} training samples are corrupt, more than the tolerated '
                f'{100 * self.max_share:g} %; the last one: {error}'
            ) from error
