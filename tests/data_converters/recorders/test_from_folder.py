"""Folders become recordings: own layouts by a rig, SemanticKITTI's by its calibration; poses by KISS-ICP."""

import numpy as np
import pytest
from PIL import Image

from data_converters import record
from data_converters.recorders.ego_motion import ego_poses, level_from_world, smoothed
from data_converters.recorders.pose_track import PoseTrack
from data_converters.recorders.semantickitti import CLASSES, LABEL_MAP, NOMINAL_TR, semantickitti_rig
from projects.OneOcc.core.formats.recording import Recording
from projects.OneOcc.core.geometry import camera_models
from tests.data_converters.recorders.bags import BODY_FROM_LIDAR, body_pose, seen_points
from tests.realdata import real_file

RIG = """
classes: [floor]
cameras:
  equi: {folder: images, model: {model: equirect, width: 32, height: 16}, body_from_cam: {xyz: [0, 0, 0.1]}}
lidars:
  lidar: {folder: scans, body_from_lidar: {xyz: [0.1, 0, 0.05], rpy_deg: [0, 15, 0]}}
pose: {file: poses.txt}
"""


def make_folder(root, suffix='.npz', seconds=2.0):
    rng = np.random.default_rng(0)
    (root / 'scans').mkdir(parents=True)
    (root / 'images').mkdir()
    for time in np.arange(0.1, seconds, 0.1):
        points, after = seen_points(time, rng, 600)
        name = f'{int(round(time * 1e9)) + 10**18}'
        np.savez(root / f'scans/{name}.npz', points=points, time=after)
    for time in np.arange(0.15, seconds, 0.5):
        Image.fromarray(rng.integers(0, 255, (16, 32, 3), dtype=np.uint8)).save(root / f'images/{1e9 + time:.6f}.png')
    from scipy.spatial.transform import Rotation

    rows = [
        np.concatenate([[1e9 + t], body_pose(t)[:3, 3], Rotation.from_matrix(body_pose(t)[:3, :3]).as_quat()])
        for t in np.arange(0, seconds + 0.1, 0.02)
    ]
    (root / 'poses.txt').write_text('\n'.join(' '.join(map(repr, row.tolist())) for row in rows))
    (root / 'rig.yaml').write_text(RIG)
    return root


def make(root, *options, out='ride'):
    return record.main(
        ['from-folder', str(root), '--rig', str(root / 'rig.yaml'), '--out', str(root / out), '--quiet', *options]
    )


def test_a_folder_with_a_trajectory(tmp_path, capsys):
    root = make_folder(tmp_path / 'f')
    assert make(root) == 0, capsys.readouterr().err
    ride = Recording.read(root / 'ride')
    assert len(ride.frames) == 19 and sum('equi' in frame.files for frame in ride.frames) == 4
    for frame in ride.frames:
        points = ride.read_lidar(frame, 'lidar')['points']
        assert np.abs(np.linalg.inv(ride.lidars['lidar']) - BODY_FROM_LIDAR).max() < 1e-9
        world_from_lidar = frame.world_from_body @ BODY_FROM_LIDAR
        world = points @ world_from_lidar[:3, :3].T + world_from_lidar[:3, 3]
        assert np.minimum(abs(world[:, 2]), abs(world[:, 1] - 5)).max() < 0.01


@pytest.mark.parametrize(
    'damage, words',
    [
        (lambda f: (f / 'rig.yaml').write_text(RIG.replace('folder: scans', 'folder: clouds')), 'got no such folder'),
        (lambda f: (f / 'poses.txt').write_text('1 2\n'), 'expected 8 numbers'),
        (lambda f: (f / 'poses.txt').unlink(), 'no such file'),
        (lambda f: [p.unlink() for p in (f / 'images').iterdir()], 'expected .png'),
        (lambda f: next((f / 'images').iterdir()).write_bytes(b'x'), 'cannot be decoded'),
        (
            lambda f: [p.rename(p.with_stem(f'{i:06d}')) for i, p in enumerate(sorted((f / 'scans').iterdir()))],
            '--rate HZ',
        ),
        (
            lambda f: (f / 'rig.yaml').write_text(RIG.replace('cameras:\n  equi', 'cameras:\n  equi2: {}\n  equi')),
            'cam_from_body or',
        ),
        (
            lambda f: (f / 'rig.yaml').write_text(RIG.replace('width: 32, height: 16', 'width: 16, height: 8')),
            'as the calibration',
        ),
        (lambda f: (f / 'rig.yaml').write_text('- a'), 'expected entries among'),
        (
            lambda f: (f / 'rig.yaml').write_text(RIG.split('lidars:')[0].split('cameras:')[0]),
            'cameras: expected at least one',
        ),
    ],
)
def test_mistakes_are_one_sentence_and_leave_nothing(damage, words, tmp_path, capsys):
    root = make_folder(tmp_path / 'f', seconds=0.7)
    damage(root)
    before = sorted(root.rglob('*'))
    assert make(root) == 2
    told = capsys.readouterr().err
    assert words in told and told.count('\n') == 1
    assert sorted(root.rglob('*')) == before


