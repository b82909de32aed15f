"""QuadOcc and Human360Occ: written in their layouts, read back to the same labels, points and pictures."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from data_converters import create_data
from data_converters.importers.cube_depth import face_depth_to_range, pixel_rays, range_to_face_depth
from data_converters.importers.grid_readings import ReadingError, arrange, axis_readings, decide, stored_as
from data_converters.importers.human360occ import GRIDS, Human360OccImporter
from data_converters.importers.importer import ImportFailedError, import_set
from data_converters.importers.quadocc import GRID, GRID_FROM_LIDAR, QuadOccImporter
from projects.OneOcc.core.formats.infos import read_infos
from projects.OneOcc.core.formats.lidar_scan import read_sweep
from projects.OneOcc.core.formats.occupancy import load_occupancy
from tests.data_converters.importers.official_twins import (
    H3O_LABELS,
    QUADOCC_LABELS,
    Eye,
    as_human360occ,
    as_quadocc,
    eyes,
)

TRAIN, VAL = '2024-06-20-20-49-54', '2024-06-20-21-08-40'


@pytest.fixture(scope='module')
def quad(tmp_path_factory):
    return as_quadocc(tmp_path_factory.mktemp('q') / 'raw', [TRAIN, VAL], 2, axes=('-y', 'x', 'z'), turn_deg=90)


@pytest.fixture(scope='module')
def human(tmp_path_factory):
    return as_human360occ(tmp_path_factory.mktemp('h') / 'raw', ['a', 'b'], 2, axes=('y', '-x', 'z'))


def run(*words):
    return create_data.main([*map(str, words), '--workers', '1', '--quiet'])


def test_quadocc_is_read_back(quad, tmp_path, capsys):
    assert run('quadocc', '--root', quad, '--out', tmp_path / 'set') == 0
    said = capsys.readouterr().out
    assert 'axes of the label grid: -y x z (-y x z: ' in said and 'frame of the label grid: camera' in said
    assert 'turn of the picture about the lens axis: 90 degrees' in said
    for split, number, name, lighting in [('train', 0, TRAIN, 'day'), ('val', 1, VAL, 'dusk')]:
        infos = read_infos(tmp_path / f'set/infos_{split}.json')
        assert [e['sample_id'] for e in infos['data_list']] == [f'{name}/{i:06d}' for i in range(2)]
        assert {e['lighting'] for e in infos['data_list']} == {lighting} and len(infos['metainfo']['evidence']) == 3
        for entry, eye in zip(infos['data_list'], eyes(number, 2)):
            found = load_occupancy(tmp_path / 'set' / entry['occupancy']['64x64x8'], GRID, infos['metainfo']['classes'])
            assert (found.labels == QUADOCC_LABELS[eye.labels(GRID)]).all() and not found.unobserved.any()
            sweep, padding = read_sweep(tmp_path / 'set' / entry['lidars']['lidar']['path'])
            ego = sweep['points'] @ np.linalg.inv(entry['lidars']['lidar']['lidar_from_ego'])[:3, :3].T
            ego += np.linalg.inv(entry['lidars']['lidar']['lidar_from_ego'])[:3, 3]
            assert padding == 0 and np.abs(ego - eye.sweep()).max() < 1e-4
            assert sweep['intensity'].max() == pytest.approx(0.2)
            assert (tmp_path / 'set' / entry['cameras']['raw']['image']).is_file()
            turned = [[-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]  # the top of the picture faces left
            np.testing.assert_allclose(entry['cameras']['raw']['cam_from_ego'], turned, atol=1e-9)
    summary = json.loads((tmp_path / f'set/sequences/{TRAIN}.json').read_text())
    assert summary['dropped']['padding'] == 2 * 7


def test_human360occ_is_read_back(human, tmp_path, capsys):
    assert run('human360occ', '--root', human, '--out', tmp_path / 'set', '--sweeps') == 0
    assert 'label grid: axes y -x z, depth as face' in capsys.readouterr().out
    for split in ('within_train', 'within_val', 'cross_train', 'cross_val'):
        infos = read_infos(tmp_path / f'set/infos_{split}.json')
        number = 0 if split.endswith('train') else 1
        for entry, eye in zip(infos['data_list'], eyes(number, 2)):
            for key, grid in (('64x64x8', GRIDS['occupancy_gt']), ('128x128x16', GRIDS['occupancy_gt_128x128x16'])):
                found = load_occupancy(tmp_path / 'set' / entry['occupancy'][key], grid)
                assert (found.labels == H3O_LABELS[Eye(eye.x, eye.y, 1.55).labels(grid)]).all()
            assert entry['cameras']['equi']['model'] == 'equirect' and 'depth' in entry['lidars']


def test_an_import_is_continued_and_no_other_one(human, tmp_path, monkeypatch):
    importer = Human360OccImporter(human)
    out = tmp_path / 'set'
    calls = []
    real = Human360OccImporter.frame

    def frame(self, sequence, name, folder):
        if sequence == 'b' and not calls:
            calls.append(name)
            raise OSError('the disk is full')
        return real(self, sequence, name, folder)

    monkeypatch.setattr(Human360OccImporter, 'frame', frame)
    with pytest.raises(ValueError, match='b: the disk is full'):
        import_set(importer, out, quiet=True)
    assert not list(out.glob('infos_*.json')) and [p.stem for p in (out / 'sequences').iterdir()] == ['a']
    before = (out / 'sequences/a.json').stat().st_mtime_ns
    assert import_set(importer, out, quiet=True)['splits']
    assert (out / 'sequences/a.json').stat().st_mtime_ns == before
    with pytest.raises(ValueError, match='other settings: sweeps is false there and true now'):
        import_set(Human360OccImporter(human, sweeps=True), out, quiet=True)


def test_depth_of_cube_faces():
    rays = pixel_rays(64, 32)
    distance = np.random.default_rng(0).uniform(1, 20, rays.shape[:2])
    depth = range_to_face_depth(distance, rays)
    np.testing.assert_allclose(face_depth_to_range(depth, rays), distance)
    forward = rays[16, 32]
    assert depth[16, 32] == pytest.approx(distance[16, 32] * forward[0])


def test_depth_that_is_range_is_found(tmp_path):
    root = as_human360occ(tmp_path / 'raw', ['a', 'b'], frames=2, face=False)
    importer = Human360OccImporter(root)
    assert importer.depth == 'range' and importer.axes == ('x', 'y', 'z')


def test_axes():
    grid = GRIDS['occupancy_gt']
    assert len(axis_readings((64, 64, 8), grid)) == 16 and len(axis_readings((64, 8, 64), grid)) == 16
    labels = np.random.default_rng(0).integers(0, 9, grid.shape)
    for axes in axis_readings((64, 8, 64), grid):
        stored = stored_as(labels, axes)
        assert stored.shape == (64, 8, 64) and (arrange(stored, axes) == labels).all()
    with pytest.raises(ReadingError, match=r'expected labels on \(64, 64, 8\) voxels.*got \(64, 64, 9\)'):
        axis_readings((64, 64, 9), grid)
    with pytest.raises(ReadingError, match=r'at least 50 % .*got a: 40.0 %, b: 10.0 %'):
        decide('what', dict(a=0.4, b=0.1))
    with pytest.raises(ReadingError, match=r'better than all others by 3 %, got a: 90.0 %, b: 89.0 %'):
        decide('what', dict(a=0.9, b=0.89))


@pytest.fixture
def broken(quad, tmp_path):
    return shutil.copytree(quad, tmp_path / 'broken')


def other_size(folder):
    Image.new('RGB', (64, 64)).save(folder / f'sequences/{TRAIN}/images_raw/000000.jpg')


@pytest.mark.parametrize(
    'damage, message',
    [
        (lambda f: shutil.rmtree(f / 'sequences'), 'expected a folder sequences, got none'),
        (lambda f: (f / 'PAL_intrinsic_calib_results.txt').unlink(), 'expected the calibration of the lens'),
        (lambda f: shutil.rmtree(f / f'sequences/{TRAIN}/lidar'), 'expected a folder with sweeps, got none'),
        (lambda f: (f / f'sequences/{TRAIN}/images_raw/000001.jpg').unlink(), "got none for ['000001']"),
        (lambda f: (f / 'sequences/other').mkdir(), "got ['other']"),
        (lambda f: np.save(f / f'sequences/{TRAIN}/new_finally_label/000000.npy', np.zeros((64, 9))), 'of one shape'),
        (
            lambda f: (f / f'sequences/{TRAIN}/new_finally_label/000000.npy').write_bytes(b'x'),
            'an array file of numbers',
        ),
        (
            lambda f: np.save(
                f / f'sequences/{TRAIN}/new_finally_label/000000.npy', np.full((64, 64, 8), 77, np.uint8)
            ),
            'expected ids among [0, 1',
        ),
        (lambda f: (f / f'sequences/{TRAIN}/lidar/000000.pcd').write_bytes(b'VERSION'), '000000.pcd: expected a'),
        (other_size, 'of 320x240'),
    ],
)
def test_a_damaged_set_is_one_sentence_and_no_infos(broken, damage, message, tmp_path, capsys):
    damage(broken)
    assert run('quadocc', '--root', broken, '--out', tmp_path / 'set') == 2
    said = capsys.readouterr().err
    assert message in said and said.count('\n') == 1
    assert not list((tmp_path / 'set').glob('infos_*')) if (tmp_path / 'set').exists() else True


def test_labels_of_another_world_are_refused_with_numbers(quad, tmp_path):
    shutil.copytree(quad, tmp_path / 'raw')
    for path in sorted((tmp_path / 'raw').rglob('new_finally_label/*.npy')):
        random = np.where(np.random.default_rng(0).uniform(size=(64, 64, 8)) < 0.1, 5, 255).astype(np.uint8)
        np.save(path, random)
    with pytest.raises(ReadingError, match=r'at least 50 % of the measured points.*got .*: \d+\.\d %'):
        QuadOccImporter(tmp_path / 'raw')
    with pytest.raises(ReadingError, match='at least 50 %'):
        QuadOccImporter(tmp_path / 'raw', axes=('x', 'y', 'z'), grid_frame='camera')
    with pytest.raises(ImportFailedError, match="--grid-frame: expected one of .*got 'moon'"):
        QuadOccImporter(quad, grid_frame='moon')
    assert set(GRID_FROM_LIDAR) == {'camera', 'level-lidar', 'lidar'}
    assert run('human360occ', '--root', tmp_path / 'none', '--out', tmp_path / 'set') == 2
