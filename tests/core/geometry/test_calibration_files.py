"""Calibration files of many toolboxes, recognised by what is in them."""

import json
import math
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from projects.OneOcc.core.geometry import (
    CalibrationError,
    DoubleSphereCamera,
    PinholeCamera,
    TaylorCamera,
    UnifiedCamera,
    calibrated_cameras,
    camera_from_dict,
    read_calibration,
    read_camera_chain,
    resolve_calibration,
)
from tests.core.geometry.calibration_texts import KALIBR, MEI
from tests.core.geometry.lenses import DATA, PLANE_LENSES, skewed

REAL = Path(os.environ.get('ONEOCC_REALDATA', '../shared'))
FISHEYE_CAMODOCAL = """%YAML:1.0
model_type: KANNALA_BRANDT
image_width:640
image_height: 480
projection_parameters: {k2: 0.05, k3: -0.01, k4: 0.002, k5: -0.0003, mu: 300, mv: 310, u0: 320, v0: 250}
"""
CAMERA_INFO = """image_width: 640
image_height: 480
camera_name: front
camera_matrix: {rows: 3, cols: 3, data: [300, 0, 320, 0, 310, 250, 0, 0, 1]}
distortion_model: plumb_bob
distortion_coefficients: {rows: 1, cols: 5, data: [-0.3, 0.1, 0.001, -0.002, 0.01]}
"""
PY_OCAM = dict(
    date='x',
    camera_name='fisheye_1',
    taylor_coefficient=[
        337.71684227978966,
        0.0,
        -0.0012238320710672823,
        1.3803997515890267e-06,
        -3.0106166073815756e-09,
    ],
    distortion_center=[543.9861511428039, 377.64882547339226],
    stretch_matrix=[[1.0032962305648117, 0.00014800947722706114], [0.00017686046028285402, 1.0]],
    inverse_poly=[
        -1.3505550174375285,
        12.863399898648574,
        -46.729025171144166,
        72.39400507902279,
        -13.749079912593142,
        -94.022200026866,
        100.86067075019912,
        -32.14422445443283,
        3.931359017257052,
        -5.757743649593935,
        338.19818198264267,
        -0.012207504686747209,
    ],
)


def write(folder: Path, text: str, name: str = 'calibration.yaml') -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_ocamcalib_text_is_read_as_before():
    path = DATA / 'calib_results_pal_1216.txt'
    expected = TaylorCamera.from_ocamcalib(path, radius_range=(160, 470))
    assert read_calibration(path, size=(1280, 960), radius_range=(160, 470)) == expected
    with pytest.raises(CalibrationError, match='expected a calibration of 640x480 images, got one of 1280x960'):
        read_calibration(path, size=(640, 480), radius_range=(160, 470))


def test_kalibr_chain(tmp_path):
    path = write(tmp_path, KALIBR)
    assert calibrated_cameras(path) == ('cam0', 'cam1', 'cam2')
    with pytest.raises(CalibrationError, match=r"`camera` to name one of its cameras \['cam0', 'cam1', 'cam2'\]"):
        read_calibration(path)
    points = np.random.default_rng(0).normal(size=(500, 3)) * (1, 1, 0) + (0, 0, 1)
    matrix = np.array([[380.8, 0, 510.3], [0, 380.3, 514.2], [0, 0, 1]])
    bends = np.array([-0.0218, 0.0141, -0.0133, 0.0036])
    expected, _ = cv2.fisheye.projectPoints(points[:, None], np.zeros(3), np.zeros(3), matrix, bends)
    pixels, valid = read_calibration(path, 'cam0').project(torch.from_numpy(points))
    assert np.abs(pixels.numpy() - expected[:, 0] - 0.5)[valid.numpy()].max() < 1e-10
    omni = read_calibration(path, 'cam1')
    assert isinstance(omni, UnifiedCamera) and (omni.xi, omni.principal_point) == (1.2, (512.5, 500.5))
    sphere = read_calibration(path, 'cam2')
    assert isinstance(sphere, DoubleSphereCamera) and (sphere.xi, sphere.alpha) == (-0.2, 0.6)
    chain = read_camera_chain(path)
    assert chain['cam0'].tolist() == np.eye(4).tolist() and chain['cam2'][0, 3] == pytest.approx(-0.3)


