"""Point files and trajectories of every kind read back as they were written; real ones open."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plyfile import PlyData, PlyElement
from scipy.spatial.transform import Rotation

from data_converters.recorders.bag import REFUSED_TYPES, refused_reason
from data_converters.recorders.bag_clouds import cloud_from_message
from data_converters.recorders.pictures import compressed_picture, raw_picture
from data_converters.recorders.point_fields import cloud_from_fields, point_times
from data_converters.recorders.point_files import read_points
from data_converters.recorders.pose_files import read_pose_file
from data_converters.recorders.pose_track import PoseTrack, RideError, check_clock
from tests.data_converters.recorders.bags import BagMaker
from tests.realdata import real_file

POINTS = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
INTENSITY = np.linspace(0, 1, 50, dtype=np.float32)


def pcd(path, kind, points=POINTS):
    records = np.zeros(
        len(points), [('x', '<f4'), ('y', '<f4'), ('z', '<f4'), ('pad', 'u1', 4), ('intensity', '<f4'), ('ring', '<u2')]
    )
    for axis, name in enumerate('xyz'):
        records[name] = points[:, axis]
    records['intensity'], records['ring'] = INTENSITY[: len(points)], np.arange(len(points))
    head = (
        '# .PCD v0.7\nVERSION 0.7\nFIELDS x y z _ intensity ring\nSIZE 4 4 4 1 4 2\nTYPE F F F U F U\nCOUNT 1 1 1 '
        '4 1 1\n'
        f'WIDTH {len(points)}\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS {len(points)}\nDATA {kind}\n'
    ).encode()
    if kind == 'ascii':
        rows = [f'{r["x"]:.9g} {r["y"]:.9g} {r["z"]:.9g} 0 0 0 0 {r["intensity"]:.9g} {r["ring"]}' for r in records]
        body = '\n'.join(rows).encode()
    elif kind == 'binary':
        body = records.tobytes()
    else:
        raw = b''.join(np.ascontiguousarray(records[name]).tobytes() for name in records.dtype.names)
        packed = b''.join(bytes([len(raw[i : i + 32]) - 1]) + raw[i : i + 32] for i in range(0, len(raw), 32))
        body = np.array([len(packed), len(raw)], '<u4').tobytes() + packed
    path.write_bytes(head + body)
    return path


@pytest.mark.parametrize('kind', ['ascii', 'binary', 'binary_compressed'])
def test_pcd(kind, tmp_path):
    cloud = read_points(pcd(tmp_path / 'a.pcd', kind))
    assert np.array_equal(cloud.points.astype(np.float32), POINTS)
    assert np.array_equal(cloud.intensity.astype(np.float32), INTENSITY) and np.array_equal(cloud.ring, np.arange(50))


def test_references_in_compressed_data_are_followed(tmp_path):
    from data_converters.recorders.point_files import _lzf

    # three letters, then 7 + 2 + 5 bytes from three back
    assert _lzf(bytes([2]) + b'abc' + bytes([7 << 5, 5, 2]), 17) == b'abc' + (b'abc' * 5)[:14]
    with pytest.raises(ValueError, match='before its start'):
        _lzf(bytes([1 << 5, 9]), 3)


def test_ply_bin_npz_npy(tmp_path):
    vertices = np.array(
        [tuple(p) + (i,) for p, i in zip(POINTS, INTENSITY)], [(n, 'f4') for n in ('x', 'y', 'z', 'intensity')]
    )
    PlyData([PlyElement.describe(vertices, 'vertex')]).write(str(tmp_path / 'a.ply'))
    np.column_stack([POINTS, INTENSITY]).astype('<f4').tofile(tmp_path / 'a.bin')
    np.savez(tmp_path / 'a.npz', points=POINTS, intensity=INTENSITY)
    np.save(tmp_path / 'a.npy', np.column_stack([POINTS, INTENSITY]))
    for kind in ('ply', 'bin', 'npz', 'npy'):
        cloud = read_points(tmp_path / f'a.{kind}')
        assert np.array_equal(cloud.points.astype(np.float32), POINTS) and np.array_equal(cloud.intensity, INTENSITY), (
            kind
        )


def test_bin_files_of_nuscenes_have_a_ring(tmp_path):
    ring = np.arange(POINTS.shape[0]) % 32  # 50 points of 20 bytes could be 62.5 of 16, 40 are 50
    for count in (50, 40):
        rows = np.column_stack([POINTS, 200 * INTENSITY, ring])[:count].astype('<f4')
        rows.tofile(tmp_path / 'a.bin')
        cloud = read_points(tmp_path / 'a.bin')
        assert np.array_equal(cloud.points.astype(np.float32), POINTS[:count])
        assert np.array_equal(cloud.ring, ring[:count])
        rows[:, :4].tofile(tmp_path / 'a.bin')
        cloud = read_points(tmp_path / 'a.bin')
        assert cloud.ring is None and np.array_equal(cloud.points.astype(np.float32), POINTS[:count])


@pytest.mark.parametrize(
    'name, content, words',
    [
        ('a.bin', np.full(12, -1, '<f4').tobytes(), 'got an intensity of -1: another layout'),
        ('a.pcd', b'FIELDS x', 'ends in DATA'),
        (
            'a.pcd',
            b'FIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nPOINTS 9\nDATA binary\n',
            'expected 9 points of 12 bytes, got 0',
        ),
        ('a.pcd', b'FIELDS x y\nSIZE 4 4\nTYPE F F\nPOINTS 0\nDATA binary\n', 'expected the fields x, y, z'),
        ('a.bin', b'123', '16 bytes a point'),
        ('a.ply', b'ply\n', 'readable ply'),
        ('a.las', b'', "got '.las', a survey map"),
        ('a.osf', b'', "got '.osf', Ouster's own: its SDK"),
    ],
)
def test_damaged_point_files_are_named(name, content, words, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RideError, match=words):
        read_points(tmp_path / name)


def test_real_point_files():
    folder = real_file('realdata2/03_pcd_ply')
    counts = {
        name: len(read_points(folder / name).points)
        for name in ('hesai_at128.pcd', 'kitti_raw_ascii.pcd', 'ouster_map-000.ply')
    }
    assert counts['ouster_map-000.ply'] == 155000 and min(counts.values()) > 0
    velodyne = read_points(folder / 'velodyne_vlp16.pcd', stamp=0.0)
    assert velodyne.intensity.dtype == np.uint8 and len(velodyne.ring) == len(velodyne.points)
    # this driver counts from the start of every packet: 1.3 ms in ns, and no 1.3 s in us
    assert velodyne.time is None and 'no sweep' in velodyne.notes[0]


def test_real_trajectories():
    times, rows = read_pose_file(real_file('realdata2/07_trajectories/tum_freiburg1_xyz-groundtruth.txt'))
    assert len(times) == len(rows) == 3000 and np.ptp(times) == pytest.approx(30, abs=1)
    times, poses = read_pose_file(real_file('realdata2/07_trajectories/kitti00_ORB.txt'))
    assert times is None and poses.shape == (4541, 4, 4)
    assert np.abs(np.linalg.det(poses[:, :3, :3]) - 1).max() < 1e-12


def test_trajectories_of_three_formats_are_the_same(tmp_path):
    turns = Rotation.random(5, random_state=0)
    times, places = np.arange(5.0) + 1e9, np.random.default_rng(1).normal(size=(5, 3))
    x, y, z, w = turns.as_quat().T
    (tmp_path / 'a.tum').write_text(
        '# t\n' + '\n'.join(' '.join(map(repr, r.tolist())) for r in np.column_stack([times, places, x, y, z, w]))
    )
    euroc = np.column_stack([places, w, x, y, z, np.zeros((5, 3))])
    (tmp_path / 'a.csv').write_text(
        '#timestamp\n' + '\n'.join(f'{int(t * 1e9)},' + ','.join(map(repr, r.tolist())) for t, r in zip(times, euroc))
    )
    matrices = np.concatenate([turns.as_matrix(), places[..., None]], axis=2)
    np.savetxt(tmp_path / 'a.kitti', matrices.reshape(5, 12))
    tum, csv = (PoseTrack.from_rows(read_pose_file(tmp_path / name)[1], name) for name in ('a.tum', 'a.csv'))
    assert np.allclose(tum.times, csv.times) and np.allclose(tum.matrices(), csv.matrices())
    assert np.allclose(tum.matrices()[:, :3], read_pose_file(tmp_path / 'a.kitti')[1][:, :3])
    for content, words in (
        ('1 2 3\n', 'expected 8 numbers'),
        ('a b\n', 'line 1: expected numbers'),
        ('#\n', 'got none'),
        ('1 2 3\n1 2', 'line 2'),
    ):
        (tmp_path / 'x').write_text(content)
        with pytest.raises(RideError, match=words):
            read_pose_file(tmp_path / 'x')


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31 - 1))
def test_interpolation_is_exact_for_steady_motion_and_never_extrapolates(seed):
    rng = np.random.default_rng(seed)
    turn, speed, start = rng.normal(size=3) * 0.3, rng.normal(size=3), Rotation.random(random_state=seed % 1000)
    times = np.sort(rng.uniform(0, 5, 20))
    gaps = np.diff(times)

    def quaternions(at):
        return (Rotation.from_rotvec(at[:, None] * turn) * start).as_quat()

    track = PoseTrack.from_rows(
        np.column_stack([times, times[:, None] * speed, quaternions(times)]), 'x', max_gap=float(np.median(gaps))
    )
    at = rng.uniform(-1, 6, 50)
    poses, known = track.at(at)
    index = np.clip(np.searchsorted(times, at), 1, 19)
    assert np.array_equal(known, (at >= times[0]) & (at <= times[-1]) & (gaps[index - 1] <= track.max_gap))
    assert np.allclose(poses[known, :3, 3], at[known, None] * speed)
    assert np.allclose(
        poses[known, :3, :3], Rotation.from_quat(quaternions(at[known])).as_matrix() if known.any() else 0
    )
    assert track.at(times)[1].all()


@pytest.mark.parametrize(
    'values, stamp, expected',
    [
        (np.array([0, 0.1], np.float32), 5e8, [0, 0.1]),  # Velodyne, s
        (np.array([-0.1, 0], np.float32), 5e8, [-0.1, 0]),  # counted from the end
        (np.array([0, 99_000_000], np.uint32), 5e8, [0, 0.099]),  # Ouster, ns
        (np.array([0, 99_000], np.uint32), 5e8, [0, 0.099]),  # us
        (np.array([1.7e9, 1.7e9 + 0.1]), 1.7e9, [0, 0.1]),  # Hesai, absolute s
        (np.array([1.7e18, 1.7e18 + 1e8]), 1.7e9 - 0.05, [0.05, 0.15]),  # Livox driver 2, absolute ns
        (np.array([1.7e9, 1.7e9 + 0.1]), 10.0, [0, 0.1]),  # of another clock
        (np.array([5, 5.0]), 0.0, None),
    ],
)
def test_times_per_point_of_drivers(values, stamp, expected):
    times, note = point_times(values, stamp, np.ones(len(values), bool))
    if expected is None:
        assert times is None and 'no sweep' in note
    else:
        assert np.allclose(times, expected, atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(st.permutations(['x', 'y', 'z', 'intensity', 'ring', 't', 'rgb']), st.integers(0, 9), st.booleans())
def test_any_layout_of_point_cloud_fields(names, gap, rows):
    kinds = dict(x='<f4', y='<f8', z='<f4', intensity='u1', ring='<u2', t='<u4', rgb='<f4')
    offsets, at = [], gap
    for name in names:
        offsets.append(at)
        at += np.dtype(kinds[name]).itemsize + gap % 3
    dtype = np.dtype(dict(names=names, formats=[kinds[n] for n in names], offsets=offsets, itemsize=at + gap))
    records = np.zeros(12, dtype)
    values = np.random.default_rng(gap).normal(size=(12, 3))
    for axis, name in enumerate('xyz'):
        records[name] = values[:, axis]
    records['ring'], records['t'], records['intensity'] = np.arange(12), np.arange(12) * 9_000_000, 200
    records['x'][3] = np.nan
    message = BagMaker(2).cloud(0.0, records)
    if rows:  # an image of points, rows padded
        step = dtype.itemsize * 4
        message.height, message.width, message.row_step = 3, 4, step + 5
        message.data = np.pad(np.frombuffer(records.tobytes(), np.uint8).reshape(3, step), ((0, 0), (0, 5))).ravel()
    cloud = cloud_from_message(message, 0.0, 'x')
    keep = np.arange(12) != 3
    assert cloud.broken == 1 and np.allclose(cloud.points, values[keep], atol=1e-6)
    assert np.array_equal(cloud.ring, np.arange(12)[keep]) and (cloud.intensity == 200).all()
    assert np.allclose(cloud.time, np.arange(12)[keep] * 0.009)


RGB = np.random.default_rng(3).integers(0, 255, (6, 8, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    'encoding, pixels, expected',
    [
        ('rgb8', RGB, RGB),
        ('bgr8', RGB[..., ::-1], RGB),
        ('8UC3', RGB[..., ::-1], RGB),
        ('rgba8', np.dstack([RGB, RGB[..., 0]]), RGB),
        ('bgra8', np.dstack([RGB[..., ::-1], RGB[..., 0]]), RGB),
        ('mono8', RGB[..., 0], np.repeat(RGB[..., :1], 3, axis=2)),
        ('mono16', RGB[..., 0].astype('<u2') << 4, np.repeat(RGB[..., :1], 3, axis=2)),
    ],
)
@pytest.mark.parametrize('padding', [0, 3])
def test_encodings_of_images(encoding, pixels, expected, padding):
    picture = raw_picture(BagMaker(2).image(0.0, pixels, encoding, padding), 'x', bit_depth=12)
    assert picture.size == (8, 6) and np.abs(picture.rgb.astype(int) - expected).max() <= 1


@pytest.mark.parametrize('pattern, rows', [('rggb', 'rggb'), ('bggr', 'bggr'), ('grbg', 'grbg'), ('gbrg', 'gbrg')])
def test_colour_filters_are_undone(pattern, rows):
    colour = dict(r=200, g=120, b=40)
    tile = np.array([colour[c] for c in rows], np.uint8).reshape(2, 2)
    rgb = raw_picture(BagMaker(2).image(0.0, np.tile(tile, (6, 6)), f'bayer_{pattern}8'), 'x').rgb
    assert (rgb[3:-3, 3:-3] == (200, 120, 40)).all()


def test_yuv_is_undone():
    grey = np.tile(np.array([128, 90], np.uint8), (4, 8)).reshape(4, 8, 2)  # U Y V Y of a grey picture
    rgb = raw_picture(BagMaker(2).image(0.0, grey, 'yuv422'), 'x').rgb
    assert np.abs(rgb.astype(int) - rgb[..., :1]).max() <= 1 and rgb.shape == (4, 8, 3)


def test_compressed_pictures_are_kept_or_turned():
    maker = BagMaker(2)
    for form in ('rgb8; jpeg compressed bgr8 ', 'jpeg', 'bgr8; jpeg compressed bgr8'):
        assert compressed_picture(maker.jpeg(0.0, RGB, form), 'x').jpeg is not None
    # stored as if RGB were BGR, and said so
    flat = np.full((16, 16, 3), (200, 120, 40), np.uint8)
    other = compressed_picture(maker.jpeg(0.0, flat[..., ::-1], 'rgb8; jpeg compressed rgb8'), 'x')
    assert other.jpeg is None and np.abs(other.rgb.astype(int) - flat).max() < 4
    for form, words in (('16UC1; png compressed ', 'depth image'), ('32FC1; compressedDepth png', 'depth image')):
        with pytest.raises(RideError, match=words):
            compressed_picture(maker.jpeg(0.0, RGB, form), 'x')
    broken = maker.jpeg(0.0, RGB)
    broken.data = broken.data[:4]
    with pytest.raises(RideError, match='cannot be decoded'):
        compressed_picture(broken, 'x')


@pytest.mark.parametrize(
    'pixels, encoding, words',
    [
        (RGB[..., 0].astype('<u2'), '16UC1', 'a depth image'),
        (RGB[..., 0].astype('<u2'), 'mono16', 'state the bits'),
        (RGB, 'jpeg', 'expected an encoding among'),
    ],
)
def test_pictures_that_are_none(pixels, encoding, words):
    with pytest.raises(RideError, match=words):
        raw_picture(BagMaker(2).image(0.0, pixels, encoding), 'x')


def test_real_bags_of_a_spot():
    from data_converters.recorders.bag import open_bag

    pictures = {}
    for name, kind in (('image_raw.bag', raw_picture), ('image_compressed.bag', compressed_picture)):
        with open_bag([real_file(f'realdata2/01_rosbag1/{name}')]) as bag:
            topics = [topic for topic in bag.topics if 'camera' in topic]
            for topic, _, message in bag.messages(topics):
                pictures[name, topic.removesuffix('/compressed')] = kind(message, topic)
    raw = pictures['image_raw.bag', '/spot/camera/hand_color/image']
    jpeg = pictures['image_compressed.bag', '/spot/camera/hand_color/image']
    assert raw.size == jpeg.size == (640, 480) and jpeg.jpeg is not None
    import cv2

    decoded = cv2.imdecode(np.frombuffer(jpeg.jpeg, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    # the same scene a moment apart: it is nearer to itself than with red and blue exchanged
    apart = [np.abs(decoded.astype(int) - other).mean() for other in (raw.rgb, raw.rgb[..., ::-1])]
    assert apart[0] < 0.7 * apart[1]
    assert pictures['image_compressed.bag', '/spot/camera/hand_mono/image'].rgb.shape == (171, 224, 3)


def test_real_bags_with_traps(capsys):
    from data_converters import record

    folder = real_file('realdata2')
    for name in ('02_rosbag2/lichtblick_custom-camera-model.mcap',):
        assert record.main(['inspect-bag', str(folder / name)]) == 2
        assert 'expected a bag of ROS, got an mcap of another profile' in capsys.readouterr().err
    for name, words in (
        ('01_rosbag1/no-messages.bag', '0 messages in 0.0 s'),
        ('02_rosbag2/talker_multi', '2648 messages'),
        ('02_rosbag2/nebula_vlp16', 'raw Velodyne packets: run its driver'),
        ('01_rosbag1/ouster_512x10_raw.bag', 'raw Ouster packets'),
        ('01_rosbag1/turtle_example-lz4.bag', 'world -> turtle1: 1344 transforms'),
        ('02_rosbag2/tf_example', 'odom -> base_footprint: 517 transforms'),
    ):
        assert record.main(['inspect-bag', str(folder / name)]) == 0
        assert words in capsys.readouterr().out, name


def test_types_that_are_refused_say_the_cure():
    assert 'xfer_format 0' in refused_reason('livox_ros_driver2/msg/CustomMsg')
    assert 'PointCloud2' in refused_reason('some_vendor/msg/LidarPackets')
    assert refused_reason('sensor_msgs/msg/PointCloud2') is None and len(REFUSED_TYPES) > 10


def test_fields_have_many_names():
    cloud = cloud_from_fields(
        dict(X=POINTS[:, 0], Y=POINTS[:, 1], Z=POINTS[:, 2], reflectivity=INTENSITY, laser_id=np.arange(50)), 0.0, 'x'
    )
    assert cloud.intensity is not None and cloud.ring is not None and cloud.time is None


def test_clocks():
    received = np.arange(20) * 0.1
    check_clock(received - 0.05, received, 'x')
    late = received.copy()
    late[7] += 3  # one message came late
    check_clock(received, late, 'x')
    with pytest.raises(RideError, match=r'got a jump of -2.00 s against the time of receipt at message 10'):
        check_clock(np.where(np.arange(20) < 10, received, received - 2), received, 'x')
