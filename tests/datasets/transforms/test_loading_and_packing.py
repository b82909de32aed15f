"""Loaders, PackOccInputs: keys, frames, dtypes."""

import tracemalloc

import numpy as np
import pytest
import torch

from projects.OneOcc.core.geometry import CartesianGrid
from projects.OneOcc.oneocc.datasets import (
    CorruptSampleError,
    LoadLiDARPoints,
    LoadOccupancy,
    LoadPanorama,
    PackOccInputs,
    QuadOccDataset,
    RandomMirror,
)
from projects.OneOcc.oneocc.structures import OccDataSample


@pytest.fixture
def info(quad_root):
    return QuadOccDataset('infos_train.json', str(quad_root)).get_data_info(0)


def test_loads_images_as_rgb(info, quad_root):
    from PIL import Image

    results = LoadPanorama(views=('raw',))(info)
    path = quad_root / 'recordings/seq00/raw/000000.png'
    np.testing.assert_array_equal(results['imgs']['raw'], np.asarray(Image.open(path)))


def test_unknown_view_and_sensor_are_named(info):
    with pytest.raises(KeyError, match=r"seq00/000000.*no camera \['top'\].*raw"):
        LoadPanorama(views=('raw', 'top'))(info)
    with pytest.raises(KeyError, match=r"no lidar 'top'.*lidar"):
        LoadLiDARPoints('top')(info)


def test_labels_are_read_on_the_grid_that_was_asked_for(info):
    grid = dict(shape=(16, 16, 4), voxel_size=0.8, origin=(-6.4, -6.4, -1.2))
    results = LoadOccupancy(grid)(info)
    assert results['gt_occ'].shape == (16, 16, 4) and results['gt_occ'].dtype == np.uint8
    assert results['grid'] == CartesianGrid(**grid)
    with pytest.raises(KeyError, match='8x8x4.*16x16x4'):
        LoadOccupancy(dict(grid, shape=(8, 8, 4)))(info)
    with pytest.raises(ValueError, match=r'1 m.*0\.8 m'):
        LoadOccupancy(dict(grid, voxel_size=1.0))(info)


def test_points_come_in_the_ego_frame(info):
    raw = np.load(info['lidars']['lidar']['path'])
    lidar_from_ego = info['lidars']['lidar']['lidar_from_ego']
    points = LoadLiDARPoints()(info)['points']
    assert points.dtype == np.float32 and points.shape == (200, 4)
    back = points[:, :3] @ lidar_from_ego[:3, :3].T + lidar_from_ego[:3, 3]
    np.testing.assert_allclose(back, raw['points'], atol=1e-5)
    np.testing.assert_array_equal(points[:, 3], raw['intensity'])


def test_points_can_be_filtered_by_label(info):
    raw = np.load(info['lidars']['lidar']['path'])
    results = LoadLiDARPoints(with_labels=True, with_dynamic=True, drop_labels=(1, 2))(dict(info))
    assert len(results['points']) == (raw['label'] > 2).sum() == len(results['point_dynamic'])
    assert results['point_labels'].min() == 3 and results['point_labels'].dtype == np.uint8
    kept = LoadLiDARPoints(keep_labels=(1,))(dict(info))
    assert len(kept['points']) == (raw['label'] == 1).sum()
    assert 'point_labels' not in kept


@pytest.mark.parametrize('loader', [LoadPanorama(), LoadOccupancy(), LoadLiDARPoints()])
def test_loaders_refuse_to_follow_a_change_of_the_ego_frame(info, loader):
    mirrored = RandomMirror(prob=1.0)(LoadPanorama()(info))
    with pytest.raises(ValueError, match=f'{type(loader).__name__}.*before the augmentations'):
        loader(mirrored)


def test_packs_tensors_and_metainfo(info):
    results = LoadLiDARPoints()(LoadOccupancy()(LoadPanorama()(info)))
    packed = PackOccInputs(keys=('imgs', 'points', 'gt_occ'))(results)
    assert packed['inputs']['imgs']['raw'].shape == (3, 32, 64)
    assert packed['inputs']['imgs']['raw'].dtype == torch.uint8
    assert packed['inputs']['points'].dtype == torch.float32
    sample = packed['data_samples']
    assert isinstance(sample, OccDataSample)
    assert sample.gt_occ.dtype == torch.uint8 and sample.num_classes == 6
    assert sample.cameras['raw'].cam_from_ego.dtype == np.float64
    assert (sample.lighting, sample.sample_id) == ('day', 'seq00/000000')


def test_packs_no_labels_when_none_are_wanted(info):
    packed = PackOccInputs(keys=('imgs',))(LoadPanorama()(info))
    assert 'gt_occ' not in packed['data_samples']


def test_raises_on_what_it_cannot_find_or_pack(info):
    loaded = LoadPanorama()(info)
    with pytest.raises(KeyError, match=r"\['gt_occ'\]"):
        PackOccInputs(keys=('imgs', 'gt_occ'))(loaded)
    with pytest.raises(KeyError, match=r"\['wind'\]"):
        PackOccInputs(keys=('imgs',), meta_keys=('sample_id', 'wind'))(loaded)
    with pytest.raises(TypeError, match='lighting.*meta_keys'):
        PackOccInputs(keys=('lighting',), meta_keys=())(loaded)
    with pytest.raises(ValueError, match="'depth'.* in both"):
        PackOccInputs(keys=('depth',), meta_keys=('depth',))


def rewrite_sweep(info, **changes):
    path = info['lidars']['lidar']['path']
    scan = dict(np.load(path))
    np.savez(path, **{key: changes[key](array) if key in changes else array for key, array in scan.items()})


def test_a_sweep_without_intensity_keeps_its_points(info):
    rewrite_sweep(info, intensity=lambda values: np.full_like(values, np.nan))
    points = LoadLiDARPoints()(info)['points']
    assert points.shape == (200, 4) and not points[:, 3].any()


def test_padding_points_are_dropped_with_their_labels_and_counted(info):
    rewrite_sweep(info, points=lambda points: np.where(np.arange(200)[:, None] < 30, 0, points))
    results = LoadLiDARPoints(with_labels=True, with_dynamic=True, drop_labels=(1,))(info)
    assert results['num_padding'] == 30
    assert len(results['points']) == len(results['point_labels']) == len(results['point_dynamic']) <= 170


def test_intensity_of_another_scale_is_stated_or_refused(info):
    expected = LoadLiDARPoints()(dict(info))['points'][:, 3]
    rewrite_sweep(info, intensity=lambda values: values * 255)
    with pytest.raises(CorruptSampleError, match=r'000000\.npz: intensity: expected values in \[0, 1\]'):
        LoadLiDARPoints()(dict(info))
    info['lidars']['lidar']['intensity_max'] = 255
    np.testing.assert_allclose(LoadLiDARPoints()(info)['points'][:, 3], expected, atol=1e-6)


def test_labels_of_another_size_take_no_memory(info):
    path = info['occupancy_paths']['16x16x4']
    scan = dict(np.load(path))
    np.savez_compressed(path, **dict(scan, labels=np.zeros((512, 512, 64), np.uint8)))
    tracemalloc.start()
    with pytest.raises(CorruptSampleError, match=r'\(16, 16, 4\), got \(512, 512, 64\)'):
        LoadOccupancy()(info)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20
