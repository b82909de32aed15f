"""Bags of both generations become the same recording; what is wrong with one is a sentence and leaves nothing."""

import numpy as np
import pytest
from PIL import Image

pytest.importorskip('rosbags', reason='the extra "data" is not installed')

from data_converters import record
from projects.OneOcc.core.formats.npz_archives import read_npz
from projects.OneOcc.core.formats.recording import Recording
from tests.data_converters.recorders.bags import RIG, START_S, WALL_Y_M, BagMaker, body_pose, ego_pose


@pytest.fixture(scope='module')
def walks(tmp_path_factory):
    """The same walk as ROS 1, sqlite and mcap, and its rig."""
    root = tmp_path_factory.mktemp('bags')
    (root / 'rig.yaml').write_text(RIG)
    for name, generation, mcap in (('one.bag', 1, False), ('two', 2, False), ('three', 2, True)):
        maker = BagMaker(generation)
        maker.write(root / name, maker.walk(), mcap)
    (root / 'three/metadata.yaml').unlink()
    return root


def make(root, bag, *options, rig='rig.yaml', out='out'):
    words = ['from-bag', str(root / bag), '--rig', str(root / rig), '--out', str(root / out), '--quiet', *options]
    return record.main(words)


@pytest.mark.parametrize('bag', ['one.bag', 'two', 'three'])
def test_points_lie_on_the_world_and_ego_has_no_gait(walks, bag, capsys):
    assert make(walks, bag, out=f'ride_{bag}') == 0
    told = capsys.readouterr()
    assert '37 frames, 7 of them with an image' in told.out and '--grid 64,64,8,0.4,-12.8,-12.8,-1.2' in told.out
    assert '111 points of lidar that were NaN' in told.err and '74 points of lidar at (0, 0, 0)' in told.err
    ride = Recording.read(walks / f'ride_{bag}')
    assert ride.meta['ego'] == dict(cutoff_hz=0.5, gravity='odometry')
    assert ride.meta['ground_height_m'] == pytest.approx(0.6, abs=0.03)
    seconds = np.array([frame.time for frame in ride.frames]) - START_S
    for frame, time in zip(ride.frames, seconds):
        assert np.abs(frame.world_from_ego - ego_pose(time)).max() < 0.01
        assert np.abs(frame.world_from_body - body_pose(time)).max() < 0.01
        sweep = ride.read_lidar(frame, 'lidar')
        world_from_lidar = frame.world_from_body @ np.linalg.inv(ride.lidars['lidar'])
        points = sweep['points'] @ world_from_lidar[:3, :3].T + world_from_lidar[:3, 3]
        assert np.minimum(abs(points[:, 2]), abs(points[:, 1] - WALL_Y_M)).max() < 0.01
        extra = read_npz(ride.root / frame.files['lidar'], ('time', 'ring'))
        assert extra['ring'].max() == 15 and 0.08 < np.ptp(extra['time']) < 0.1
        assert set(np.unique(sweep['label'])) == {1} and sweep['intensity'].max() > 0.9


def test_all_storages_give_the_same_recording(walks):
    for bag in ('one.bag', 'two', 'three'):
        assert make(walks, bag, '--every', '1', out=f'same_{bag}') == 0
    first, *others = (Recording.read(walks / f'same_{bag}') for bag in ('one.bag', 'two', 'three'))
    for other in others:
        for a, b in zip(first.frames, other.frames, strict=True):
            assert np.array_equal(a.world_from_ego, b.world_from_ego) and a.files == b.files
            for file in a.files.values():
                assert (first.root / file).read_bytes() == (other.root / file).read_bytes()


def test_a_bag_is_described_and_proposes_a_rig_that_is_read(walks, tmp_path, capsys):
    assert record.main(['inspect-bag', str(walks / 'one.bag'), '--rig-out', str(tmp_path / 'rig.yaml')]) == 0
    told = capsys.readouterr().out
    for words in ('64x32', "'rgb8; jpeg compressed bgr8'", 'a sweep takes 95 ms', 'base_link -> lidar_link: fixed'):
        assert words in told
    text = (tmp_path / 'rig.yaml').read_text()
    assert 'lidar_from_body: tf' in text and 'topic: /odom' in text and 'intensity_max: 255' in text
    lens = 'calibration: calib_results.txt    # ? for 64x32 pixels'
    assert lens in text
    (tmp_path / 'rig.yaml').write_text(text.replace(lens, 'model: {model: equirect, width: 64, height: 32}'))
    assert make(walks, 'one.bag', rig=tmp_path / 'rig.yaml', out=tmp_path / 'ride') == 0
    assert record.main(['inspect-bag', str(walks / 'one.bag'), '--rig-out', str(tmp_path / 'rig.yaml')]) == 2


