"""The live viewer in a browser: it connects, draws, and obeys keys."""

import numpy as np
import pytest

from projects.OneOcc.oneocc.visualization.keyed_page import KeyedPage
from projects.OneOcc.oneocc.visualization.live_view import LiveView
from tests.visualization.chromium import BROWSER, DRIVER, chromium
from tests.visualization.test_rides import TownRide

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(BROWSER is None or DRIVER is None, reason='needs chromium and chromedriver'),
]


@pytest.fixture(scope='module')
def served():
    viewer = LiveView([TownRide(), TownRide(truth=False)], port=0)
    page = KeyedPage('127.0.0.1', 0, viewer.port)
    with chromium() as window:
        window.open(page.address, 800, 500)
        text = lambda: window.driver.execute_script('return document.body.innerText')  # noqa: E731
        window.wait(lambda: 'LiDAR points' in text())
        window.wait(lambda: viewer.server.get_clients())
        yield viewer, window
    page.stop()
    viewer.stop()


def colours_of(window) -> int:
    """Pixels left of the panel that have a colour, as voxels do and paper does not."""
    picture = window.picture()[:, :480].astype(int)
    return int((np.ptp(picture, axis=-1) > 60).sum())


def test_it_draws_both_rides(served):
    viewer, window = served
    window.wait(lambda: colours_of(window) > 200)
    shown = window.driver.execute_script('return document.body.innerText')
    assert 'm0, 0.00 s' in shown and 'panorama' in shown


def test_keys_step_and_choose_layers(served):
    viewer, window = served
    window.press('.')
    window.wait(lambda: viewer._gui['frame'].value == 1)
    window.press(',')
    window.wait(lambda: viewer._gui['frame'].value == 0)
    window.press('k')
    window.wait(lambda: viewer._gui['known'].value)
    window.press('3')
    window.wait(lambda: viewer._gui['layer'].value == 'error')


def test_nothing_went_wrong(served):
    _, window = served
    entries = window.driver.get_log('browser')
    assert [entry['message'] for entry in entries if entry['level'] == 'SEVERE'] == []
