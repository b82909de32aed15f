"""Pictures say what the labels say: places, colours, conventions, speed."""

import math
import time

import numpy as np
import pytest

from projects.OneOcc.core.geometry import CartesianGrid, EquirectCamera, TaylorCamera
from projects.OneOcc.oneocc.visualization import (
    Viewpoint,
    overlay_labels,
    render_error_topdown,
    render_perspective,
    render_topdown,
)
from tests.visualization.scenes import GRID, PALETTE, share_of, town

RED, BLUE = 0, 2


def middle(mask: np.ndarray) -> tuple[float, float]:
    """(row, column) of a mask's centre, as shares of the picture."""
    rows, columns = np.nonzero(mask)
    return rows.mean() / mask.shape[0], columns.mean() / mask.shape[1]


def test_topdown_forward_is_up_and_left_is_left():
    picture = render_topdown(town(), PALETTE, size=160)
    assert picture.shape == (160, 160, 3) and picture.dtype == np.uint8
    row, column = middle(share_of(picture, RED))  # the house: ahead, left
    assert row < 0.3 and column < 0.3
    row, column = middle(share_of(picture, BLUE))  # the car: behind, right
    assert row > 0.7 and column > 0.7
    # voxel (14, 14) is row 16 - 1 - 14, column 16 - 1 - 14
    assert share_of(picture, RED)[10:50, 10:50].all()


def test_topdown_shows_the_topmost_voxel_and_follows_unknown():
    labels = town()
    labels[5, 5, 3] = 3
    assert share_of(render_topdown(labels, PALETTE, 16), RED)[16 - 1 - 5, 16 - 1 - 5]
    corner = {mode: render_topdown(town(), PALETTE, 16, mode)[1, 14].astype(int) for mode in ('hide', 'empty', 'show')}
    assert corner['hide'].min() > 245 and corner['show'].max() < 190
    assert 220 < corner['empty'].min() < 240


def test_topdown_is_brighter_where_it_is_higher():
    labels = np.zeros((8, 8, 4), np.uint8)
    labels[:4, :, 0] = labels[4:, :, 3] = 2
    picture = render_topdown(labels, PALETTE, 8)
    assert picture[1, 4, 0] > picture[6, 4, 0]


def test_error_from_above_by_hand():
    truth, guess = town(), town()
    guess[guess == 255] = 0
    guess[2:4, 2:4, 1] = 0
    guess[8, 8, 2] = 3
    picture = render_error_topdown(guess, truth, size=16).astype(int)
    missed, false, right = picture[12, 12], picture[7, 7], picture[10, 3]
    assert missed[2] > missed[0] + 30 and false[0] > false[2] + 30
    assert np.ptp(right) < 20 and picture[0, 15].min() > 245


def test_perspective_looks_forward_from_behind():
    view = Viewpoint(azimuth_deg=180, elevation_deg=35)
    picture = render_perspective(town(), GRID, PALETTE, view, 320, 240)
    assert picture.shape == (240, 320, 3)
    house, car = (share_of(picture, c) for c in (RED, BLUE))
    assert middle(house)[1] < 0.45 < 0.55 < middle(car)[1]
    assert middle(house)[0] < middle(car)[0]
    from_front = render_perspective(town(), GRID, PALETTE, Viewpoint(0, 35), 320, 240)
    assert middle(share_of(from_front, RED))[1] > 0.55


def test_perspective_from_straight_above_is_the_topdown_picture():
    picture = render_perspective(town(), GRID, PALETTE, Viewpoint(180, 89.99), 200, 200)
    for channel in (RED, BLUE):
        above = middle(share_of(render_topdown(town(), PALETTE, 200), channel))
        assert middle(share_of(picture, channel)) == pytest.approx(above, abs=0.08)


def test_perspective_hides_what_is_behind():
    labels = np.zeros(GRID.shape, np.uint8)
    labels[8, :, :] = 3  # a wall across
    labels[12, 6:10, 0] = 1  # a car behind it
    low = Viewpoint(azimuth_deg=180, elevation_deg=3)
    assert not share_of(render_perspective(labels, GRID, PALETTE, low), BLUE).any()
    assert share_of(render_perspective(labels, GRID, PALETTE, Viewpoint(0, 3)), BLUE).any()


def test_unknown_is_matter_only_if_shown():
    shown = render_perspective(town(), GRID, PALETTE, unknown='show')
    hidden = render_perspective(town(), GRID, PALETTE, unknown='hide')
    assert (shown != hidden).any()
    assert (render_perspective(town(), GRID, PALETTE, unknown='empty') == hidden).all()


