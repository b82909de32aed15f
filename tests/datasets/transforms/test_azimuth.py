"""Rolling and mirroring keep every voxel on the pixel that shows it."""

import math
import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from projects.OneOcc.core.geometry import (
    CartesianGrid,
    EquirectCamera,
    View,
    bilinear_sample,
    camera_from_dict,
    transform_points,
)
from projects.OneOcc.oneocc.datasets import RandomAzimuthRoll, RandomMirror, UnwrapPanorama
from projects.OneOcc.oneocc.datasets.transforms.azimuth import (
    mirror_world,
    quarter_turn,
    roll_views,
    rotation_about_z,
    turn_world,
)
from tests.tiny_dataset import camera_entry

GRID = CartesianGrid((12, 12, 4), 0.5, (-3.0, -3.0, -1.0))
MIRROR = np.diag([1.0, -1.0, 1.0, 1.0])


def rotation(angles):
    """A general rotation from three angles (rad)."""
    a, b, c = angles
    about_x = np.array([[1, 0, 0], [0, math.cos(b), -math.sin(b)], [0, math.sin(b), math.cos(b)]])
    z, z2 = rotation_about_z(a)[:3, :3], rotation_about_z(c)[:3, :3]
    return z @ about_x @ z2


def frame(angles=(0.3, -0.2, 0.1), width=40, seed=0):
    """A frame with four views of pure noise, differently mounted, labels of noise, and points."""
    rng = np.random.default_rng(seed)
    tilted = np.eye(4)
    tilted[:3, :3], tilted[:3, 3] = rotation(angles), (0.1, -0.2, 0.3)
    _, parameters, down = camera_entry('quad', (64, 48))
    cameras = {
        'raw': (camera_from_dict(parameters), tilted @ np.array(down)),
        'equi': (EquirectCamera(width, 20), tilted),
        'band': (EquirectCamera(width, 20, -0.9, 0.6), np.eye(4)),
        'masked': (EquirectCamera(width, 20, mask=rng.random((20, width)) < 0.7), tilted),
    }
    return {
        'sample_id': 's',
        'grid': GRID,
        'imgs': {
            view: rng.integers(1, 256, (camera.height, camera.width, 3)).astype(np.uint8)
            for view, (camera, _) in cameras.items()
        },
        'cameras': {view: View(camera, pose) for view, (camera, pose) in cameras.items()},
        'gt_occ': rng.integers(0, 7, GRID.shape).astype(np.uint8),
        'points': rng.uniform(-3, 3, (50, 4)).astype(np.float32),
        'world_from_ego': tilted.copy(),
    }


def shown(results, view, points_ego):
    """Colours (N, 3) that a view shows at points (N, 3) of the ego frame, NaN where unseen."""
    entry = results['cameras'][view]
    camera = entry.camera
    pixels, valid = camera.project(transform_points(entry.cam_from_ego, torch.as_tensor(points_ego)))
    image = results['imgs'][view].astype(np.float64)
    colours = bilinear_sample(image, pixels.numpy(), wrap=camera.periodic)
    colours[~valid.numpy()] = np.nan
    return colours


def check_correspondence(before, after, new_from_old):
    """The same world point has the same colour in all views and the same label as before."""
    centres = GRID.centers().reshape(-1, 3).numpy()
    moved = centres @ new_from_old[:3, :3].T
    for view in before['imgs']:
        old, new = shown(before, view, centres), shown(after, view, moved)
        assert np.isfinite(old).any()
        # Rays that graze the border of the lens may fall on either side of it.
        assert (np.isfinite(old) != np.isfinite(new)).any(axis=-1).mean() < 0.01
        both = np.isfinite(old) & np.isfinite(new)
        np.testing.assert_allclose(new[both], old[both], atol=1e-6)
    index, inside = GRID.index(torch.as_tensor(moved))
    assert inside.all()
    np.testing.assert_array_equal(after['gt_occ'][tuple(index.numpy().T)], before['gt_occ'].ravel())
    np.testing.assert_allclose(after['points'][:, :3], before['points'][:, :3] @ new_from_old[:3, :3].T, atol=1e-6)
    np.testing.assert_array_equal(after['points'][:, 3], before['points'][:, 3])
    in_world = centres @ before['world_from_ego'][:3, :3].T + before['world_from_ego'][:3, 3]
    in_world_now = moved @ after['world_from_ego'][:3, :3].T + after['world_from_ego'][:3, 3]
    np.testing.assert_allclose(in_world_now, in_world, atol=1e-9)


