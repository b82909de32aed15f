"""The page as a browser shows it: it draws, says nothing in the console, and does what it is asked to."""

import math

import numpy as np
import pytest

from projects.OneOcc.core.geometry import EquirectCamera, View
from projects.OneOcc.oneocc.visualization import PageFrame, Panorama, overlay_labels, write_html, write_ride_html
from tests.visualization.chromium import BROWSER, DRIVER, chromium
from tests.visualization.scenes import CLASSES, GRID, PALETTE, share_of, town

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(BROWSER is None or DRIVER is None, reason='needs chromium and chromedriver'),
]
EYE = (0.0, 0.0, 0.6)
BAND = EquirectCamera(512, 160, math.radians(-50), math.radians(40))


def panorama() -> Panorama:
    """Grey, with the town painted where it is seen, so that pixels and voxels can be compared."""
    pose = np.eye(4)
    pose[:3, 3] = -np.array(EYE)
    grey = np.full((160, 512, 3), 128, np.uint8)
    return Panorama(overlay_labels(grey, town(), GRID, PALETTE, BAND, pose, opacity=1.0), View(BAND, pose))


def guess() -> np.ndarray:
    """The town without its house, the car in the wrong place."""
    labels = np.where(town() == 255, 2, town()).astype(np.uint8)
    labels[11:15, 11:15, 1:4] = 0
    labels[2:4, 8:10, 1] = 1
    return labels


@pytest.fixture(scope='module')
def window():
    with chromium() as found:
        yield found


@pytest.fixture(scope='module')
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp('pages')
    truth, predicted = town(), guess()
    volumes = {'ground truth': truth, 'prediction': predicted}
    write_html(folder / 'one.html', truth, GRID, PALETTE, CLASSES, 'one')
    certain = np.where(np.arange(16)[:, None, None] < 8, 0.9, 0.3) * np.ones(GRID.shape)
    write_html(folder / 'pair.html', volumes, GRID, PALETTE, CLASSES, 'pair', panorama=panorama(), probability=certain)
    frames = []
    for index in range(4):
        moved = np.roll(truth, index, axis=1)
        frames.append(PageFrame({'prediction': moved}, f'frame {index}', 0.25 * index, panorama(), known=moved != 255))
    write_ride_html(folder / 'ride.html', frames, GRID, PALETTE, CLASSES, 'ride')
    return folder


@pytest.fixture(autouse=True)
def quiet(window):
    window.complaints()
    yield
    assert window.complaints() == []


def scene_of(window) -> np.ndarray:
    """The part of the window where the voxels are."""
    box = window.run(
        'const b = canvas.getBoundingClientRect(), wide = b.width > 700;'
        'return [b.top + (wide ? 0 : 60), b.bottom, b.left + (wide ? 260 : 0), b.right]'
    )
    top, bottom, left, right = (int(value) for value in box)
    return window.picture()[top:bottom, left:right]


def test_the_town_is_drawn(window, pages):
    window.open(pages / 'one.html')
    picture = scene_of(window)
    assert share_of(picture, 0).sum() > 500, 'the red house'
    assert share_of(picture, 2).sum() > 50, 'the blue car'
    assert window.run('return document.getElementById("pane").hidden')
    # behind the robot, looking ahead: the house, ahead and on the left, is up and left of the car
    house, car = (np.argwhere(share_of(picture, channel)).mean(axis=0) for channel in (0, 2))
    assert house[0] < car[0] and house[1] < car[1]


def test_classes_are_switched_off(window, pages):
    window.open(pages / 'one.html')
    before = share_of(scene_of(window), 0).sum()
    window.run("document.querySelectorAll('#classes input')[2].click()")
    assert share_of(scene_of(window), 0).sum() == 0 < before


def test_volumes_are_switched(window, pages):
    window.open(pages / 'pair.html')
    assert share_of(scene_of(window), 0).sum() > 500
    window.press('2')
    assert window.run('return scene.volumes[state.volume].name') == 'prediction'
    assert share_of(scene_of(window), 0).sum() == 0
    window.press('3')
    assert window.run('return scene.volumes[state.volume].name') == 'error'
    missed = np.abs(scene_of(window).astype(int) - (52, 104, 214)).sum(axis=-1) < 90
    assert missed.sum() > 500, 'the house was missed'


def test_only_where_truth_is_known(window, pages):
    window.open(pages / 'pair.html')
    window.press('2')
    before = window.run('return visible.filter(Boolean).length')
    window.press('k')
    after = window.run('return visible.filter(Boolean).length')
    unknown = int(((town() == 255) & (guess() > 0)).sum())
    assert before - after == unknown > 0
    assert 'only where truth is known' in window.run('return document.getElementById("masks").textContent')


def test_only_what_is_sure(window, pages):
    window.open(pages / 'pair.html')
    window.press('2')
    window.run("const s = document.getElementById('surer'); s.value = 60; s.oninput()")
    assert window.run('return visible.filter(Boolean).length') == int((guess()[:8] > 0).sum())


def test_pixels_and_voxels_point_at_each_other(window, pages):
    """Every voxel that a sight line meets is found again by its own pixel; each is what the panorama shows there."""
    window.open(pages / 'pair.html')
    found = window.run("""
      const rows = [];
      for (let v = 8; v < 160; v += 13) for (let u = 3; u < 512; u += 17) {
        const voxel = march(current.panorama.eye, rayOf(u, v)).voxel;
        if (voxel >= 0) rows.push([u, v, visible[voxel], ...pixelOf(centreOf(voxel))]);
      }
      return rows;""")
    assert len(found) > 100
    shown = panorama().image.astype(int)
    right = 0
    for u, v, label, _, _ in found:
        pixel = shown[int(v), int(u)]
        right += int(np.argmin([np.abs(pixel - np.array(colour) * 0.8).sum() for colour in PALETTE])) + 1 == label
    assert right / len(found) > 0.95
    away = [min(abs(a - u), 512 - abs(a - u)) / 512 * 2 * math.pi for u, _, _, a, _ in found]
    assert np.median(away) < math.radians(6)


