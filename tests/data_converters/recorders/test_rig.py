"""A rig's camera comes from any calibration file; what does not fit is named with the file and the entry."""

import pytest
import yaml

from data_converters import record
from data_converters.recorders.pose_track import RideError
from data_converters.recorders.rig import read_rig
from projects.OneOcc.core.formats.recording import Recording
from projects.OneOcc.core.geometry import camera_from_dict, read_calibration
from tests.data_converters.recorders.bags import RIG, BagMaker

CHAIN = {
    name: dict(
        camera_model='omni',
        intrinsics=[1.5, 60.0 + index, 60.0, 31.5, 15.5],
        distortion_model='radtan',
        distortion_coeffs=[0.0, 0.0, 0.0, 0.0],
        resolution=[64, 32],
    )
    for index, name in enumerate(('cam0', 'cam1'))
}


def rig_with(folder, **camera):
    entry = dict(topic='/image', body_from_cam=dict(xyz=[0, 0, 0]), **camera)
    (folder / 'chain.yaml').write_text(yaml.safe_dump(CHAIN))
    (folder / 'rig.yaml').write_text(yaml.safe_dump(dict(cameras=dict(raw=entry))))
    return read_rig(folder / 'rig.yaml')


def test_one_camera_of_several_is_chosen(tmp_path):
    rig = rig_with(tmp_path, calibration='chain.yaml', camera='cam1', max_angle=1.2)
    assert rig.camera('raw') == read_calibration(tmp_path / 'chain.yaml', 'cam1', max_angle=1.2).to_dict()
    assert camera_from_dict(rig.camera('raw')).focal_length[0] == 61


@pytest.mark.parametrize(
    'camera, words',
    [
        (dict(calibration='chain.yaml'), r"`camera` to name one of its cameras \['cam0', 'cam1'\], got none"),
        (dict(calibration='chain.yaml', camera='cam2'), "got 'cam2'"),
        (dict(calibration='chain.yaml', camera='cam0', size=[32, 16]), 'expected a calibration of 32x16 images'),
        (dict(calibration='chain.yaml', camera='cam0', size=32), r'size: expected \[width, height\], got 32'),
        (dict(calibration='none.yaml'), 'none.yaml: no such calibration file'),
        (dict(calibration='chain.yaml', model=dict(model='equirect', width=64, height=32)), 'got both'),
        (dict(model=dict(model='equirect', width=64, height=32), size=[64, 32]), 'beside `calibration: FILE` only'),
        (dict(model='equirect'), "expected the camera's parameters"),
        (dict(), 'got neither'),
    ],
)
def test_what_makes_no_camera_is_named(camera, words, tmp_path):
    rig = rig_with(tmp_path, **camera)
    with pytest.raises(RideError, match=f'rig.yaml: cameras: raw: .*{words}'):
        rig.camera('raw')


def test_a_bag_is_recorded_with_a_calibration_file(tmp_path):
    pytest.importorskip('rosbags', reason='the extra "data" is not installed')
    maker = BagMaker(1)
    maker.write(tmp_path / 'x.bag', maker.walk(1.0))
    (tmp_path / 'chain.yaml').write_text(yaml.safe_dump(CHAIN))
    model = 'model: {model: equirect, width: 64, height: 32}'
    (tmp_path / 'rig.yaml').write_text(RIG.replace(model, 'calibration: chain.yaml\n    camera: cam1'))
    ride = tmp_path / 'ride'
    words = ['from-bag', str(tmp_path / 'x.bag'), '--rig', str(tmp_path / 'rig.yaml'), '--out', str(ride), '--quiet']
    assert record.main(words) == 0
    camera = Recording.read(ride).cameras['equi']
    assert camera['focal_length'][0] == 61 and camera['model'] == 'unified'