def messages(maker, edit):
    return [entry for entry in (edit(*entry) for entry in maker.walk(2.0)) if entry is not None]


def shifted_clock(topic, time, message):
    if topic == '/points' and time > 1:
        message.header.stamp.sec += 5
    return topic, time, message


def without(name):
    return lambda topic, time, message: None if topic == name else (topic, time, message)


@pytest.mark.parametrize(
    'edit, rig, words',
    [
        (without('/points'), {}, 'expected the topic /points, got /camera'),
        (without('/odom'), {}, 'expected the topic /odom'),
        (without('/tf_static'), {}, "expected a way from 'lidar_link' to 'base_link'"),
        (lambda *entry: None, {}, 'got an empty bag'),
        (shifted_clock, {}, 'got a jump of +5.00 s'),
        (lambda *e: e, {'topic: /odom': 'topic: /camera/image_raw/compressed'}, 'expected nav_msgs/msg/Odometry'),
        (lambda *e: e, {'topic: /odom': 'topic: /odom\n  time_offset: 100'}, 'no frame has one; a clock'),
        (
            lambda *e: e,
            {'width: 64, height: 32': 'width: 32, height: 16'},
            'expected images of 32x16 as the calibration',
        ),
        (lambda *e: e, {'    intensity_max: 255\n': ''}, 'expected intensity_max'),
        (lambda *e: e, {'cutoff_hz: 0.5': 'cutoff_hz: 20'}, 'a quarter of the rate of the poses'),
        (lambda *e: e, {'cutoff_hz': 'cutoff'}, "got 'cutoff'"),
        (lambda *e: e, {'classes: geometry': 'classes: kitti'}, 'expected a list or one of'),
        (lambda *e: e, {'lidar_from_body: tf': 'lidar_from_body: [1, 2]'}, 'expected a 4x4 matrix'),
        (lambda *e: e, {'gravity: odometry': 'gravity: imu'}, 'expected `imu: TOPIC`'),
    ],
)
def test_mistakes_are_one_sentence_and_leave_nothing(edit, rig, words, tmp_path, capsys):
    maker = BagMaker(1)
    maker.write(tmp_path / 'x.bag', messages(maker, edit))
    text = RIG
    for old, new in rig.items():
        assert old in text
        text = text.replace(old, new)
    (tmp_path / 'rig.yaml').write_text(text)
    assert make(tmp_path, 'x.bag') == 2
    told = capsys.readouterr().err
    assert words in told and told.count('\n') == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ['rig.yaml', 'x.bag']


def test_a_topic_without_messages_is_told(tmp_path, capsys):
    """Topics that were subscribed to and never heard: of the image, the points, the poses."""
    (tmp_path / 'rig.yaml').write_text(RIG)
    for number, silent in enumerate(('/camera/image_raw/compressed', '/points', '/odom')):
        maker = BagMaker(1)
        entries = maker.walk(1.0)
        kind = next(message.__msgtype__ for topic, _, message in entries if topic == silent)
        kept = [entry for entry in entries if entry[0] != silent]
        maker.write(tmp_path / f'{number}.bag', kept, silent={silent: kind})
        assert make(tmp_path, f'{number}.bag') == 2
        told = capsys.readouterr().err
        assert (
            silent.lstrip('/') in told
            and told.count('\n') == 1
            and 'got no' in told
            and not (tmp_path / 'out').exists()
        )
        assert record.main(['inspect-bag', str(tmp_path / f'{number}.bag')]) == 0
        assert f'{silent}: {kind}, 0 messages' in capsys.readouterr().out


def test_a_bag_without_sensors_proposes_a_rig_that_says_what_is_missing(tmp_path, capsys):
    maker = BagMaker(2)
    maker.write(tmp_path / 'x', [('/imu', 0.1 * n, maker.imu(0.1 * n, np.array((0, 0, 9.8)))) for n in range(3)])
    assert record.main(['inspect-bag', str(tmp_path / 'x'), '--rig-out', str(tmp_path / 'rig.yaml')]) == 0
    assert 'this bag has none' in capsys.readouterr().out
    assert make(tmp_path, 'x') == 2
    told = capsys.readouterr().err
    assert 'cameras: expected at least one' in told and told.count('\n') == 1


def test_a_bag_without_poses_takes_those_of_its_lidar(tmp_path, capsys):
    pytest.importorskip('kiss_icp', reason='the extra "data" is not installed')
    maker = BagMaker(1)
    maker.write(tmp_path / 'x.bag', maker.walk(1.2, odometry_until=0.0))
    poses, none = 'pose:\n  topic: /odom\nego: {cutoff_hz: 0.5', 'pose: {}\nego: {cutoff_hz: null'
    (tmp_path / 'rig.yaml').write_text(RIG.replace(poses, none))
    assert make(tmp_path, 'x.bag') == 0
    assert 'KISS-ICP, deskewed' in capsys.readouterr().err
    first = Recording.read(tmp_path / 'out').frames[0]
    assert np.abs(first.world_from_body[:3, 3]).max() < 0.2  # it begins where the body stands


