"""Recordings: what is written is read back; what is broken is named with file, expected, actual."""

import json
import re
import time

import numpy as np
import pytest

from projects.OneOcc.core.formats.atomic_files import read_npz, write_bytes, write_json, write_npz, write_png
from projects.OneOcc.core.formats.recording import Frame, Recording, RecordingError


@pytest.fixture
def recording(tmp_path):
    equi = dict(model='equirect', width=16, height=8, cam_from_body=np.eye(4))
    rec = Recording(
        tmp_path / 'seq00',
        'seq00',
        ('vehicle', 'road'),
        {'equi': equi},
        {'lidar': np.eye(4)},
        {'lighting': 'day'},
        dense_camera='equi',
    )
    rng = np.random.default_rng(3)
    for index in range(2):
        pose = np.eye(4)
        pose[:3, 3] = rng.normal(size=3)
        frame = Frame(f'{index:06d}', 0.1 * index, pose, pose.copy())
        rec.write_image(frame, 'equi', rng.integers(0, 255, (8, 16, 3), np.uint8))
        rec.write_depth(frame, rng.uniform(0.5, 100, (8, 16)))
        rec.write_image(frame, 'semantic', rng.integers(0, 3, (8, 16)).astype(np.uint8))
        rec.write_lidar(
            frame,
            'lidar',
            dict(
                points=rng.normal(0, 10, (50, 3)),
                intensity=rng.uniform(size=50),
                label=rng.integers(1, 3, 50),
                dynamic=rng.uniform(size=50) > 0.5,
            ),
        )
        rec.frames.append(frame)
    rec.write()
    return rec


def edit(recording, change):
    path = recording.root / 'recording.json'
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_round_trip(recording):
    rng = np.random.default_rng(3)
    back = Recording.read(recording.root)
    assert back.classes == recording.classes and back.meta == recording.meta
    assert back.dense_camera == 'equi'
    position = rng.normal(size=3)
    np.testing.assert_allclose(back.frames[0].world_from_ego[:3, 3], position, atol=1e-9)
    np.testing.assert_array_equal(back.read_image(back.frames[0], 'equi'), rng.integers(0, 255, (8, 16, 3), np.uint8))
    np.testing.assert_allclose(back.read_depth(back.frames[0]), rng.uniform(0.5, 100, (8, 16)), atol=0.0011)
    np.testing.assert_array_equal(back.read_semantic(back.frames[0]), rng.integers(0, 3, (8, 16)))
    assert not back.read_dynamic(back.frames[0]).any()
    scan = back.read_lidar(back.frames[0], 'lidar')
    np.testing.assert_allclose(scan['points'], rng.normal(0, 10, (50, 3)), atol=1e-3)


def test_depth_without_return_is_zero(recording):
    frame = recording.frames[0]
    depth = np.full((8, 16), np.inf)
    depth[0] = 1e6
    recording.write_depth(frame, depth)
    assert not recording.read_depth(frame).any()


def test_a_recording_without_body_poses_takes_ego_for_them(recording):
    edit(recording, lambda c: [f.pop('world_from_body') for f in c['frames']])
    back = Recording.read(recording.root)
    np.testing.assert_array_equal(back.frames[1].world_from_body, back.frames[1].world_from_ego)


@pytest.mark.parametrize(
    'change, words',
    [
        (lambda c: c.update(version=9), 'version: expected 1, got 9'),
        (lambda c: c.update(format='bag'), "expected 'oneocc-recording', got 'bag'"),
        (
            lambda c: c['frames'][1]['world_from_ego'][0].__setitem__(3, float('nan')),
            r'frames\[1\].*world_from_ego: expected a finite 4x4 pose',
        ),
        (lambda c: c['frames'][0]['world_from_body'][0].__setitem__(0, 3.0), 'rigid transform'),
        (lambda c: c['frames'][0].update(world_from_ego=[[1, 2]]), '4x4 matrix'),
        (lambda c: c['frames'][1].update(time=0.0), 'time: expected after'),
        (lambda c: c['frames'][1].update(id='000000'), "'000000' again"),
        (lambda c: c['frames'][0]['files'].update(radar='x.npz'), 'expected sensors among'),
        (lambda c: c['frames'][0]['files'].update(equi='../../x.png'), 'inside the recording'),
        (lambda c: c['dense'].update(camera='front'), "got 'front'"),
        (lambda c: c.update(frames=[]), 'at least one'),
        (lambda c: c.pop('rig'), "'rig'"),
    ],
)
def test_a_broken_index_is_named(recording, change, words):
    edit(recording, change)
    with pytest.raises(RecordingError, match=words) as error:
        Recording.read(recording.root)
    assert 'recording.json' in str(error.value)


