"""Random states of one process: taken, stored as plain containers, and put back."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

NumpyState = tuple[str, np.ndarray, int, int, float]


def capture_random_state() -> dict:
    """State of python's, numpy's and torch's generators, and of the current CUDA device.

    Returns only lists, numbers and uint8 tensors, so that `torch.load(weights_only=True)` can read
    it back.
    """
    version, words, gauss = random.getstate()
    name, keys, position, has_gauss, cached = numpy_state()
    state = {
        'python': [version, list(words), gauss],
        'numpy': [name, torch.from_numpy(keys.astype(np.int64)), position, has_gauss, cached],
        'torch': torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        state['cuda'] = torch.cuda.get_rng_state()
    return state


def numpy_state() -> NumpyState:
    """State of numpy's global generator: name, words (624,) uint32, position, has a Gaussian in store, that one."""
    state = np.random.get_state(legacy=False)  # noqa: NPY002
    return (
        state['bit_generator'],
        state['state']['key'],
        state['state']['pos'],
        state['has_gauss'],
        state['gauss'],
    )


def restore_random_state(state: dict) -> None:
    """Puts back what `capture_random_state` took; a CUDA state is ignored where there is no CUDA."""
    version, words, gauss = state['python']
    random.setstate((version, tuple(words), gauss))
    name, keys, position, has_gauss, cached = state['numpy']
    np.random.set_state((name, keys.numpy().astype(np.uint32), position, has_gauss, cached))  # noqa: NPY002
    torch.set_rng_state(state['torch'].cpu())
    if 'cuda' in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state['cuda'].cpu())


@contextmanager
def preserved_random_state() -> Iterator[None]:
    """Whatever the body draws, the random states after it are those before it."""
    state = capture_random_state()
    try:
        yield
    finally:
        restore_random_state(state)


def seed_sample(*entropy: int) -> None:
    """Seeds the CPU generators of this process from a few non-negative integers."""
    words = np.random.SeedSequence(entropy).generate_state(3)
    random.seed(int(words[0]))
    np.random.seed(int(words[1]))  # noqa: NPY002
    torch.default_generator.manual_seed(int(words[2]))
