"""KITTI-360, SemanticKITTI and TartanGround: written in their layouts, read back, and refused in one sentence."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_converters import create_data
from data_converters.importers.kitti360 import Kitti360Importer
from data_converters.importers.semantickitti import SemanticKittiImporter, unpack_bits
from data_converters.importers.tartanground import TartanGroundTrajectory, read_depth, read_poses, write_depth
from data_converters.importers.voxel_pyramid import halved
from projects.OneOcc.core.formats.infos import read_infos
from projects.OneOcc.core.formats.occupancy import load_occupancy
from projects.OneOcc.core.geometry import EquirectCamera
from tests.data_converters.importers.box_world import Eye
from tests.data_converters.importers.public_twins import (
    DRIVE,
    FINE,
    FRAMES_WITH_POSE,
    LEFT,
    SEMANTIC_LABELS,
    SSC_LABELS,
    as_kitti360,
    as_semantickitti,
    as_tartanground,
    car,
)

REAL = Path(os.environ.get('ONEOCC_REALDATA', '../shared')) / 'realdata2/08_semantickitti_seq08'


def run(*words):
    return create_data.main([*map(str, words), '--workers', '1', '--quiet'])


@pytest.fixture(scope='module')
def kitti(tmp_path_factory):
    return as_kitti360(tmp_path_factory.mktemp('kitti360') / 'raw')


@pytest.fixture(scope='module')
def semantic(tmp_path_factory):
    return as_semantickitti(tmp_path_factory.mktemp('semantickitti') / 'raw')


def test_kitti360_makes_panoramas_of_its_fisheyes(kitti, tmp_path, capsys):
    assert run('kitti360', '--root', kitti, '--out', tmp_path / 'set', '--width', '128') == 0
    assert 'voxels: numbers are pose-rows, z origin -2.2' in capsys.readouterr().out
    infos = read_infos(tmp_path / 'set/infos_train.json')
    for entry, number in zip(infos['data_list'], FRAMES_WITH_POSE):
        found = load_occupancy(tmp_path / 'set' / entry['occupancy']['256x256x32'], FINE)
        expected = SSC_LABELS[car(number).labels(FINE)]
        expected[:, :, -1] = 255
        assert (found.labels == expected).all() and found.unobserved[:, :, -1].all()
        assert entry['time'] == pytest.approx(0.1 * number) and 'lidar' in entry['lidars']
        camera = entry['cameras']['equi']
        panorama = np.asarray(Image.open(tmp_path / 'set' / camera['image'])).astype(int)
        seen = car(number).picture(EquirectCamera(128, 64), np.eye(4)).astype(int)
        assert panorama.shape == seen.shape and np.abs(panorama - seen).mean() < 12


def test_one_side_of_kitti360_stays_a_fisheye(kitti):
    importer = Kitti360Importer(kitti, view='left')
    frame = importer.frame(DRIVE, '000001', kitti)
    camera, pose, image = frame.cameras['raw']
    assert camera.to_dict()['model'] == 'unified' and np.allclose(pose, LEFT)
    assert image == f'source/data_2d_raw/{DRIVE}/image_02/data_rgb/0000000004.png'


def test_semantickitti_is_read_back(semantic, tmp_path, capsys):
    assert run('semantickitti', '--root', semantic, '--out', tmp_path / 'set') == 0
    assert 'z origin of the voxels in metres: -2.2' in capsys.readouterr().out
    for split, name, shift in (('train', '00', 0), ('val', '08', 1)):
        infos = read_infos(tmp_path / f'set/infos_{split}.json')
        for index, entry in enumerate(infos['data_list']):
            found = load_occupancy(tmp_path / 'set' / entry['occupancy']['256x256x32'], FINE)
            expected = SEMANTIC_LABELS[car(2 * index + shift).labels(FINE)]
            unseen = (expected == 0) & (np.arange(32) == 31)
            assert (found.labels == np.where(unseen, 255, expected)).all() and (found.unobserved == unseen).all()
            assert entry['sequence'] == name and entry['cameras']['front']['model'] == 'pinhole'
            assert entry['world_from_ego'][0][3] == pytest.approx(1.7 * index)  # KITTI's z is forward, ours is x


def test_real_voxels_begin_at_minus_2_2(tmp_path):
    if not REAL.is_dir():
        pytest.skip(f'{REAL} is not there; its licence keeps it out of this repository')
    shutil.copytree(REAL, tmp_path / 'sequences/08')
    importer = SemanticKittiImporter(tmp_path, geometry=True)
    assert importer.z_origin == -2.2 and importer.evidence[-1].startswith(f'{tmp_path}: z origin of the voxels')
    frame = importer.frame('08', '000000', tmp_path)
    occupied = unpack_bits(REAL / 'voxels/000000.bin')
    assert ((frame.labels[importer.grids[0]] == 1) == occupied).all()


def test_tartanground_ends_in_labels(tmp_path, capsys):
    raw = as_tartanground(tmp_path / 'raw')
    trajectory = TartanGroundTrajectory(raw / 'OldTown/Data_anymal/P0000', width=96)
    assert trajectory.turns == {'top': 1, 'bottom': 0}
    image, distance, labels = trajectory.panoramas('000001')
    eye = Eye(-0.5, 0.0, 0.9)
    seen = eye.picture(EquirectCamera(96, 48), np.eye(4)).astype(int)
    assert np.abs(image.astype(int) - seen).mean() < 12
    exact = eye.depth(96, 48)
    both = np.isfinite(exact) & np.isfinite(distance)
    assert np.median(np.abs(distance - exact)[both] / exact[both]) < 0.05 and (labels == np.isfinite(distance)).all()
    table = dict(classes=['road', 'building'], ids={'0': 'sky', '10': 'road', '20': 'building', '30': 'unlabelled'})
    (tmp_path / 'classes.json').write_text(json.dumps(table))
    words = ('--classes', tmp_path / 'classes.json', '--width', '96', '--out', tmp_path / 'set')
    assert run('tartanground', '--root', raw, *words) == 0
    infos = read_infos(tmp_path / 'set/infos_train.json')
    assert infos['metainfo']['classes'] == ['road', 'building'] and infos['metainfo']['class_counts'][1] > 100
    assert run('tartanground', '--root', raw, *words) == 0  # everything stands there already


def test_depth_and_poses_of_tartanground(tmp_path):
    depth = np.random.default_rng(0).uniform(0.1, 1e4, (6, 7)).astype(np.float32)
    write_depth(tmp_path / 'd.png', depth)
    assert (read_depth(tmp_path / 'd.png') == depth).all()
    (tmp_path / 'poses.txt').write_text('1 2 -3 0 0 0.7071067811865476 0.7071067811865476\n')
    pose = read_poses(tmp_path / 'poses.txt')[0]
    np.testing.assert_allclose(pose[:3, 3], (1, -2, 3))
    np.testing.assert_allclose(pose[:3, 0], (0, -1, 0), atol=1e-12)  # a quarter turn to the right in north east down


def test_halved_voxels():
    labels = np.zeros((4, 2, 2), np.uint8)
    labels[0, 0] = 3, 5
    labels[1] = 5
    labels[2:] = 255
    labels[2, 0, 0] = 0
    found, unobserved = halved(labels, labels == 255)
    assert found.ravel().tolist() == [5, 0] and not unobserved.any()
    found, unobserved = halved(np.full((2, 2, 2), 255, np.uint8), np.ones((2, 2, 2), bool))
    assert found.item() == 255 and unobserved.all()
    with pytest.raises(ValueError, match='even number'):
        halved(np.zeros((3, 2, 2), np.uint8), np.zeros((3, 2, 2), bool))


@pytest.mark.parametrize(
    'name, damage, message',
    [
        ('kitti360', lambda f: shutil.rmtree(f / 'preprocess'), "expected the folder of SSCBench's voxels"),
        ('kitti360', lambda f: (f / 'calibration/image_03.yaml').unlink(), 'no such calibration file'),
        ('kitti360', lambda f: (f / 'calibration/calib_cam_to_velo.txt').write_text('1 2'), 'the 12 numbers of a pose'),
        ('kitti360', lambda f: shutil.rmtree(f / 'data_3d_raw'), '--numbering frame or pose-row'),
        ('kitti360', lambda f: shutil.rmtree(f / 'data_2d_raw'), 'expected frames in every sequence, got none'),
        ('semantickitti', lambda f: shutil.rmtree(f / 'dataset'), 'expected a folder sequences'),
        (
            'semantickitti',
            lambda f: (f / 'dataset/sequences/00/calib.txt').unlink(),
            'expected the calibration, got none',
        ),
        (
            'semantickitti',
            lambda f: (f / 'dataset/sequences/00/voxels/000000.label').write_bytes(b'ab'),
            'expected 2097152 ids of 2 bytes, got 1',
        ),
        (
            'semantickitti',
            lambda f: [p.write_bytes(bytes(262144)) for p in f.rglob('voxels/*.bin')],
            'at least 50 % of the measured points',
        ),
        ('tartanground', lambda f: shutil.rmtree(f / 'OldTown'), 'expected trajectories'),
        (
            'tartanground',
            lambda f: shutil.rmtree(f / 'OldTown/Data_anymal/P0001/depth_lcam_left'),
            'expected six cameras, got no folder depth_lcam_left',
        ),
    ],
)
def test_damaged_sets_are_one_sentence(name, damage, message, kitti, semantic, tmp_path, capsys):
    if name == 'tartanground':
        root = as_tartanground(tmp_path / 'raw', frames=1)
    else:
        root = shutil.copytree(dict(kitti360=kitti, semantickitti=semantic)[name], tmp_path / 'raw')
    damage(root)
    assert run(name, '--root', root, '--out', tmp_path / 'set') == 2
    said = capsys.readouterr().err.strip()
    assert message in said and len(said.splitlines()) == 1
    assert not list(tmp_path.glob('set/infos_*'))