def test_a_camera_may_name_its_calibration_file(recording):
    matrix = '{data: [9, 0, 8, 0, 9, 4, 0, 0, 1]}'
    info = f'image_width: 16\nimage_height: 8\ndistortion_model: plumb_bob\ncamera_matrix: {matrix}'
    (recording.root / 'camera_info.yaml').write_text(info)
    named = dict(calibration='camera_info.yaml', cam_from_body=np.eye(4).tolist())
    edit(recording, lambda c: c['rig']['cameras'].update(equi=named))
    camera = Recording.read(recording.root).cameras['equi']
    assert camera['model'] == 'pinhole' and camera['principal_point'] == [8.5, 4.5]
    edit(recording, lambda c: c['rig']['cameras']['equi'].update(calibration='none.yaml'))
    with pytest.raises(RecordingError, match=r'recording.json: rig: equi: .*none.yaml: no such calibration file'):
        Recording.read(recording.root)


def test_nan_poses_are_never_written(recording):
    recording.frames[0].world_from_ego[1, 1] = np.nan
    before = (recording.root / 'recording.json').read_bytes()
    with pytest.raises(RecordingError, match='finite'):
        recording.write()
    assert (recording.root / 'recording.json').read_bytes() == before


@pytest.mark.parametrize('name', ['equi', 'depth', 'semantic'])
def test_missing_truncated_and_wrong_size_images_are_named(recording, name):
    frame = recording.frames[0]
    path = recording.root / frame.files[name]
    read = {
        'equi': lambda: recording.read_image(frame, 'equi'),
        'depth': lambda: recording.read_depth(frame),
        'semantic': lambda: recording.read_semantic(frame),
    }[name]
    write_png(path, np.zeros((4, 4), np.uint8))
    with pytest.raises(RecordingError, match=rf'{re.escape(str(path))}: expected \(8, 16.*\(4, 4'):
        read()
    write_bytes(path, path.read_bytes()[:20])
    with pytest.raises(RecordingError, match='not a readable image'):
        read()
    path.unlink()
    with pytest.raises(FileNotFoundError, match=re.escape(str(path))):
        read()


def test_bad_lidar_files_are_named(recording):
    frame = recording.frames[0]
    path = recording.root / frame.files['lidar']
    good = read_npz(path, ('points', 'intensity', 'label', 'dynamic'))
    for key, value, words in (
        ('points', np.full((50, 3), np.nan, np.float32), '50 of 50'),
        ('label', np.full(50, 9, np.uint8), 'labels 0..2 or 255, got 9'),
        ('intensity', np.zeros(49, np.float32), r'expected shape \(50,\), got \(49,\)'),
    ):
        write_npz(path, **{**good, key: value})
        with pytest.raises(RecordingError, match=words):
            recording.read_lidar(frame, 'lidar')
    write_npz(path, points=good['points'])
    with pytest.raises(RecordingError, match='expected the arrays'):
        recording.read_lidar(frame, 'lidar')
    np.savez(path, **{**good, 'label': np.array([{}], dtype=object)})
    with pytest.raises(RecordingError, match='plain arrays'):
        recording.read_lidar(frame, 'lidar')
    with pytest.raises(RecordingError, match="expected a 'lidar2' file"):
        recording.read_lidar(frame, 'lidar2')


def test_files_depend_on_their_content_only(tmp_path, monkeypatch):
    arrays = dict(a=np.arange(10), b=np.ones((2, 3), np.float32))
    write_npz(tmp_path / 'one.npz', **arrays)
    monkeypatch.setattr(time, 'time', lambda: 2e9)
    write_npz(tmp_path / 'two.npz', **arrays)
    assert (tmp_path / 'one.npz').read_bytes() == (tmp_path / 'two.npz').read_bytes()
    write_json(tmp_path / 'one.json', {'b': 1 / 3, 'a': [-0.0, 1e-12]})
    assert (tmp_path / 'one.json').read_text() == '{"a": [-0.0, 1e-12], "b": 0.3333333333333333}\n'
    assert not list(tmp_path.glob('.*.tmp'))


def test_object_arrays_and_nan_are_refused(tmp_path):
    with pytest.raises(TypeError, match='object'):
        write_npz(tmp_path / 'x.npz', labels=np.array([{}]))
    with pytest.raises(ValueError):
        write_json(tmp_path / 'x.json', {'a': float('nan')})
    assert not list(tmp_path.iterdir())
