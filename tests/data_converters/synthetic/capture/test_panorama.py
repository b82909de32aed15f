"""Pictures: agreement with the geometry, light, weather, noise, blur, and the native annulus."""

import numpy as np
import pytest
import torch

from data_converters.synthetic.capture.rigs import pal_camera, pal_mount
from data_converters.synthetic.capture.sensors import Lighting, render_panorama
from projects.OneOcc.core.geometry import EquirectCamera

CAMERA = EquirectCamera(128, 64)


def place(world, height=1.6, step=40):
    pose = np.eye(4)
    pose[:3, 3] = world.path(1, 30.0)[step] + (0, 0, height)
    return pose


def draw(world, time='day', weather='clear', camera=CAMERA, pose=None, noise_seed=0, **more):
    pose = place(world) if pose is None else pose
    light = Lighting.named(time, weather, np.random.default_rng(1))
    scene = world.at(1.0, observer=pose[:2, 3])
    return render_panorama(scene, camera, pose, light, np.random.default_rng(noise_seed), **more)


def test_the_same_seed_gives_the_same_picture(world):
    first, second, other = draw(world), draw(world), draw(world, noise_seed=1)
    assert all(np.array_equal(first[k], second[k]) for k in first)
    assert not np.array_equal(first['rgb'], other['rgb'])
    assert np.array_equal(first['label'], other['label'])


def test_formats(town):
    view = draw(town)
    assert {k: (v.dtype.name, v.shape) for k, v in view.items()} == {
        'rgb': ('uint8', (64, 128, 3)),
        'range': ('float32', (64, 128)),
        'label': ('uint8', (64, 128)),
        'dynamic': ('bool', (64, 128)),
    }
    assert ((view['label'] == 0) == np.isinf(view['range'])).all()


def test_range_and_label_agree_with_the_exact_occupancy(world):
    pose = place(world)
    view = draw(world, pose=pose)
    rays = CAMERA.unproject(CAMERA.pixel_centers())[0].numpy()
    seen = np.isfinite(view['range']) & (view['range'] < 30)
    behind = pose[:3, 3] + rays[seen] * (view['range'][seen, None] + 0.02)
    labels, instance = world.at(1.0, observer=pose[:2, 3]).classify(behind)
    assert (labels == view['label'][seen]).mean() > 0.97
    assert ((instance > 0) == view['dynamic'][seen]).mean() > 0.99


def test_light_and_weather_change_the_brightness(world):
    mean = {time: draw(world, time)['rgb'].mean() for time in ('day', 'dusk', 'night')}
    assert mean['day'] > 1.05 * mean['dusk'] > 1.2 * mean['night'] > 10
    spread = {}
    for weather in ('clear', 'rain', 'fog'):
        view = draw(world, 'day', weather)
        far = (view['range'] > 20) & (view['range'] < 100)
        spread[weather] = view['rgb'][far].std()
    assert spread['fog'] < 0.5 * spread['clear'] and spread['rain'] < spread['clear']


def test_the_sun_throws_shadows(campus):
    """Of pixels on one kind of ground, shadowed ones are clearly darker than sunlit ones: two heaps, not one."""
    pose = place(campus)
    scene = campus.at(1.0, observer=pose[:2, 3])
    light = Lighting.named('day', 'clear', np.random.default_rng(1))
    view = render_panorama(scene, CAMERA, pose, light, np.random.default_rng(0))
    ground = (view['label'] == 1 + campus.classes.index('road')) & (view['range'] < 12)
    rays = CAMERA.unproject(CAMERA.pixel_centers())[0].numpy()[ground]
    points = pose[:3, 3] + rays * view['range'][ground, None]
    sun = np.tile(light.light.sun, (len(points), 1))
    lit = np.isinf(scene.cast(points + (0, 0, 0.01), sun, 60.0)['range'])
    value = view['rgb'][ground].mean(-1)
    assert lit.any()
    if (~lit).sum() > 20:
        assert np.median(value[lit]) > 1.2 * np.median(value[~lit])


def test_nights_are_noisier_than_days(town):
    def grain(time):
        first, second = (draw(town, time, noise_seed=k)['rgb'].astype(float) for k in (0, 1))
        return np.abs(first - second).mean() / first.mean()

    assert grain('night') > 3 * grain('day')


def test_long_exposures_blur_along_the_motion_only_at_night(town):
    start = place(town)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(0.12), -np.sin(0.12)], [np.sin(0.12), np.cos(0.12)]]
    for time, blurred in (('night', True), ('day', False)):
        sharp, soft = (draw(town, time, pose=start, world_from_cam_end=end) for end in (None, start @ turn))
        assert np.array_equal(sharp['range'], soft['range'])
        across = [np.abs(np.diff(v['rgb'].astype(float), axis=1))[16:40].mean() for v in (sharp, soft)]
        assert bool(across[1] < 0.9 * across[0]) == blurred


def test_the_annulus_is_rendered_natively(campus):
    """Outside its valid mask black and empty; inside, every pixel is what its own ray meets."""
    camera = pal_camera(160, 120)
    pose = place(campus, 0.6) @ np.linalg.inv(pal_mount())
    view = draw(campus, camera=camera, pose=pose)
    valid = camera.valid_mask().numpy()
    assert (view['rgb'][~valid] == 0).all() and (view['label'][~valid] == 0).all()
    assert view['rgb'][valid].mean() > 30
    pixel = np.argwhere(valid & np.isfinite(view['range']) & (view['range'] < 15))[::97]
    rays, _ = camera.unproject(torch.from_numpy(pixel[:, ::-1] + 0.5))
    scene = campus.at(1.0, observer=pose[:2, 3])
    hit = scene.cast(pose[:3, 3], rays.numpy() @ pose[:3, :3].T, 50.0)
    assert np.allclose(hit['range'], view['range'][tuple(pixel.T)], rtol=1e-4, atol=1e-3)


def test_edges_are_smoothed(town):
    jagged, smooth = (draw(town, antialias=flag) for flag in (False, True))
    assert np.array_equal(jagged['label'], smooth['label'])
    assert not np.array_equal(jagged['rgb'], smooth['rgb'])
    changed = (jagged['rgb'] != smooth['rgb']).any(-1).mean()
    assert 0.02 < changed < 0.6


@pytest.mark.parametrize(('time', 'weather'), [('noon', 'clear'), ('day', 'hail')])
def test_unknown_light_is_refused(time, weather):
    with pytest.raises(ValueError, match='expected one of'):
        Lighting.named(time, weather)


def test_a_bad_pose_is_refused(town):
    with pytest.raises(ValueError, match='world_from_cam'):
        draw(town, pose=np.full((4, 4), np.nan))