def test_empty_volume_is_drawn_too():
    nothing = np.zeros(GRID.shape, np.uint8)
    assert render_perspective(nothing, GRID, PALETTE, width=64, height=48).shape == (48, 64, 3)
    assert render_topdown(nothing, PALETTE, 16).shape == (16, 16, 3)


@pytest.mark.parametrize('shape, size, limit', [((64, 64, 8), 0.4, 1.0), ((128, 128, 16), 0.2, 3.0)])
def test_fast_enough(shape, size, limit):
    grid = CartesianGrid(shape, size, (-12.8, -12.8, -1.2))
    labels = np.zeros(shape, np.uint8)
    labels[:, :, 0] = 2
    rng = np.random.default_rng(0)
    labels[rng.random(shape) < 0.03] = 3
    render_perspective(labels, grid, PALETTE)
    started = time.process_time()
    render_perspective(labels, grid, PALETTE)
    assert time.process_time() - started < limit


def painted(camera, cam_from_ego, labels):
    image = np.zeros((camera.height, camera.width, 3), np.uint8)
    return overlay_labels(image, labels, GRID, PALETTE, camera, cam_from_ego, opacity=1.0)


def test_panorama_shows_voxels_where_the_camera_sees_them():
    camera = EquirectCamera(256, 128)
    picture = painted(camera, np.eye(4), town())
    row, column = middle(share_of(picture, RED))  # ahead on the left: left of the middle
    assert 0.3 < column < 0.45
    row, column = middle(share_of(picture, BLUE))  # behind on the right, below the horizon
    assert column > 0.8 and row > 0.5
    assert picture[:20].max() == 0  # nothing in the sky


def test_voxels_straight_behind_are_painted_at_both_ends():
    labels = np.zeros(GRID.shape, np.uint8)
    labels[1, 6:10, 1:3] = 3
    mask = share_of(painted(EquirectCamera(256, 128), np.eye(4), labels), RED)
    columns = np.flatnonzero(mask.any(axis=0))
    assert columns.min() == 0 and columns.max() == 255
    assert not mask[:, 60:196].any()
    np.testing.assert_array_equal(mask, mask[:, ::-1])


def test_annulus_of_a_downward_lens_reads_like_a_map():
    camera = TaylorCamera((60.0, -30.0), (100.5, 99.5), ((1, 0), (0, 1)), 200, 200, (15, 95))
    cam_from_ego = np.eye(4)
    cam_from_ego[:3, :3] = [[0, -1, 0], [-1, 0, 0], [0, 0, -1]]
    picture = painted(camera, cam_from_ego, town())
    row, column = middle(share_of(picture, RED))  # image up is forward, image left is left
    assert row < 0.5 and column < 0.5
    row, column = middle(share_of(picture, BLUE))
    assert row > 0.5 and column > 0.5
    ring = np.hypot(*(np.indices((200, 200)) + 0.5 - np.array([99.5, 100.5])[:, None, None]))
    assert picture[ring < 13].max() == 0 and picture[ring > 97].max() == 0


def test_every_painted_pixel_is_a_voxel_on_its_ray():
    """March along the rays of painted pixels: the first solid voxel has the painted class."""
    import torch

    camera = EquirectCamera(128, 64, math.radians(-50), math.radians(40))
    labels = town()
    picture = painted(camera, np.eye(4), labels)
    rays, _ = camera.unproject(camera.pixel_centers())
    steps = torch.linspace(0.05, 9, 900, dtype=torch.float64)
    points = rays[:, :, None] * steps[:, None]
    index, inside = GRID.index(points)
    solid = torch.from_numpy(np.where(labels == 255, 0, labels))[tuple(index.unbind(-1))]
    solid = torch.where(inside, solid, torch.zeros_like(solid))
    first = torch.argmax((solid > 0).int(), dim=2)
    truth = torch.gather(solid, 2, first[..., None])[..., 0].numpy()
    for label, channel in ((3, RED), (1, BLUE)):
        seen = share_of(picture, channel)
        agree = (seen & (truth == label)).sum() / (seen | (truth == label)).sum()
        assert agree > 0.8  # borders of faces are mixed
    assert ((picture.max(axis=2) > 0) == (truth > 0)).mean() > 0.97


def test_opacity_blends_and_the_image_must_fit():
    camera = EquirectCamera(64, 32)
    image = np.full((32, 64, 3), 100, np.uint8)
    untouched = overlay_labels(image, town(), GRID, PALETTE, camera, np.eye(4), opacity=0.0)
    np.testing.assert_array_equal(untouched, image)
    with pytest.raises(ValueError, match='64x32'):
        overlay_labels(image[:16], town(), GRID, PALETTE, camera, np.eye(4))