def test_camodocal(tmp_path):
    camera = read_calibration(write(tmp_path, MEI), max_angle=math.radians(92))
    assert isinstance(camera, UnifiedCamera)
    assert camera.xi == 2.2134047507854890 and camera.principal_point[0] == pytest.approx(717.4432351)
    fisheye = read_calibration(write(tmp_path, FISHEYE_CAMODOCAL))
    expected = TaylorCamera.from_kannala_brandt((300, 310), (320.5, 250.5), (0.05, -0.01, 0.002, -0.0003), 640, 480)
    assert fisheye == expected


def test_scaramuzza_of_camodocal_is_the_lens_of_the_toolbox(tmp_path):
    calib = skewed().to_ocamcalib()
    row, column = calib.center
    numbers = '\n'.join(
        [
            '%YAML:1.0\nmodel_type: scaramuzza\nimage_width: 200\nimage_height: 160',
            'poly_parameters:',
            *(f'  p{i}: {n!r}' for i, n in enumerate(calib.direct)),
            'inv_poly_parameters:',
            *(f'  p{i}: {n!r}' for i, n in enumerate(calib.inverse)),
            f'affine_parameters: {{ac: 1.0, ad: 0.0, ae: 0.0, cx: {column!r}, cy: {row!r}}}',
        ]
    )
    camera = read_calibration(write(tmp_path, numbers), radius_range=(25, 60))
    assert isinstance(camera, TaylorCamera)
    assert camera.coefficients == pytest.approx([a * (-1) ** i for i, a in enumerate(calib.inverse)])
    assert camera.principal_point == pytest.approx((column + 0.5, row + 0.5))


def test_py_ocamcalib(tmp_path):
    path = write(tmp_path, json.dumps(PY_OCAM), 'calib.json')
    with pytest.raises(CalibrationError, match=r'does not state the image size: expected size=\(width, height\)'):
        read_calibration(path)
    camera = read_calibration(path, size=(1032, 778))
    pixels = np.random.default_rng(0).uniform((300, 140), (780, 610), (300, 2))
    flat = (pixels - PY_OCAM['distortion_center']) @ np.linalg.inv(PY_OCAM['stretch_matrix']).T
    rays = np.column_stack((flat, np.polyval(PY_OCAM['taylor_coefficient'][::-1], np.hypot(*flat.T))))
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    found, valid = camera.unproject(torch.from_numpy(pixels + 0.5))
    assert valid.all() and np.abs(found.numpy() - rays).max() < 5e-4
    back, _ = camera.project(torch.from_numpy(rays))
    assert np.abs(back.numpy() - pixels - 0.5).max() < 0.15  # their own two polynomials differ by as much


def test_ros_and_opencv(tmp_path):
    camera = read_calibration(write(tmp_path, CAMERA_INFO), size=(640, 480))
    assert camera == PinholeCamera((300, 310), (320.5, 250.5), 640, 480, (-0.3, 0.1, 0.001, -0.002, 0.01))
    storage = cv2.FileStorage(str(tmp_path / 'opencv.yaml'), cv2.FILE_STORAGE_WRITE)
    storage.write('image_width', 640)
    storage.write('image_height', 480)
    storage.write('camera_matrix', np.array([[300.0, 0, 320], [0, 310, 250], [0, 0, 1]]))
    storage.write('distortion_coefficients', np.array([[0.05, -0.01, 0.002, -0.0003]]))
    storage.release()
    path = tmp_path / 'opencv.yaml'
    with pytest.raises(CalibrationError, match="expected model='pinhole' or model='fisheye', got none"):
        read_calibration(path)
    fisheye = read_calibration(path, model='fisheye')
    assert fisheye == TaylorCamera.from_kannala_brandt(
        (300, 310), (320.5, 250.5), (0.05, -0.01, 0.002, -0.0003), 640, 480
    )
    assert isinstance(read_calibration(path, model='pinhole'), PinholeCamera)


