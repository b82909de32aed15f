"""Depth and past frames through the dataset, as a model gets them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from projects.OneOcc.core.formats.depth_maps import DepthScale, write_depth_map, write_scale
from projects.OneOcc.core.geometry.depth_points import depth_points
from projects.OneOcc.core.geometry.visibility import visible_voxels
from projects.OneOcc.oneocc.datasets import Human360OccDataset, QuadOccDataset
from projects.OneOcc.oneocc.datasets.errors import CorruptSampleError
from projects.OneOcc.oneocc.datasets.transforms import DegradeDepth, LoadDepth, LoadPreviousFrames
from projects.OneOcc.oneocc.datasets.views import loading_steps
from projects.OneOcc.oneocc.structures import is_past_view, past_view
from tests.tiny_dataset import write_tiny_dataset

EQUI = dict(height=32, width=64, unwrap_from='raw')
KEYS = ('imgs', 'depth', 'points', 'gt_occ')


def quad(root, keys=('imgs', 'gt_occ'), turns=(), **settings) -> QuadOccDataset:
    views = settings.pop('views', dict(raw=dict(keep=False), equi=EQUI))
    pipeline = [*turns, dict(type='PackOccInputs', keys=keys)]
    return QuadOccDataset('infos_train.json', str(root), views=views, pipeline=pipeline, test_mode=True, **settings)


def human(root, keys=('imgs', 'depth', 'gt_occ'), **settings) -> Human360OccDataset:
    pipeline = [dict(type='PackOccInputs', keys=keys)]
    return Human360OccDataset(
        'infos_cross_train.json', str(root), views=dict(equi={}), pipeline=pipeline, test_mode=True, **settings
    )


@pytest.fixture
def ride(tmp_path):
    return write_tiny_dataset(tmp_path / 'quadsim-mini', splits=('train',), frames=4)


def test_depth_from_points_is_the_range_of_the_nearest(ride):
    sample = quad(ride, KEYS, points={}, depth=dict(source='points'))[1]
    depth, points = sample['inputs']['depth']['equi'], sample['inputs']['points']
    view = sample['data_samples'].cameras['equi']
    pixels, valid = view.project(points[:, :3])
    assert depth.shape == (32, 64) and depth.dtype == torch.float32 and valid.sum() > 50
    centre = torch.from_numpy(np.linalg.inv(view.cam_from_ego)[:3, 3]).float()
    ranges = (points[:, :3] - centre).norm(dim=1)[valid]
    column, row = pixels[valid].floor().long().unbind(1)
    assert (depth[row, column] <= ranges + 1e-4).all()
    assert torch.isin(depth[depth > 0].round(decimals=3), ranges.round(decimals=3)).float().mean() > 0.95


def test_predicted_depth_of_another_size_and_with_a_stated_scale(ride, tmp_path):
    truth = np.linspace(1, 9, 16 * 32).reshape(16, 32)
    """And none where the lens sees nothing, which is black."""
    dataset = quad(ride, ('imgs', 'depth'), depth=dict(folder=str(tmp_path / 'nets'), unit_m=2.0))
    for sample in dataset.load_data_list():
        path = tmp_path / f'nets/{sample["sample_id"]}.npy'
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, truth.astype(np.float16) / 2)
    inputs = dataset[0]['inputs']
    depth, seen = inputs['depth']['equi'], inputs['imgs']['equi'].bool().any(0)
    assert 0.3 < seen.float().mean() < 0.7 and torch.equal(depth > 0, seen)
    np.testing.assert_allclose(depth[seen].numpy(), truth.repeat(2, 0).repeat(2, 1)[seen.numpy()], rtol=2e-3)


def test_a_folder_states_its_scale_or_is_refused(ride):
    folder = ride / 'nets'  # below the data root
    settings = dict(keys=('imgs', 'depth'), depth=dict(folder='nets'))
    for frame in range(4):
        write_depth_map(folder / f'seq00/{frame:06d}.png', np.full((32, 64), 4.0), unit_m=0.01)
    with pytest.raises(ValueError, match='as unit_m of LoadDepth or in depth.json there, got neither'):
        quad(ride, **settings)[0]
    write_scale(folder, DepthScale(0.01))
    depth = quad(ride, **settings)[0]['inputs']['depth']['equi']
    assert (depth[depth > 0] - 4).abs().max() < 0.006
    (folder / 'seq00/000002.png').write_bytes(b'damaged')
    with pytest.raises(CorruptSampleError, match='000002.png'):
        quad(ride, **settings)[2]
    (folder / 'seq00/000002.png').unlink()
    with pytest.raises(CorruptSampleError, match='000002'):
        quad(ride, **settings)[2]


@pytest.fixture
def with_truth(tmp_path):
    """Human frames that declare their true depth, twice as large as the images that are used."""
    root = write_tiny_dataset(tmp_path / 'humansim-mini', 'human', splits=('cross_train',))
    path = root / 'infos_cross_train.json'
    infos = json.loads(path.read_text())
    for number, entry in enumerate(infos['data_list']):
        file = f'recordings/depth/{entry["frame"]}.png'
        depth = np.full((64, 128), 3.0 + number)
        depth[:16] = np.inf
        write_depth_map(root / file, depth)
        entry['depth'] = dict(equi=dict(path=file, unit_m=0.002, kind='range'))
    path.write_text(json.dumps(infos))
    return root


def test_true_depth_and_what_becomes_of_it(with_truth):
    depth = human(with_truth, depth=dict(source='truth'))[1]['inputs']['depth']['equi']
    assert depth.shape == (32, 64) and not depth[:8].any() and (depth[8:] == 4).all()
    worse = human(with_truth, depth=dict(source='truth', degrade=dict(relative_error=0.2)))
    first, again, other = (worse[i]['inputs']['depth']['equi'] for i in (1, 1, 2))
    assert torch.equal(first, again) and not first[:6].any() and not torch.allclose(first[8:], depth[8:], atol=0.05)
    assert not torch.allclose(first[8:] / 4, other[8:] / 5, atol=1e-2)
    settings = dict(source='truth', as_points=True, max_range=5.5)
    sample = human(with_truth, ('points', 'depth'), depth=settings)[2]
    expected = depth_points(sample['inputs']['depth']['equi'], sample['data_samples'].cameras['equi'])
    assert torch.equal(sample['inputs']['points'][:, :3], expected) and len(expected) == 24 * 64
    none = human(with_truth, ('points', 'depth'), depth=dict(settings, max_range=2.0))[2]
    assert none['inputs']['points'].shape == (0, 4)


def test_a_set_without_true_depth_says_so(ride):
    with pytest.raises(KeyError, match="declares no true depth of the view 'equi'"):
        quad(ride, ('depth',), depth=dict(source='truth'))[0]


@pytest.mark.parametrize(
    'settings, words',
    [
        (dict(source='stereo'), 'source: expected one of'),
        (dict(), "expected one with source='predicted' alone, got None"),
        (dict(source='truth', folder='x'), "got 'x' with 'truth'"),
        (dict(source='points', unit_m=1.0), "belong to source='predicted'"),
        (dict(folder='x', unit_m=-1.0), 'unit_m: expected metres above 0'),
        (dict(source='truth', max_range=0), 'max_range'),
    ],
)
def test_wrong_settings_of_depth_are_named(settings, words):
    with pytest.raises(ValueError, match=words):
        LoadDepth(**settings)
    with pytest.raises(TypeError, match='expected settings of degrade_depth'):
        DegradeDepth(noise=3)


def test_depth_needs_its_view_and_its_points(ride):
    with pytest.raises(KeyError, match="no view 'equi' to have depth"):
        LoadDepth('truth')(dict(cameras={}, sample_id='a'))
    with pytest.raises(KeyError, match='needs LoadLiDARPoints'):
        quad(ride, ('depth',), depth=dict(source='points'))[0]
    with pytest.raises(KeyError, match='LoadDepth belongs before'):
        DegradeDepth()(dict(sample_id='a'))


def test_names_of_past_views():
    assert past_view('equi', 3) == 'equi_past3' and is_past_view('equi_past3')
    assert not any(is_past_view(name) for name in ('equi', 'equi_past0', 'past1', 'equi_past'))
    with pytest.raises(ValueError, match='1 or more'):
        past_view('equi', 0)


def test_a_past_view_is_the_image_of_then_seen_from_now(ride):
    dataset = quad(ride, previous=dict(offsets=(-1, -3)))
    frames = [dataset[i] for i in range(4)]
    now = frames[3]
    for name, index in (('equi_past1', 2), ('equi_past2', 0)):
        then = frames[index]
        assert torch.equal(now['inputs']['imgs'][name], then['inputs']['imgs']['equi'])
        # a point that stands still falls onto the pixel of then
        world_from_now, world_from_then = (pose_of(dataset, i) for i in (3, index))
        point = torch.tensor([[3.0, 1.0, 0.2]], dtype=torch.float64)
        world = torch.from_numpy(world_from_now[:3, :3]) @ point[0] + torch.from_numpy(world_from_now[:3, 3])
        before = (torch.from_numpy(np.linalg.inv(world_from_then)) @ torch.cat([world, torch.ones(1)]))[:3]
        pixel, _ = now['data_samples'].cameras[name].project(point)
        expected, _ = then['data_samples'].cameras['equi'].project(before[None])
        torch.testing.assert_close(pixel, expected)
    assert set(now['inputs']['imgs']) == {'equi', 'equi_past1', 'equi_past2'}


def pose_of(dataset, index: int) -> np.ndarray:
    return dataset.get_data_info(index)['world_from_ego']


def test_no_motion_where_a_sequence_starts(ride):
    first = quad(ride, previous=dict(offsets=(-1, -2)))[0]
    cameras, images = first['data_samples'].cameras, first['inputs']['imgs']
    for name in ('equi_past1', 'equi_past2'):
        assert cameras[name] == cameras['equi'] and torch.equal(images[name], images['equi'])


def test_strides_and_filters_leave_out_no_past_frame(ride):
    whole = quad(ride, previous=dict(offsets=(-1,)))
    kept = quad(ride, previous=dict(offsets=(-1,)), stride=3)
    assert len(kept) == 2 and torch.equal(kept[1]['inputs']['imgs']['equi_past1'], whole[2]['inputs']['imgs']['equi'])
    day = quad(ride, previous=dict(offsets=(-1,)), lighting='dusk')
    assert torch.equal(day[0]['inputs']['imgs']['equi_past1'], whole[0]['inputs']['imgs']['equi'])


def test_sequences_do_not_mix(tmp_path):
    root = write_tiny_dataset(tmp_path / 'quadsim-mini', splits=('train', 'val'), frames=2)
    infos = [json.loads((root / f'infos_{split}.json').read_text()) for split in ('train', 'val')]
    infos[0]['data_list'] = [e for pair in zip(*(i['data_list'] for i in infos)) for e in reversed(pair)]
    (root / 'infos_train.json').write_text(json.dumps(infos[0]))
    dataset = quad(root, previous=dict(offsets=(-1,)))
    for i in range(4):
        info = dataset.get_data_info(i)
        (past,) = info['previous_frames']
        assert past['sequence'] == info['sequence'] and past['frame'] == '000000'


def test_points_and_depth_of_past_frames_lie_in_the_current_frame(ride):
    settings = dict(points={}, depth=dict(source='points'))
    dataset = quad(ride, KEYS, **settings, previous=dict(offsets=(-2, -1), points=True, depth=True))
    now, then = dataset[3], quad(ride, KEYS, **settings)[1]
    own = quad(ride, KEYS, **settings)[3]['inputs']['points']
    points = now['inputs']['points']
    assert len(points) == 600 and torch.equal(points[:200], own)
    # the tiny ride does not turn
    shift = torch.tensor(pose_of(dataset, 3)[:3, 3] - pose_of(dataset, 1)[:3, 3]).float()
    torch.testing.assert_close(points[200:400, :3] + shift, then['inputs']['points'][:, :3], atol=1e-5, rtol=0)
    torch.testing.assert_close(points[200:400, 3], then['inputs']['points'][:, 3])
    depth = now['inputs']['depth']['equi_past1']
    assert torch.equal(depth, then['inputs']['depth']['equi'])
    seen = depth_points(depth, now['data_samples'].cameras['equi_past1'])
    before = depth_points(depth, then['data_samples'].cameras['equi'])
    torch.testing.assert_close(seen + shift, before, atol=1e-5, rtol=0)


def test_augmentations_move_all_views_alike(ride):
    """A voxel lands on the same colours before and after a mirror and a turn."""
    turns = [dict(type='RandomMirror', prob=1.0), dict(type='RandomAzimuthRoll', labels=True)]
    settings = dict(keys=KEYS, points={}, depth=dict(source='points'), previous=dict(offsets=(-1,), depth=True))
    plain, moved = quad(ride, **settings)[2], quad(ride, turns=turns, **settings)[2]
    pose = np.diag((1.0, -1.0, 1.0, 1.0))
    for view in ('equi', 'equi_past1'):
        old, new = (sample['data_samples'].cameras[view] for sample in (plain, moved))
        for key in ('imgs', 'depth'):
            before, after = plain['inputs'][key][view], moved['inputs'][key][view]
            assert before.flatten().sort().values.equal(after.flatten().sort().values)
        cloud = depth_points(plain['inputs']['depth'][view], old)
        turned = depth_points(moved['inputs']['depth'][view], new)
        assert len(cloud) == len(turned)
        quarter = [np.round(turned.numpy() @ np.linalg.matrix_power(_quarter(), n), 3) for n in range(4)]
        mirrored = np.round(cloud.numpy() @ pose[:3, :3], 3)
        assert any(set(map(tuple, q)) == set(map(tuple, mirrored)) for q in quarter)


def _quarter() -> np.ndarray:
    return np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])


def test_past_views_do_not_decide_what_is_visible(ride):
    sample = quad(ride, previous=dict(offsets=(-1,)))[3]['data_samples']
    now = visible_voxels({'equi': sample.cameras['equi']}, sample.grid)
    blind = replace(sample.cameras['equi'], cam_from_ego=np.diag((1.0, -1.0, -1.0, 1.0)))
    assert np.array_equal(visible_voxels(dict(sample.cameras, equi_past1=blind), sample.grid), now)


@pytest.mark.parametrize('offsets', [(), (1,), (0,), (-1.5,)])
def test_offsets_that_are_none(offsets):
    with pytest.raises(ValueError, match='offsets: expected negative numbers'):
        LoadPreviousFrames(offsets)


@pytest.mark.parametrize(
    'settings, words',
    [
        (dict(previous=dict(view='equi')), "expected 'offsets'"),
        (dict(previous=dict(offsets=(-1,), speed=3)), "got \\['offsets', 'speed'\\]"),
        (dict(previous=dict(offsets=(-1,), view='pano')), "expected a view among .*got 'pano'"),
        (dict(previous=dict(offsets=(-1,), depth=True)), 'needs depth of the current one'),
        (dict(previous=dict(offsets=(-1,), points=True)), 'need points of the current one'),
    ],
)
def test_wrong_settings_of_past_frames_are_named(settings, words):
    with pytest.raises(ValueError, match=words):
        loading_steps(dict(raw={}, equi=EQUI), **settings)


def test_previous_frames_come_from_the_dataset():
    with pytest.raises(KeyError, match='belongs into the pipeline of a PALOccDataset'):
        LoadPreviousFrames((-1,))(dict(sample_id='a'))


def test_past_views_are_made_as_the_current_one_is(ride):
    views = dict(raw=dict(height=16, width=32), equi=dict(EQUI, elevation_max_deg=30))
    (step,) = [
        s
        for s in loading_steps(views, body_pose=True, previous=dict(offsets=(-1,)))
        if s['type'] == 'LoadPreviousFrames'
    ]
    assert [s['type'] for s in step['transforms']] == ['LoadPanorama', 'UseBodyPose', 'UnwrapPanorama']
    sample = quad(ride, views=views, previous=dict(offsets=(-1,)))[1]
    assert {name: tuple(image.shape) for name, image in sample['inputs']['imgs'].items()} == {
        'raw': (3, 16, 32),
        'equi': (3, 32, 64),
        'equi_past1': (3, 32, 64),
    }