def copy_of(results):
    return {**results, 'imgs': dict(results['imgs']), 'cameras': dict(results['cameras'])}


angle = st.floats(-3.1, 3.1)


@settings(max_examples=15, deadline=None)
@given(st.tuples(angle, angle, angle), st.integers(-4, 7), st.sampled_from([40, 38]))
def test_turning_the_world_keeps_voxels_on_their_pixels(angles, quarters, width):
    before = frame(angles, width)
    after = turn_world(copy_of(before), quarters)
    check_correspondence(before, after, quarter_turn(quarters))


@settings(max_examples=15, deadline=None)
@given(st.tuples(angle, angle, angle))
def test_mirroring_keeps_voxels_on_their_pixels(angles):
    before = frame(angles)
    after = mirror_world(copy_of(before))
    check_correspondence(before, after, MIRROR)
    for entry in after['cameras'].values():
        assert np.linalg.det(entry.cam_from_ego[:3, :3]) == pytest.approx(1)


@settings(max_examples=15, deadline=None)
@given(st.tuples(angle, angle, angle), st.floats(0, 6.28))
def test_rolling_keeps_voxels_on_their_pixels_and_labels_where_they_are(angles, roll):
    before = frame(angles)
    after = roll_views(copy_of(before), roll)
    check_correspondence(before, after, np.eye(4))
    assert after['gt_occ'] is before['gt_occ'] and after['imgs']['raw'] is before['imgs']['raw']


@settings(max_examples=15, deadline=None)
@given(st.lists(st.sampled_from(['turn', 'mirror', 'roll']), min_size=2, max_size=4))
def test_any_sequence_of_changes_keeps_the_correspondence(names):
    before = frame()
    after, new_from_old = copy_of(before), np.eye(4)
    for name in names:
        if name == 'turn':
            after, new_from_old = turn_world(after, 1), quarter_turn(1) @ new_from_old
        elif name == 'mirror':
            after, new_from_old = mirror_world(after), MIRROR @ new_from_old
        else:
            after = roll_views(after, 1.0)
    check_correspondence(before, after, new_from_old)
    np.testing.assert_array_equal(after.get('ego_from_recorded_ego', np.eye(4)), new_from_old)


def test_four_quarter_turns_and_two_mirrors_are_the_identity():
    before = frame()
    after = copy_of(before)
    for _ in range(4):
        after = turn_world(after, 1)
    after = mirror_world(mirror_world(after))
    for view in before['imgs']:
        np.testing.assert_array_equal(after['imgs'][view], before['imgs'][view])
        np.testing.assert_array_equal(after['cameras'][view].cam_from_ego, before['cameras'][view].cam_from_ego)
    # W - (W - u0) may round by one unit in the last place.
    assert after['cameras']['raw'].camera.principal_point == pytest.approx(
        before['cameras']['raw'].camera.principal_point, rel=1e-12
    )
    np.testing.assert_array_equal(after['gt_occ'], before['gt_occ'])
    np.testing.assert_array_equal(after['points'], before['points'])


def test_an_aligned_panorama_stays_aligned():
    after = mirror_world(turn_world(frame(), 3))
    np.testing.assert_array_equal(after['cameras']['band'].cam_from_ego, np.eye(4))
    # Rz(270 deg) brings what was to the left to the front.
    before = frame()
    np.testing.assert_array_equal(turn_world(copy_of(before), 3)['imgs']['band'][:, 20], before['imgs']['band'][:, 10])


@pytest.mark.parametrize(
    'change', [lambda results: turn_world(results, 1), lambda results: turn_world(results, 2), mirror_world]
)
def test_augmenting_before_or_after_unwrapping_is_the_same(change):
    def only_raw():
        results = frame(angles=(0, 0, 0))
        for key in ('imgs', 'cameras'):
            results[key] = {'raw': results[key]['raw']}
        return results

    first = UnwrapPanorama(32, 64)(change(only_raw()))
    last = change(UnwrapPanorama(32, 64)(only_raw()))
    np.testing.assert_allclose(first['cameras']['equi'].cam_from_ego, last['cameras']['equi'].cam_from_ego, atol=1e-12)
    difference = np.abs(first['imgs']['equi'].astype(int) - last['imgs']['equi'].astype(int))
    assert (difference > 1).mean() < 0.005