def test_pointing_at_the_panorama_marks_a_voxel(window, pages):
    from selenium.webdriver.common.action_chains import ActionChains

    window.open(pages / 'pair.html')
    sheet = window.driver.find_element('id', 'panorama')
    before = window.picture()
    ActionChains(window.driver).move_to_element_with_offset(sheet, -60, 10).perform()
    window.settle()
    words = window.run('return document.getElementById("readout").textContent')
    assert 'm away' in words and words.split(',')[0] in CLASSES
    marked = np.abs(window.picture().astype(int) - (255, 0, 200)).sum(axis=-1) < 60
    assert marked.sum() > 20 and not (np.abs(before.astype(int) - (255, 0, 200)).sum(axis=-1) < 60).any()
    rows = np.flatnonzero(marked.any(axis=1))
    pane = window.run('return canvas.getBoundingClientRect().top')
    assert rows.min() < pane < rows.max(), 'in the panorama and among the voxels'


def test_the_prediction_is_drawn_over_the_panorama(window, pages):
    window.open(pages / 'pair.html')
    height = int(window.run('return canvas.getBoundingClientRect().top'))
    window.press('2', 'a')
    before = window.picture()[:height].astype(int)
    window.press('o')
    after = window.picture()[:height].astype(int)
    changed = (np.abs(after - before).sum(axis=-1) > 30).mean()
    assert 0.02 < changed < 0.9


def test_keys_turn_and_come_nearer(window, pages):
    window.open(pages / 'one.html')
    start = window.run('return [state.azimuth, state.pitch, state.distance]')
    window.press('\ue014', '\ue013', '+')
    end = window.run('return [state.azimuth, state.pitch, state.distance]')
    assert end[0] > start[0] and end[1] > start[1] and end[2] < start[2]
    window.press('r')
    assert window.run('return state.inside') is True
    assert share_of(scene_of(window), 1).sum() == 0


def test_fingers_turn_pinch_and_point(window, pages):
    window.open(pages / 'one.html', 390, 780)
    start = window.run('return [state.azimuth, state.distance]')
    window.touch(((200, 500), (260, 500)))
    assert window.run('return state.azimuth') > start[0]
    window.touch(((180, 500), (100, 500)), ((220, 500), (300, 500)))
    assert window.run('return state.distance') < start[1]
    window.press('a')
    window.touch(((195, 390), (195, 390)))
    assert 'm away' in window.run('return document.getElementById("readout").textContent')


@pytest.mark.parametrize('dark', [False, True], ids=['light', 'dark'])
def test_colours_follow_the_system_and_the_button(window, pages, dark):
    window.open(pages / 'pair.html', dark=dark)
    corner = scene_of(window)[4:40, -60:-4]
    assert (corner.mean() < 60) == dark
    window.press('d')
    assert (scene_of(window)[4:40, -60:-4].mean() < 60) != dark
    labels = window.run('return getComputedStyle(document.querySelector("aside")).color')
    assert labels


def test_the_panel_folds_away_on_a_phone(window, pages):
    window.open(pages / 'pair.html', 390, 780)
    assert window.run('return document.body.scrollWidth') <= 390
    assert window.run('return getComputedStyle(document.getElementById("panel")).display') == 'none'
    picture = scene_of(window)
    drawn = np.flatnonzero((np.abs(picture.astype(int) - picture[5, -5].astype(int)).sum(axis=-1) > 60).any(axis=0))
    assert drawn.min() > 2 and drawn.max() < picture.shape[1] - 2, 'the whole floor is in the window'
    window.run("document.getElementById('fold').click()")
    assert window.run('return getComputedStyle(document.getElementById("panel")).display') != 'none'
    box = window.run('const b = document.getElementById("panel").getBoundingClientRect(); return [b.left, b.right]')
    assert 0 <= box[0] and box[1] <= 390
    window.open(pages / 'pair.html')
    assert window.run('return getComputedStyle(document.getElementById("panel")).display') != 'none'


def test_a_ride_is_walked_through(window, pages):
    window.open(pages / 'ride.html')
    first = scene_of(window)
    window.press('.', '.')
    assert window.run('return [state.frame, Number(slider.value)]') == [2, 2]
    assert 'frame 2' in window.run('return document.getElementById("moment").textContent')
    assert (scene_of(window) != first).any()
    moved = window.run('return Array.from(current.labels[0])')
    np.testing.assert_array_equal(np.array(moved).reshape(GRID.shape), np.roll(town(), 2, axis=1))
    window.press(',', ',')
    assert (np.abs(scene_of(window).astype(int) - first) > 40).mean() < 0.01
    window.press(' ')
    window.wait(lambda: window.run('return state.frame') > 1)
    window.press(' ')
    assert window.run('return playing') is None


def test_what_is_switched_off_stays_off_over_the_ride(window, pages):
    window.open(pages / 'ride.html')
    window.run("document.querySelectorAll('#classes input')[2].click()")
    window.press('.')
    assert share_of(scene_of(window), 0).sum() == 0
