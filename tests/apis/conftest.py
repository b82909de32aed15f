"""One small published model for all tests of this folder."""

import numpy as np
import pytest

from projects.OneOcc.oneocc.apis import OccInferencer
from tests.apis.published import publish


@pytest.fixture(scope='session')
def published_root(tmp_path_factory):
    return tmp_path_factory.mktemp('published')


@pytest.fixture(scope='session')
def card(published_root):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('ONEOCC_DATA', str(published_root / 'data'))
        return publish(published_root, 'quad', license='Apache-2.0', ego_height_m=0.6)


@pytest.fixture(scope='session')
def inferencer(card):
    return OccInferencer(card.folder, device='cpu')


@pytest.fixture(scope='session')
def photo() -> np.ndarray:
    """A full sphere whose colour says where one looks: red to the right, green upwards, blue ahead."""
    height, width = 64, 128
    phi = (np.arange(width) + 0.5) / width * 2 * np.pi - np.pi
    theta = np.pi / 2 - (np.arange(height) + 0.5)[:, None] / height * np.pi
    channels = (np.cos(theta) * np.sin(phi), np.sin(theta) + 0 * phi, np.cos(theta) * np.cos(phi))
    return np.rint(127.5 + 120 * np.stack(channels, axis=-1)).astype(np.uint8)
