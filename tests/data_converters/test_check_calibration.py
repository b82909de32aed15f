"""Whether a calibration is right: corners in pixels, depth edges against pictures, and the command's sentences."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from data_converters import record
from data_converters.check_calibration import corner_errors, main
from data_converters.corner_files import paired_corners, read_corners, read_transform
from data_converters.edge_agreement import edge_agreement, turned
from projects.OneOcc.core.formats.atomic_files import read_png
from projects.OneOcc.core.formats.recording import Frame, Recording
from projects.OneOcc.core.geometry import EquirectCamera, View, transform_points
from tests.realdata import real_file

REAL = 'realdata2/06_panorama_lidar_extrinsics'
CAMERA = EquirectCamera(720, 360)


def boxes_before_a_wall() -> tuple[np.ndarray, np.ndarray]:
    """A scan (N, 3) and the picture of what it shows: three bright boxes, nearer than the dark sphere around."""
    azimuth, elevation = np.meshgrid(np.radians(np.arange(-179.75, 180, 0.5)), np.radians(np.arange(-40, 41, 1.0)))
    rays = np.stack([np.cos(elevation) * np.cos(azimuth), -np.cos(elevation) * np.sin(azimuth), np.sin(elevation)], -1)
    near = np.zeros(azimuth.shape, bool)
    picture = np.full((360, 720, 3), 40, np.uint8)
    for left, right, low, high in [(-150, -110, -20, 10), (-20, 15, -12, 14), (60, 100, -30, 0)]:
        degrees = np.degrees(azimuth), np.degrees(elevation)
        near |= (degrees[0] > left) & (degrees[0] < right) & (degrees[1] > low) & (degrees[1] < high)
        picture[2 * (90 - high) : 2 * (90 - low), 2 * (left + 180) : 2 * (right + 180)] = 220
    return (rays * np.where(near, 3.0, 9.0)[..., None]).reshape(-1, 3), picture


def test_a_turned_camera_is_found():
    scan, picture = boxes_before_a_wall()
    right = edge_agreement(View(CAMERA, np.eye(4)), [scan], [picture], np.eye(4))
    assert right.edges > 100 and right.score > 0.95 and abs(right.best_turn()[1]) <= 0.5
    wrong = edge_agreement(turned(View(CAMERA, np.eye(4)), 'z', 3.0), [scan], [picture], np.eye(4))
    axis, turn, score = wrong.best_turn()
    assert (axis, turn) == ('z', pytest.approx(-3.0, abs=0.5)) and score > wrong.score + 0.1
    with pytest.raises(ValueError, match='as many pictures as scans, got 0 and 1'):
        edge_agreement(View(CAMERA, np.eye(4)), [scan], [], np.eye(4))


def test_a_recording_is_drawn_and_judged(tmp_path, capsys):
    scan, picture = boxes_before_a_wall()
    ride = Recording(
        tmp_path / 'ride',
        'ride',
        ('wall',),
        dict(equi=dict(CAMERA.to_dict(), cam_from_body=turned(View(CAMERA, np.eye(4)), 'z', 4.0).cam_from_ego)),
        dict(lidar=np.eye(4)),
        {},
    )
    frame = Frame('000000', 0.0, np.eye(4), np.eye(4))
    ride.write_image(frame, 'equi', picture)
    many = len(scan)
    ride.write_lidar(
        frame,
        'lidar',
        dict(points=scan, intensity=np.zeros(many), label=np.ones(many, np.uint8), dynamic=np.zeros(many, bool)),
    )
    ride.frames.append(frame)
    ride.write()
    words = ['check-calibration', 'recording', str(tmp_path / 'ride'), '--out', str(tmp_path / 'drawn.png')]
    assert record.main(words) == 0
    assert 'turned by -4.0 degrees about z' in capsys.readouterr().out
    drawn = read_png(tmp_path / 'drawn.png')
    assert drawn.shape == picture.shape and (drawn != (picture * 0.6).astype(np.uint8)).any()
    for options, message in [
        (['--camera', 'raw'], "a camera among ['equi'], got 'raw'"),
        (['--frame', '7'], "got '7'"),
    ]:
        assert main(['recording', str(tmp_path / 'ride'), *options, '--out', str(tmp_path / 'none.png')]) == 2
        assert message in capsys.readouterr().err and not (tmp_path / 'none.png').exists()


def test_corner_files(tmp_path):
    (tmp_path / 'scan.txt').write_text('scan0001.pcd\n1\n1000 0 0\n2\n0 1000 0\nscan0002.pcd\n1\n0 -2000 0\n')
    (tmp_path / 'photo.txt').write_text('01.jpg\n0\n360 180\n1\n180 180\n02.jpg\n0\n540 182\n')
    scans, pictures = read_corners(tmp_path / 'scan.txt', 3), read_corners(tmp_path / 'photo.txt', 2)
    corners, picked, names = paired_corners(scans, pictures)
    assert names == ['01.jpg', '01.jpg', '02.jpg']
    errors = corner_errors(CAMERA, np.eye(4), corners * 1e-3, picked)
    np.testing.assert_allclose(errors, np.hypot(0.5, (0.5, 0.5, 2.5)), atol=1e-9)
    with pytest.raises(ValueError, match='got 3 in 2 scans and 2 in 1 pictures'):
        paired_corners(scans, {'01.jpg': pictures['01.jpg']})
    (tmp_path / 'pose.txt').write_text('extrinsic\n1 0 0 100\n0 1 0 0\n0 0 1 0\n0 0 0 1\n')
    assert read_transform(tmp_path / 'pose.txt', 1e-3)[0, 3] == pytest.approx(0.1)
    for text, message in [('', 'expected corners of 3'), ('a.pcd\n1\n1 2\n', 'line 3: expected 3 coordinates')]:
        (tmp_path / 'broken.txt').write_text(text)
        with pytest.raises(ValueError, match=message):
            read_corners(tmp_path / 'broken.txt', 3)


def write_corners(folder, pose, swap=None):
    """Corners of 8 boards seen under `pose`, as text files; the corners of board `swap` stand in another order."""
    rng = np.random.default_rng(0)
    centres = rng.uniform(-4, 4, (8, 1, 3)) + (0, 0, 1)
    boards = centres + rng.uniform(-0.6, 0.6, (8, 4, 3))
    pixels, valid = CAMERA.project(transform_points(pose, torch.from_numpy(boards.reshape(-1, 3))))
    assert valid.all()
    picked = np.floor(pixels.numpy()).astype(int).reshape(8, 4, 2)
    if swap is not None:
        picked[swap] = picked[swap, [2, 3, 0, 1]]
    for name, rows in (('scan', boards), ('photo', picked)):
        lines = [
            line
            for board, corners in enumerate(rows)
            for line in (
                f'{name}{board:02d}',
                *(f'{n}\n{" ".join(map(str, c))}' for n, c in enumerate(corners.tolist())),
            )
        ]
        (folder / f'{name}.txt').write_text('\n'.join(lines))


def check_corners(folder, given, *options):
    np.savetxt(folder / 'given.txt', given)
    words = ['corners', '--equirect', '720x360', '--lidar-corners', str(folder / 'scan.txt'), '--image-corners']
    return main([*words, str(folder / 'photo.txt'), '--extrinsic', str(folder / 'given.txt'), *options])


def test_a_transform_of_another_rig_and_corners_in_another_order_are_told_apart(tmp_path, capsys):
    pose, other = np.eye(4), np.eye(4)
    pose[:3, :3], pose[:3, 3] = Rotation.from_rotvec([0.3, -0.2, 1.0]).as_matrix(), (0.1, -0.05, 0.2)
    other[:3, :3] = Rotation.from_rotvec([0.9, 0.4, -0.6]).as_matrix()
    write_corners(tmp_path, pose)
    assert check_corners(tmp_path, pose) == 0
    said = capsys.readouterr().out
    assert 'another' not in said and float(said.split('miss by ')[1].split()[0]) < 1
    assert check_corners(tmp_path, other, '--fit-out', str(tmp_path / 'fit.txt')) == 0
    assert 'the one given belongs to another lens or rig' in capsys.readouterr().out
    np.testing.assert_allclose(read_transform(tmp_path / 'fit.txt'), pose, atol=0.05)
    write_corners(tmp_path, pose, swap=3)
    assert check_corners(tmp_path, pose) == 0
    said = capsys.readouterr().out
    assert 'the corners in photo03 do not belong' in said and 'another lens' not in said


@pytest.mark.parametrize('name, size, words', [
    ('hongwai', '640x512', 'with another transform these corners would miss by 3.9'),  # made with another lens
    ('pianzhen', '1224x1024', 'the corners in 3854838 do not belong to their scan'),
])  # fmt: skip
def test_real_corners_that_do_not_fit_say_why(name, size, words, capsys):
    folder = real_file(REAL)
    arguments = ['corners', '--calibration', str(folder / f'int_{name}.txt'), '--size', size, '--unit', 'mm']
    for option, file in (
        ('lidar-corners', 'lidar_point'),
        ('image-corners', 'photo_point'),
        ('extrinsic', 'extrinsic'),
    ):
        arguments += [f'--{option}', str(folder / f'{file}_{name}.txt')]
    assert main(arguments) == 0
    assert words in capsys.readouterr().out


def test_real_panorama_and_lidar_fit_within_five_pixels(tmp_path, capsys):
    folder = real_file(REAL)
    arguments = ['corners', '--equirect', '5188x1970', '--elevation', '-46.7', '90', '--unit', 'mm']
    for files in (('lidar-corners', 'lidar_point'), ('image-corners', 'photo_point'), ('extrinsic', 'extrinsic_')):
        arguments += [f'--{files[0]}', str(folder / f'{files[1]}911.txt')]
    drawn = ['--image', str(folder / '911_01.jpg'), '--image-name', '01.jpg', '--out', str(tmp_path / 'corners.png')]
    assert main(arguments + drawn) == 0
    said = capsys.readouterr().out
    assert said.startswith('72 of 72 corners') and float(said.split('miss by ')[1].split()[0]) < 5
    assert read_png(tmp_path / 'corners.png').shape == (1970, 5188, 3)
    other = [a.replace('911', '913') for a in arguments]
    assert main(other) == 2 and 'got 36 in 9 scans and 48 in 12 pictures' in capsys.readouterr().err