def test_basalt_and_what_our_own_cameras_write(tmp_path):
    lens = dict(fx=250, fy=251, cx=319.5, cy=240.5, xi=-0.2, alpha=0.6)
    basalt = dict(value0=dict(intrinsics=[dict(camera_type='ds', intrinsics=lens)], resolution=[[640, 480]]))
    camera = read_calibration(write(tmp_path, json.dumps(basalt), 'basalt.json'))
    assert camera == DoubleSphereCamera((250, 251), (320, 241), 640, 480, xi=-0.2, alpha=0.6)
    for lens in PLANE_LENSES.values():
        assert read_calibration(write(tmp_path, json.dumps(lens.to_dict()), 'own.json')) == lens


def test_a_rig_may_name_a_file(tmp_path):
    write(tmp_path, MEI)
    entry = dict(calibration='calibration.yaml', max_angle=1.6, cam_from_body=np.eye(4).tolist())
    resolved = resolve_calibration(entry, tmp_path)
    assert camera_from_dict(resolved) == read_calibration(tmp_path / 'calibration.yaml', max_angle=1.6)
    assert resolved['cam_from_body'] == entry['cam_from_body'] and 'calibration' not in resolved
    Image.fromarray(np.eye(1400, dtype=np.uint8) * 255).save(tmp_path / 'mask.png')
    masked = resolve_calibration(dict(entry, mask='mask.png'), tmp_path)
    assert masked['mask'] == 'mask.png' and camera_from_dict(masked, tmp_path).mask.sum() == 1400
    with pytest.raises(CalibrationError, match='expected a calibration of 640x480 images, got one of 1400x1400'):
        resolve_calibration(dict(entry, size=[640, 480]), tmp_path)
    assert resolve_calibration(dict(model='equirect', width=8), tmp_path) == dict(model='equirect', width=8)


@pytest.mark.parametrize(
    'text, message',
    [
        ('', 'expected sections direct'),
        ('hello world', 'OCamCalib text, py-OCamCalib JSON'),
        ('{"a": 1', 'not JSON'),
        ('{"a": 1}', r"got the keys \['a'\]"),
        ('a: [1, 2', 'not YAML'),
        ('- 1\n- 2\nb: 3', 'not YAML'),
        (CAMERA_INFO.replace('camera_matrix', 'matrix'), 'got the keys'),
        (CAMERA_INFO.replace('0, 310', '0'), 'camera matrix: expected 9 numbers, got 8'),
        (CAMERA_INFO.replace('plumb_bob', 'thin_prism'), "distortion_model: expected 'plumb_bob'.*got 'thin_prism'"),
        (CAMERA_INFO.replace('300', '.nan'), 'expected finite numbers'),
        (MEI.replace('xi:', 'xii:'), "expected the entry 'xi'"),
        (MEI.replace('MEI', 'FOO'), "model_type: expected 'MEI'"),
    ],
)
def test_what_is_no_calibration_is_refused_with_its_name(tmp_path, text, message):
    path = write(tmp_path, text)
    with pytest.raises(CalibrationError, match=message) as refused:
        read_calibration(path)
    assert str(path) in str(refused.value)


def test_missing_and_binary_files(tmp_path):
    with pytest.raises(FileNotFoundError, match='no such calibration file'):
        read_calibration(tmp_path / 'none.yaml')
    (tmp_path / 'image.png').write_bytes(b'\x89PNG\0\0\0')
    with pytest.raises(CalibrationError, match='got a binary file'):
        read_calibration(tmp_path / 'image.png')


@pytest.mark.parametrize(
    'name, options, kind',
    [
        ('realdata/cameras/PAL_lfvio_mindvision.yaml', dict(radius_range=(160, 470)), TaylorCamera),
        ('realdata/cameras/kodak_sp360/kodak.yaml', {}, PinholeCamera),
        ('realdata2/04_kitti360/kitti360_sample.json', dict(size=(1400, 1400)), UnifiedCamera),
        ('realdata2/06_panorama_lidar_extrinsics/int_hongwai.txt', dict(size=(640, 512)), PinholeCamera),
        ('realdata2/06_panorama_lidar_extrinsics/int_pianzhen.txt', dict(size=(1224, 1024)), PinholeCamera),
    ],
)
def test_real_files(name, options, kind):
    path = REAL / name
    if not path.is_file():
        pytest.skip(f'{path} is not there; its licence keeps it out of this repository')
    assert isinstance(read_calibration(path, **options), kind)
