"""A headless Chromium with a software GPU, where one is installed."""

from __future__ import annotations

import io
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

BROWSER = shutil.which('chromium') or shutil.which('chromium-browser') or shutil.which('google-chrome')
DRIVER = shutil.which('chromedriver')
PATIENCE = 120.0  # seconds: a software GPU on a busy machine draws a frame in seconds, and starts in half a minute
_ARGUMENTS = (
    '--headless=new',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-extensions',
    '--disable-sync',
    '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',  # pages ask nobody
    '--no-sandbox',
    '--disable-dev-shm-usage',
    '--use-angle=swiftshader',
    '--enable-unsafe-swiftshader',
    '--hide-scrollbars',
)


@contextmanager
def chromium() -> Iterator[Window]:
    """One browser; its console is kept. A start that fails is tried once more."""
    from selenium.common.exceptions import WebDriverException

    try:
        driver = _start()
    except WebDriverException:
        driver = _start()
    try:
        yield Window(driver)
    finally:
        driver.quit()


def _start() -> Any:
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    options = Options()
    for argument in _ARGUMENTS:
        options.add_argument(argument)
    options.binary_location = BROWSER
    options.set_capability('goog:loggingPrefs', {'browser': 'ALL'})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    driver.set_script_timeout(PATIENCE)
    driver.set_page_load_timeout(PATIENCE)
    driver.command_executor.client_config.timeout = PATIENCE + 30
    return driver


class Window:
    """A page as somebody sees it and touches it."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, target: Path | str, width: int = 1280, height: int = 800, dark: bool = False) -> None:
        """Show a file or an address in a window of a size, as a system in light or dark colours would."""
        self.driver.execute_cdp_cmd(
            'Emulation.setDeviceMetricsOverride',
            dict(width=width, height=height, deviceScaleFactor=1, mobile=width < 500),
        )
        feature = dict(name='prefers-color-scheme', value='dark' if dark else 'light')
        self.driver.execute_cdp_cmd('Emulation.setEmulatedMedia', dict(features=[feature]))
        self.driver.get(target.resolve().as_uri() if isinstance(target, Path) else target)
        self.settle()

    def settle(self) -> None:
        """Wait for two drawn frames."""
        self.driver.execute_async_script(
            'const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 80)));'
        )

    def run(self, script: str) -> Any:
        """What a script returns, once its effect is drawn."""
        found = self.driver.execute_script(script)
        self.settle()
        return found

    def press(self, *keys: str) -> None:
        """Keys, one after the other, to the page."""
        from selenium.webdriver.common.action_chains import ActionChains

        for key in keys:
            ActionChains(self.driver).send_keys(key).perform()
        self.settle()

    def touch(self, *strokes: tuple[tuple[float, float], tuple[float, float]]) -> None:
        """Fingers that go from one place to another at the same time."""
        points = lambda share: [  # noqa: E731 - three calls of one line
            dict(x=a[0] + share * (b[0] - a[0]), y=a[1] + share * (b[1] - a[1]), id=i)
            for i, (a, b) in enumerate(strokes)
        ]
        self._touch('touchStart', points(0))
        for step in range(1, 5):
            self._touch('touchMove', points(step / 4))
        self._touch('touchEnd', [])
        self.settle()

    def _touch(self, kind: str, points: list[dict]) -> None:
        self.driver.execute_cdp_cmd('Input.dispatchTouchEvent', dict(type=kind, touchPoints=points))

    def picture(self, path: Path | None = None) -> np.ndarray:
        """(H, W, 3) uint8 of the window, also as a file."""
        content = self.driver.get_screenshot_as_png()
        if path is not None:
            path.write_bytes(content)
        return np.asarray(Image.open(io.BytesIO(content)).convert('RGB'))

    def complaints(self) -> list[str]:
        """What the page has put into the console since the last call."""
        return [entry['message'] for entry in self.driver.get_log('browser')]

    def wait(self, ready: Callable[[], Any], seconds: float = PATIENCE) -> Any:
        """The first true answer of `ready`; AssertionError after some seconds."""
        end = time.monotonic() + seconds
        while not (found := ready()):
            assert time.monotonic() < end, 'the page did not get ready'
            time.sleep(0.2)
        return found
