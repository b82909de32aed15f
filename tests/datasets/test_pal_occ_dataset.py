"""The sets: what they carry, what they filter, what they refuse."""

import json

import numpy as np
import pytest
from mmdet3d.registry import DATASETS
from mmengine.dataset import DefaultSampler, pseudo_collate
from torch.utils.data import DataLoader

from projects.OneOcc.core.formats.infos import read_infos
from projects.OneOcc.core.geometry import CartesianGrid, EquirectCamera, TaylorCamera
from projects.OneOcc.oneocc.datasets import Human360OccDataset, PALOccDataset, QuadOccDataset
from tests.tiny_dataset import write_tiny_dataset

PIPELINE = [dict(type='LoadPanorama'), dict(type='LoadOccupancy'), dict(type='PackOccInputs')]


def edit_infos(root, change, split='train'):
    path = root / f'infos_{split}.json'
    infos = json.loads(path.read_text())
    change(infos)
    path.write_text(json.dumps(infos))
    return path


@pytest.mark.parametrize('kind', ['quad', 'human'])
def test_tiny_set_follows_the_schema(tmp_path, kind):
    infos = read_infos(write_tiny_dataset(tmp_path, kind) / 'infos_train.json')
    assert len(infos['data_list']) == 3


def test_carries_metainfo_that_fits_into_a_checkpoint(quad_root):
    meta = QuadOccDataset('infos_train.json', str(quad_root)).metainfo
    assert meta['dataset'] == 'quadsim' and meta['split'] == 'train'
    assert len(meta['class_counts']) == 7 and len(meta['palette']) == len(meta['classes']) == 6
    assert meta['grid'] == {'shape': [16, 16, 4], 'voxel_size': 0.8, 'origin': [-6.4, -6.4, -1.2]}
    json.dumps(meta)


def test_one_frame_has_cameras_poses_paths_and_grid(quad_root):
    info = QuadOccDataset('infos_train.json', str(quad_root)).get_data_info(1)
    assert info['sample_id'] == 'seq00/000001' and info['lighting'] == 'dusk'
    assert isinstance(info['cameras']['raw'].camera, TaylorCamera)
    assert info['cameras']['raw'].cam_from_ego.dtype == np.float64
    assert info['grid'] == CartesianGrid((16, 16, 4), 0.8, (-6.4, -6.4, -1.2))
    assert info['num_classes'] == 6 and info['world_from_ego'].shape == (4, 4)
    assert info['img_paths']['raw'].startswith(str(quad_root))


def test_equirectangular_recordings_need_no_raw_view(human_root):
    dataset = Human360OccDataset('infos_cross_train.json', str(human_root), pipeline=PIPELINE)
    assert isinstance(dataset.get_data_info(0)['cameras']['equi'].camera, EquirectCamera)
    assert dataset[0]['inputs']['imgs']['equi'].shape == (3, 32, 64)


def test_builds_from_the_registry_with_classes_of_its_own(quad_root):
    dataset = DATASETS.build(
        dict(type='PALOccDataset', ann_file='infos_train.json', data_root=str(quad_root), pipeline=PIPELINE)
    )
    assert isinstance(dataset, PALOccDataset)
    assert dataset.metainfo['classes'][0] == 'vehicle'


@pytest.mark.parametrize(
    'kwargs, frames',
    [
        (dict(lighting='night'), ['000002', '000005']),
        (dict(lighting=['day', 'dusk']), ['000000', '000001', '000003', '000004']),
        (dict(stride=5), ['000000', '000005']),
        (dict(stride=2, lighting='day'), ['000000']),
        (dict(indices=2), ['000000', '000001']),
        (dict(indices=[5, 0]), ['000005', '000000']),
    ],
)
def test_subsets(tmp_path, kwargs, frames):
    root = write_tiny_dataset(tmp_path, frames=6, splits=('train',))
    dataset = QuadOccDataset('infos_train.json', str(root), **kwargs)
    assert [dataset.get_data_info(i)['frame'] for i in range(len(dataset))] == frames


def test_stride_counts_within_each_sequence(tmp_path):
    root = write_tiny_dataset(tmp_path, frames=4, splits=('train', 'val'))
    other = json.loads((root / 'infos_val.json').read_text())['data_list']
    edit_infos(root, lambda infos: infos['data_list'].extend(other))
    dataset = QuadOccDataset('infos_train.json', str(root), stride=3)
    ids = [dataset.get_data_info(i)['sample_id'] for i in range(len(dataset))]
    assert ids == ['seq00/000000', 'seq00/000003', 'seq01/000000', 'seq01/000003']


