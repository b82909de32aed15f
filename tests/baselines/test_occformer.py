"""OccFormer in the slots of the segmentor, on the tiny rig."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from projects.OneOcc.core.geometry import CartesianGrid
from tests.models import two_view_rig as rig
from tests.models.small_baseline import NUM_CLASSES, build

CONFIGS = Path(__file__).parents[2] / 'configs/_base_/models'
GRID = dict(rig.GRID, shape=(16, 16, 4))
STEP = 16


def occformer(num_points=None, subvoxels=1, **lifting):
    model = Config.fromfile(CONFIGS / 'occformer-tiny.py').model
    model.decode_head.update(num_classes=NUM_CLASSES, num_points=num_points, subvoxels=subvoxels, num_queries=6)
    model.neck.update(channels=(16, 16, 16, 16), width=24, num_layers=1, num_groups=4)
    model.backbone.update(out_channels=12)
    model.view_transformer.update(bounds=(0.5, 10.5, 1.0), volume_channels=16, **lifting)
    torch.manual_seed(0)
    built = build(model.to_dict(), grid=GRID)
    built.init_weights()
    return built


def batch(size: int, labels=None, poses=None) -> tuple[dict, list]:
    inputs = dict(imgs=dict(equi=rig.images(size)['equi']), points=[6 * torch.randn(50, 4) for _ in range(size)])
    poses = poses or [rig.pose() for _ in range(size)]
    samples = [rig.sample(rig.cameras(equi_pose=pose), labels=labels) for pose in poses]
    for sample in samples:
        sample.set_metainfo(dict(grid=CartesianGrid(**GRID)))
    return inputs, samples


@pytest.mark.parametrize('size', [1, 2])
@pytest.mark.parametrize('fill', [None, 2, 255])
@pytest.mark.parametrize('num_points', [None, 30])
def test_trains_on_any_labels(size, fill, num_points):
    model = occformer(num_points).train()
    labels = None if fill is None else torch.full(GRID['shape'], fill, dtype=torch.uint8)
    losses = model(*batch(size, labels), mode='loss')
    names = {f'loss_{term}{layer}' for term in ('cls', 'mask', 'dice') for layer in ('', '_0', '_1', '_2')}
    assert set(losses) == names | {'loss_depth'}
    total = sum(losses.values())
    total.backward()
    assert torch.isfinite(total)
    assert [name for name, p in model.named_parameters() if p.grad is None] == []
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


@pytest.mark.parametrize('fill', [None, 255])
@pytest.mark.parametrize('num_points', [None, 30])
def test_trains_on_labels_finer_than_its_voxels(fill, num_points):
    model = occformer(num_points, subvoxels=2).train()
    inputs, samples = batch(2, None if fill is None else torch.full(GRID['shape'], fill, dtype=torch.uint8))
    total = sum(model(inputs, samples, mode='loss').values())
    total.backward()
    assert torch.isfinite(total) and all(torch.isfinite(p.grad).all() for p in model.parameters())
    assert model.eval()(inputs, samples)[1].shape == (2, NUM_CLASSES + 1, *GRID['shape'])


def test_one_labelled_voxel_is_enough_to_train():
    labels = torch.full(GRID['shape'], 255, dtype=torch.uint8)
    labels[3, 4, 1] = 1
    for num_points in (None, 30):
        assert torch.isfinite(sum(occformer(num_points)(*batch(1, labels), mode='loss').values()))


@pytest.mark.parametrize('cloud', [torch.zeros(0, 4), torch.full((5, 4), 500.0), torch.zeros(3, 4)])
def test_points_that_supervise_no_depth_train_every_parameter(cloud):
    """None at all, none within the bins, all in the camera itself."""
    model = occformer().train()
    inputs, samples = batch(2)
    losses = model(dict(inputs, points=[cloud, cloud]), samples, mode='loss')
    sum(losses.values()).backward()
    assert losses['loss_depth'] == 0
    assert [name for name, p in model.named_parameters() if p.grad is None] == []
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


def test_a_volume_that_no_ray_enters_trains():
    """The grid lies above the camera's band: no bin falls into it."""
    model = occformer().train()
    high = rig.pose(translation=(0.0, 0.0, 900.0))
    inputs, samples = batch(2, poses=[high, high])
    total = sum(model(inputs, samples, mode='loss').values())
    total.backward()
    assert torch.isfinite(total) and all(torch.isfinite(p.grad).all() for p in model.parameters())