def test_poses_from_the_lidar_alone(tmp_path, capsys):
    pytest.importorskip('kiss_icp', reason='the extra "data" is not installed')
    root = make_folder(tmp_path / 'f')
    (root / 'rig.yaml').write_text(RIG.replace('pose: {file: poses.txt}', 'pose: {}\nego: {cutoff_hz: null}'))
    assert make(root) == 0
    told = capsys.readouterr().err
    assert 'KISS-ICP, deskewed' in told and 'run forward and backward they end' in told
    # a bare floor and one wall hold no odometry along the wall: only that the poses are level and start at 0 is asked
    ride = Recording.read(root / 'ride')
    assert np.abs(ride.frames[0].world_from_ego[:3, 3]).max() < 0.2


def test_the_filter_keeps_the_way_and_takes_the_gait():
    times = np.arange(0, 20, 0.02)
    slow, gait = 0.5 * times, 0.03 * np.sin(2 * np.pi * 2 * times)
    out = smoothed(np.column_stack([slow, slow + gait]), 50.0, 0.5)
    assert np.abs(out[:, 0] - slow).max() < 1e-5  # a straight way, to its very ends
    inner = slice(100, -100)
    assert np.abs(out[inner, 1] - slow[inner]).max() < 0.03 / 100
    half = smoothed(np.sin(2 * np.pi * 0.5 * times)[:, None], 50.0, 0.5)[200:-200, 0]
    assert np.abs(half).max() == pytest.approx(0.5, abs=0.02)


def test_level_frames_and_their_heading():
    poses = np.stack([body_pose(t) for t in np.arange(0, 5, 0.01)])
    track = PoseTrack.from_matrices(np.arange(0, 5, 0.01), poses, 'x')
    ego = ego_poses(track, np.linspace(1.1, 4, 7), 0.5)
    assert np.allclose(ego[:, 2, :3], (0, 0, 1)) and np.allclose(np.linalg.det(ego[:, :3, :3]), 1)
    raw = ego_poses(track, np.linspace(1.1, 4, 7), None)
    assert np.abs(np.diff(raw[:, 2, 3])).max() > 2 * np.abs(np.diff(ego[:, 2, 3])).max()
    for up in ((0, 0, 1), (0, 0, -1), (0.3, -0.2, 0.9), (1, 0, 0)):
        turn = level_from_world(np.array(up))
        assert np.allclose(turn[:3, :3] @ up / np.linalg.norm(up), (0, 0, 1)) and np.isclose(np.linalg.det(turn), 1)


def test_semantickitti_without_tr_is_refused_with_the_cure(tmp_path, capsys):
    folder = real_file('realdata2/08_semantickitti_seq08')
    words = ['from-folder', str(folder), '--layout', 'semantickitti', '--out', str(tmp_path / 'ride'), '--quiet']
    assert record.main(words) == 2
    assert 'expected the row Tr' in capsys.readouterr().err and not (tmp_path / 'ride').exists()


def test_semantickitti_becomes_a_recording(tmp_path, capsys):
    folder = real_file('realdata2/08_semantickitti_seq08')
    rig = semantickitti_rig(folder, NOMINAL_TR)
    assert rig.classes == tuple(CLASSES) and set(rig.cameras) == {'image_2'}
    assert {name.removeprefix('moving ') for name in LABEL_MAP.values()} <= set(CLASSES)
    if 'pinhole' not in camera_models():
        pytest.skip('no perspective camera in this build')
    words = [
        'from-folder',
        str(folder),
        '--layout',
        'semantickitti',
        '--tr',
        'nominal',
        '--out',
        str(tmp_path / 'ride'),
    ]
    assert record.main([*words, '--quiet']) == 0
    ride = Recording.read(tmp_path / 'ride')
    assert len(ride.frames) == 5 and ride.meta['ground_height_m'] == pytest.approx(1.73, abs=0.1)
    sweep = ride.read_lidar(ride.frames[0], 'lidar')
    assert set(np.unique(sweep['label'])) <= {*range(1, 20), 255} and (sweep['label'] == 9).sum() > 10000