def test_one_of_several_grids_can_be_chosen(tmp_path):
    fine = {'shape': [32, 32, 8], 'voxel_size': 0.4, 'origin': [-6.4, -6.4, -1.2]}
    root = write_tiny_dataset(tmp_path, fine_grid=fine)
    default = QuadOccDataset('infos_train.json', str(root), pipeline=PIPELINE)
    chosen = QuadOccDataset('infos_train.json', str(root), pipeline=PIPELINE, grid='32x32x8')
    assert default[0]['data_samples'].gt_occ.shape == (16, 16, 4)
    assert chosen[0]['data_samples'].gt_occ.shape == (32, 32, 8)
    assert chosen.metainfo['grid'] == fine
    labels = [chosen[index]['data_samples'].gt_occ for index in range(3)]
    assert chosen.metainfo['class_counts'] == [
        sum(int((volume == label).sum()) for volume in labels) for label in range(7)
    ]
    with pytest.raises(ValueError, match=r"'8x8x8'.*16x16x4.*32x32x8"):
        QuadOccDataset('infos_train.json', str(root), grid='8x8x8')


def test_workers_load_what_the_main_process_loads(quad_root):
    dataset = QuadOccDataset('infos_train.json', str(quad_root), pipeline=PIPELINE)
    loader = DataLoader(
        dataset, batch_size=3, num_workers=1, collate_fn=pseudo_collate, sampler=DefaultSampler(dataset, shuffle=False)
    )
    (batch,) = loader
    for index, sample in enumerate(batch['data_samples']):
        assert sample.gt_occ.equal(dataset[index]['data_samples'].gt_occ)
        assert sample.cameras['raw'] == dataset[index]['data_samples'].cameras['raw']


@pytest.mark.parametrize(
    'folder, command',
    [
        ('quadsim-mini', 'create_data.py quadsim --mini --out {}/quadsim-mini --seed 0'),
        ('humansim', 'create_data.py humansim --out {}/humansim --seed 0'),
        ('quadocc', 'twin comes from: python data_converters/create_data.py quadsim --out {}/quadsim'),
        ('elsewhere', 'create_data.py makes the synthetic sets quadsim and humansim'),
    ],
)
def test_missing_set_names_the_variable_and_the_command(tmp_path, monkeypatch, folder, command):
    monkeypatch.setenv('ONEOCC_DATA', str(tmp_path))
    with pytest.raises(FileNotFoundError) as raised:
        PALOccDataset('infos_train.json', str(tmp_path / folder))
    for words in ('ONEOCC_DATA', str(tmp_path / folder / 'infos_train.json'), command.format(tmp_path)):
        assert words in str(raised.value)


@pytest.mark.parametrize(
    'change, words',
    [
        (lambda infos: infos['data_list'].clear(), 'empty split'),
        (lambda infos: infos.pop('data_list'), 'data_list'),
        (lambda infos: infos['metainfo'].update(version=9), 'version'),
        (
            lambda infos: infos['data_list'][1]['world_from_ego'][0].__setitem__(3, float('nan')),
            r'data_list\[1\].*world_from_ego.*finite.*nan',
        ),
        (lambda infos: infos['data_list'][2]['cameras']['raw'].pop('cam_from_ego'), 'cam_from_ego'),
        (lambda infos: infos['metainfo']['classes'].reverse(), r'classes.*vehicle.*terrain'),
    ],
)
def test_refuses_a_wrong_info_file(quad_root, change, words):
    path = edit_infos(quad_root, change)
    with pytest.raises(ValueError, match=words) as raised:
        QuadOccDataset('infos_train.json', str(quad_root))
    assert str(path) in str(raised.value)


def test_refuses_an_unreadable_info_file(quad_root):
    path = quad_root / 'infos_train.json'
    path.write_text(path.read_text()[:200])
    with pytest.raises(ValueError, match='infos_train.json.*JSON'):
        QuadOccDataset('infos_train.json', str(quad_root))


@pytest.mark.parametrize(
    'kwargs, words',
    [
        (dict(lighting='dawn'), r'dawn.*day.*dusk.*night'),
        (dict(weather=['rain']), r'rain.*clear'),
        (dict(indices=[]), 'no frame'),
        (dict(stride=0), 'positive integer.*0'),
        (dict(max_corrupt_share=2), r'\[0, 1\]'),
    ],
)
def test_refuses_an_empty_subset(quad_root, kwargs, words):
    with pytest.raises(ValueError, match=words):
        QuadOccDataset('infos_train.json', str(quad_root), **kwargs)


def test_a_calibration_that_no_model_accepts_names_frame_and_camera(quad_root):
    edit_infos(quad_root, lambda infos: infos['data_list'][0]['cameras']['raw'].update(coefficients=[1.0, 2.0]))
    dataset = QuadOccDataset('infos_train.json', str(quad_root), test_mode=True)
    with pytest.raises(ValueError, match='infos_train.json.*seq00/000000.*raw'):
        dataset.get_data_info(0)
