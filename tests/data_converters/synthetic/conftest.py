"""One town and one campus for all tests of this folder."""

import pytest

from data_converters.synthetic.places.world import World, build_world


@pytest.fixture(scope='session')
def town() -> World:
    return build_world('human', 3)


@pytest.fixture(scope='session')
def campus() -> World:
    return build_world('quad', 3)


@pytest.fixture(params=['town', 'campus'])
def world(request) -> World:
    return request.getfixturevalue(request.param)
