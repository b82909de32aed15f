"""Tiny sets on disk for the tests of this folder."""

import gc
from pathlib import Path

import pytest

from tests.tiny_dataset import write_tiny_dataset


@pytest.fixture(scope='session', autouse=True)
def frozen_libraries() -> None:
    """mmengine collects garbage whenever it loads a set; a second each while it walks all of torch."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def quad_root(tmp_path) -> Path:
    """Three frames (day, dusk, night) with a raw annulus, split train."""
    return write_tiny_dataset(tmp_path / 'quadsim-mini', splits=('train',))


@pytest.fixture
def human_root(tmp_path) -> Path:
    """Three frames with an equirectangular image, split cross_train."""
    return write_tiny_dataset(tmp_path / 'humansim-mini', 'human', splits=('cross_train',))
