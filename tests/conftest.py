"""Fixtures shared by all tests: the device, the seed, the folder of small real samples."""

from pathlib import Path

import numpy as np
import pytest
import torch


def pytest_addoption(parser):
    parser.addoption('--device', default='cpu', help='torch device that `device` tests run on')


@pytest.fixture(scope='session')
def device(request) -> torch.device:
    """The torch device under test; skipped with a reason where it does not exist."""
    name = request.config.getoption('--device')
    if name.startswith('cuda') and not torch.cuda.is_available():
        pytest.skip(f'--device {name}: no CUDA device on this machine')
    # tests compare float32 with float32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    return torch.device(name)


@pytest.fixture(autouse=True)
def fixed_seed() -> None:
    """Every test starts from the same random state, whichever tests ran before it."""
    np.random.seed(0)  # noqa: NPY002 - mmengine and mmdet draw from the global state
    torch.manual_seed(0)


@pytest.fixture(scope='session')
def data_dir() -> Path:
    """Folder of small real samples; their origins stand in tests/data/ORIGIN.md."""
    return Path(__file__).parent / 'data'