def test_loss_is_the_same_twice():
    model = occformer().eval()
    inputs, samples = batch(2)
    first, second = (model(inputs, samples, mode='loss') for _ in range(2))
    assert first == second


def test_points_are_needed_in_training_alone():
    model = occformer()
    inputs, samples = batch(1)
    del inputs['points']
    with pytest.raises(ValueError, match='points'):
        model.train()(inputs, samples, mode='loss')
    (sample,) = model.eval()(inputs, samples, mode='predict')
    assert sample.pred_occ.shape == GRID['shape'] and sample.pred_occ.dtype == torch.uint8
    assert 'loss_depth' not in occformer(depth_weight=0.0).train()(inputs, samples, mode='loss')


@torch.no_grad()
def test_rolling_the_panorama_with_its_calibration_changes_nothing():
    model = occformer().eval()
    inputs, samples = batch(1)
    expected = model(inputs, samples)[1]
    assert expected.std() > 0
    width = rig.EQUI_SIZE[1]
    # the content moves right by two cells: what lay ahead lies at a smaller azimuth of the camera
    angle = -2 * math.pi * (2 * STEP) / width
    turn = rig.pose()
    turn[:2, :2] = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    rolled, turned = batch(1, poses=[turn])
    rolled['imgs']['equi'] = inputs['imgs']['equi'].roll(2 * STEP, dims=-1)
    torch.testing.assert_close(model(rolled, turned)[1], expected, atol=1e-5, rtol=1e-3)
    assert not torch.allclose(model(rolled, samples)[1], expected, atol=1e-5, rtol=1e-3)


@torch.no_grad()
def test_every_sample_is_lifted_with_its_own_calibration():
    model = occformer().eval()
    inputs, samples = batch(2, poses=[rig.pose(), rig.pose(translation=(0.5, -1.0, 0.2))])
    together = model(inputs, samples)[1]
    for b in range(2):
        alone = model(dict(imgs=dict(equi=inputs['imgs']['equi'][b : b + 1])), samples[b : b + 1])[1]
        torch.testing.assert_close(together[b : b + 1], alone, atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_half_precision_is_finite(dtype):
    model = occformer(num_points=30).train()
    with torch.autocast('cpu', dtype):
        total = sum(model(*batch(2), mode='loss').values())
    total.backward()
    assert torch.isfinite(total) and all(torch.isfinite(p.grad).all() for p in model.parameters())


def test_wrong_labels_and_too_few_queries_are_named():
    model = occformer()
    inputs, samples = batch(1)
    del samples[0].gt_occ
    samples[0].gt_occ = torch.zeros(8, 8, 4, dtype=torch.uint8)
    with pytest.raises(ValueError, match=r'masks for a grid of \(16, 16, 4\)'):
        model(inputs, samples, mode='loss')
    with pytest.raises(ValueError, match='num_queries: expected'):
        build(dict(type='OccFormerHead', num_classes=6, in_channels=24, num_queries=3))


@pytest.mark.parametrize(
    'name, expected',
    [
        ('occformer-tiny', 1_084_568),
        # 63.79 M backbone, 1.81 M its neck, 40.90 M depth network, 85.50 M 3D network, 8.15 M head
        pytest.param('occformer', 200_153_458, marks=pytest.mark.slow),
    ],
)
def test_parameter_counts_of_the_shipped_configs(name, expected):
    grid = dict(shape=(64, 64, 8), voxel_size=0.4, origin=(-12.8, -12.8, -1.2))
    model = build(Config.fromfile(CONFIGS / f'{name}.py').model, grid=grid)
    assert sum(p.numel() for p in model.parameters()) == expected