@pytest.mark.parametrize('change', [lambda results: turn_world(results, 1), mirror_world])
def test_the_number_of_padding_points_is_no_cloud(change):
    assert change(dict(frame(), num_padding_points=3))['num_padding_points'] == 3


@pytest.mark.parametrize('change', [lambda results: turn_world(results, 1), mirror_world])
def test_points_and_labels_change_without_any_image(change):
    full, bare = frame(), frame()
    del bare['imgs']
    full, bare = change(full), change(bare)
    for key in ('gt_occ', 'points', 'world_from_ego'):
        np.testing.assert_array_equal(bare[key], full[key])
    np.testing.assert_array_equal(bare['cameras']['raw'].cam_from_ego, full['cameras']['raw'].cam_from_ego)


def test_inputs_are_left_as_they_were():
    before, reference = frame(), frame()
    for change in (mirror_world, lambda r: turn_world(r, 1), lambda r: roll_views(r, 1.0)):
        change(copy_of(before))
        for view in before['imgs']:
            np.testing.assert_array_equal(before['imgs'][view], reference['imgs'][view])
            np.testing.assert_array_equal(before['cameras'][view].cam_from_ego, reference['cameras'][view].cam_from_ego)
        np.testing.assert_array_equal(before['gt_occ'], reference['gt_occ'])
        np.testing.assert_array_equal(before['points'], reference['points'])


def test_every_picture_of_a_view_and_all_points_move_together():
    given = frame()
    given['depth'] = {view: image[..., 0].astype(np.float32) for view, image in given['imgs'].items()}
    given['past_points'] = given['points'][::2].copy()
    for change in (mirror_world, lambda r: turn_world(r, 1), lambda r: roll_views(r, 1.0)):
        after = change(dict(copy_of(given), depth=dict(given['depth'])))
        for view in given['imgs']:
            np.testing.assert_array_equal(after['depth'][view], after['imgs'][view][..., 0])
        np.testing.assert_array_equal(after['past_points'], after['points'][::2])


@pytest.mark.parametrize('change', [mirror_world, lambda r: turn_world(r, 1), lambda r: roll_views(r, 1.0)])
def test_pictures_of_unknown_layout_are_refused(change):
    for past in ([frame()['imgs']['equi']], frame()['imgs']['equi'][None]):
        with pytest.raises(ValueError, match=r"s: expected 'past_imgs' of the view 'equi' .* \(20, 40, ...\)"):
            change(dict(frame(), past_imgs={'equi': past}))


def test_random_transforms_draw_every_case():
    random.seed(0)
    turns = {quarters: 0 for quarters in range(4)}
    transform = RandomAzimuthRoll(labels=True)
    base = frame()
    for _ in range(40):
        turned = transform(copy_of(base)).get('ego_from_recorded_ego', np.eye(4))
        quarters = next(q for q in range(4) if np.array_equal(turned, quarter_turn(q)))
        turns[quarters] += 1
    assert all(turns.values())
    mirrored = ['ego_from_recorded_ego' in RandomMirror(0.5)(copy_of(base)) for _ in range(30)]
    assert 5 < sum(mirrored) < 25
    assert 'ego_from_recorded_ego' not in RandomAzimuthRoll()(copy_of(base))
    unchanged = RandomAzimuthRoll(prob=0.0, labels=True)(copy_of(base))
    assert 'ego_from_recorded_ego' not in unchanged


def test_refusals():
    off_centre = frame()
    off_centre['grid'] = CartesianGrid((12, 12, 4), 0.5, (-2.0, -3.0, -1.0))
    with pytest.raises(ValueError, match=r'square.*centre at x, y = \[1\.0, 0\.0\]'):
        turn_world(copy_of(off_centre), 1)
    mirror_world(copy_of(off_centre))
    off_centre['grid'] = CartesianGrid((12, 12, 4), 0.5, (-3.0, 0.0, -1.0))
    with pytest.raises(ValueError, match='centred in y'):
        mirror_world(copy_of(off_centre))
    only_raw = frame()
    for key in ('imgs', 'cameras'):
        only_raw[key] = {'raw': only_raw[key]['raw']}
    with pytest.raises(ValueError, match=r"equirectangular.*\['raw'\].*labels=True"):
        roll_views(only_raw, 1.0)
    with pytest.raises(ValueError, match=r'\[0, 1\].*1\.5'):
        RandomMirror(prob=1.5)