def test_a_lens_mask_of_another_size_is_told(tmp_path, capsys):
    maker = BagMaker(1)
    maker.write(tmp_path / 'x.bag', maker.walk(1.0))
    Image.new('L', (32, 32), 255).save(tmp_path / 'mask.png')
    (tmp_path / 'rig.yaml').write_text(RIG.replace('    body_from_cam', '    mask: mask.png\n    body_from_cam'))
    assert make(tmp_path, 'x.bag') == 2
    told = capsys.readouterr().err
    assert '32x32' in told and '64x32' in told and told.count('\n') == 1 and not (tmp_path / 'out').exists()


def test_a_clock_that_jumps_is_passed_over_by_the_times_of_receipt(tmp_path):
    maker = BagMaker(1)
    maker.write(tmp_path / 'x.bag', messages(maker, shifted_clock))
    (tmp_path / 'rig.yaml').write_text(RIG)
    assert make(tmp_path, 'x.bag', '--stamps', 'received') == 0


def test_poses_that_stop_early_cost_the_frames_behind_them(tmp_path, capsys):
    maker = BagMaker(2)
    maker.write(tmp_path / 'x', maker.walk(3.0, odometry_until=1.5))
    (tmp_path / 'rig.yaml').write_text(RIG)
    assert make(tmp_path, 'x', '--every', '0') == 0
    assert '13 messages of lidar without a pose (of 27)' in capsys.readouterr().err
    assert max(frame.time for frame in Recording.read(tmp_path / 'out').frames) <= START_S + 1.5


def test_an_offset_between_clocks_is_mended(tmp_path):
    maker = BagMaker(1)
    maker.write(tmp_path / 'x.bag', maker.walk(2.0, clock_offset=0.25))
    (tmp_path / 'rig.yaml').write_text(RIG.replace('intensity_max: 255', 'intensity_max: 255\n    time_offset: -0.25'))
    assert make(tmp_path, 'x.bag') == 0
    ride = Recording.read(tmp_path / 'out')
    frame = next(frame for frame in ride.frames if 'lidar' in frame.files)
    world_from_lidar = frame.world_from_body @ np.linalg.inv(ride.lidars['lidar'])
    points = ride.read_lidar(frame, 'lidar')['points'] @ world_from_lidar[:3, :3].T + world_from_lidar[:3, 3]
    assert np.minimum(abs(points[:, 2]), abs(points[:, 1] - WALL_Y_M)).max() < 0.01


def test_an_upside_down_lidar_is_told(tmp_path, capsys):
    maker = BagMaker(1)
    maker.write(tmp_path / 'x.bag', maker.walk(1.0))
    mount = 'body_from_lidar: {xyz: [0, 0, 0.05], rpy_deg: [180, -15, 0]}'
    (tmp_path / 'rig.yaml').write_text(RIG.replace('lidar_from_body: tf', mount))
    assert make(tmp_path, 'x.bag') == 0
    assert 'does the LiDAR hang upside down?' in capsys.readouterr().err


def test_gravity_comes_from_the_imu_or_the_ground(tmp_path):
    """An odometry whose world leans by 10 degrees: both ways stand it up again."""
    maker = BagMaker(1)
    lean = np.eye(4)
    lean[:3, :3] = [
        [1, 0, 0],
        [0, np.cos(np.radians(10)), -np.sin(np.radians(10))],
        [0, np.sin(np.radians(10)), np.cos(np.radians(10))],
    ]
    entries = [entry for entry in maker.walk(4.0) if entry[0] != '/odom']
    for time in np.arange(0, 4, 0.02):
        entries.append(('/odom', time, maker.odometry(time, lean @ body_pose(time))))
        entries.append(('/imu', time, maker.imu(time, body_pose(time)[:3, :3].T @ (0, 0, 9.81))))
    maker.write(tmp_path / 'x.bag', entries)
    for gravity in ('imu, imu: /imu', 'ground'):
        (tmp_path / 'rig.yaml').write_text(RIG.replace('gravity: odometry', f'gravity: {gravity}'))
        assert make(tmp_path, 'x.bag', out=f'ride_{gravity[:3]}') == 0
        ride = Recording.read(tmp_path / f'ride_{gravity[:3]}')
        for frame in ride.frames:
            up = frame.world_from_body[:3, :3] @ body_pose(frame.time - START_S)[:3, :3].T @ (0, 0, 1)
            assert np.degrees(np.arccos(min(up[2], 1.0))) < 1.0
