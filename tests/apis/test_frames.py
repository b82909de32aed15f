"""Everything an inferencer may be given, as frames; what cannot be read is refused in one sentence."""

import cv2
import numpy as np
import pytest
from PIL import Image

from projects.OneOcc.core.formats.images import ImageError
from projects.OneOcc.core.formats.recording import Frame as RecordedFrame
from projects.OneOcc.core.formats.recording import Recording
from projects.OneOcc.core.geometry import EquirectCamera
from projects.OneOcc.oneocc.apis import CameraSetup, InputError
from projects.OneOcc.oneocc.apis.frames import frames_of

SETUP = CameraSetup(height_m=1.0)


def ids(source, stride: int = 1, setup: CameraSetup = SETUP) -> list[str]:
    return [frame.id for frame in frames_of(source, setup, 0.6, stride)]


@pytest.fixture
def folder(tmp_path, photo):
    for name in ('b.png', 'a.jpg', 'c.webp'):
        Image.fromarray(photo).save(tmp_path / name)
    (tmp_path / 'notes.txt').write_text('not an image')
    return tmp_path


def test_files_folders_patterns_arrays_and_lists(folder, photo):
    assert ids(folder) == ['a', 'b', 'c'] and ids(folder, 2) == ['a', 'c']
    assert ids(folder / 'b.png') == ['b']
    assert ids(str(folder / '*.p*')) == ['b']
    assert ids(photo) == ['array']
    assert ids([photo, folder / 'b.png']) == ['000000_array', '000001_b']
    (frame,) = frames_of(folder / 'b.png', SETUP, 0.6)
    np.testing.assert_array_equal(frame.image, photo)
    assert frame.view.camera == EquirectCamera(128, 64)


def test_files_of_one_name_stay_apart(tmp_path, photo):
    for suffix in ('png', 'webp'):
        Image.fromarray(photo).save(tmp_path / f'a.{suffix}')
    assert ids(tmp_path) == ['000000_a', '000001_a']


def test_a_photo_that_lies_on_its_side_is_turned_as_a_viewer_turns_it(tmp_path, photo):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(photo).copy()).save(tmp_path / 'a.png', exif=exif)
    (frame,) = frames_of(tmp_path / 'a.png', SETUP, 0.6)
    np.testing.assert_array_equal(frame.image, photo)


def test_a_video_is_read_frame_by_frame(tmp_path, photo):
    writer = cv2.VideoWriter(str(tmp_path / 'ride.avi'), cv2.VideoWriter_fourcc(*'MJPG'), 5, (128, 64))
    for step in range(5):
        writer.write(np.roll(photo, 8 * step, axis=1)[..., ::-1])
    writer.release()
    frames = list(frames_of(tmp_path / 'ride.avi', SETUP, 0.6, 2))
    assert [frame.id for frame in frames] == ['ride_000000', 'ride_000002', 'ride_000004']
    assert [frame.time for frame in frames] == pytest.approx([0, 0.4, 0.8])
    assert np.abs(frames[0].image.astype(int) - photo).mean() < 8


def test_a_recording_brings_its_own_camera(tmp_path, photo):
    pose = np.eye(4)
    camera = {**EquirectCamera(128, 64).to_dict(), 'cam_from_body': pose}
    recording = Recording(tmp_path, 'ride', ('road',), {'equi': camera}, {'lidar': pose}, {})
    for step in range(3):
        frame = RecordedFrame(f'{step:06d}', 0.5 * step, pose, pose)
        recording.write_image(frame, 'equi', photo)
        points = dict(points=np.ones((4, 3)), intensity=np.zeros(4), label=np.full(4, 255), dynamic=np.zeros(4, bool))
        recording.write_lidar(frame, 'lidar', points)
        recording.frames.append(frame)
    recording.write()
    for source in (tmp_path, tmp_path / 'recording.json', Recording.read(tmp_path)):
        frames = list(frames_of(source, CameraSetup(), 0.6, 2))
        assert [frame.id for frame in frames] == ['000000', '000002'] and frames[1].time == 1.0
        np.testing.assert_array_equal(frames[0].view.cam_from_ego, pose)
        assert not frames[0].assumptions and 'lidar' in frames[0].meta['lidars']
    with pytest.raises(InputError, match=r"camera: expected one of \['equi'\], got 'front'"):
        ids(tmp_path, setup=CameraSetup(camera='front'))


def test_what_is_not_there_or_empty(tmp_path):
    with pytest.raises(InputError, match='no such file or folder'):
        ids(tmp_path / 'none.png')
    with pytest.raises(InputError, match='expected images .* got nothing'):
        ids(tmp_path)
    (tmp_path / 'a.heic').write_bytes(b'0')
    with pytest.raises(InputError, match=r"got \['.heic'\]"):
        ids(tmp_path)
    with pytest.raises(InputError, match='expected files that match, got none'):
        ids(str(tmp_path / '*.jpg'))
    for wrong in ([], 3, None):
        with pytest.raises(InputError, match='expected a file'):
            ids(wrong)
    with pytest.raises(InputError, match='stride'):
        ids(tmp_path, 0)


@pytest.mark.parametrize(
    'name, words', [('a.heic', 'got HEIC: save it as JPEG'), ('a.tif', 'got TIF'), ('a.xyz', 'got .xyz')]
)
def test_kinds_that_cannot_be_read_are_named(tmp_path, name, words):
    (tmp_path / name).write_bytes(b'\0' * 100)
    with pytest.raises(InputError, match=words):
        ids(tmp_path / name)


def test_a_damaged_image_and_a_video_without_codec(tmp_path, photo):
    Image.fromarray(photo).save(tmp_path / 'a.png')
    content = (tmp_path / 'a.png').read_bytes()
    (tmp_path / 'a.png').write_bytes(content[: len(content) // 2])
    with pytest.raises(ImageError, match='a.png: expected a complete PNG'):
        ids(tmp_path / 'a.png')
    (tmp_path / 'a.mp4').write_bytes(b'\0\0\0\x18ftypmp42' + bytes(200))
    with pytest.raises(InputError, match='got no frame from it.*codec'):
        ids(tmp_path / 'a.mp4')


@pytest.mark.parametrize(
    'wrong', [np.zeros((8, 16, 3), np.float32), np.zeros((8, 16), np.uint8), np.zeros((8, 16, 4), np.uint8)]
)
def test_arrays_of_another_kind_are_refused(wrong):
    with pytest.raises(InputError, match=r'expected \(H, W, 3\) uint8 RGB'):
        ids(wrong)
