"""MonoScene complete, from the shipped configs. Values of its 3D network: tests/goldens/unet3d.py."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from projects.OneOcc.core.geometry import CartesianGrid
from projects.OneOcc.oneocc.baselines.official_weights.monoscene import convert_state_dict
from tests.models import two_view_rig as rig
from tests.models.small_baseline import baseline_config, batch, build

CONFIGS = Path(__file__).parents[2] / 'configs/_base_/models'


def complete():
    """Context prior, relation loss, ASPP head, one scale."""
    config = baseline_config(head='aspp', strides=(1,), in_channels=8, supervise='known')
    # three levels of 16x16x8 voxels; the coarsest keeps two along z
    grid = dict(rig.GRID, shape=(16, 16, 8))
    config['view_transformer'] = dict(type='FLoSP', grid=grid)
    config['neck'] = dict(type='UNet3D', channels=8, context_prior=dict(type='ContextRelationPrior', shape=(4, 4, 2)))
    return build(config)


def labelled(labels):
    sample = rig.sample(labels=torch.zeros(rig.GRID['shape'], dtype=torch.uint8))
    del sample.gt_occ
    sample.gt_occ = labels
    sample.set_metainfo(dict(grid=CartesianGrid(**dict(rig.GRID, shape=tuple(labels.shape)))))
    return sample


@pytest.mark.parametrize('fill', [None, 0, 2, 255])
def test_complete_model_trains(fill):
    model = complete()
    labels = torch.randint(0, 4, (16, 16, 8), dtype=torch.uint8)
    if fill is not None:
        labels = labels.fill_(fill)
    inputs, samples = batch(2, samples=[labelled(labels), labelled(labels)])
    losses = model(inputs, samples, mode='loss')
    assert set(losses) == {'loss_ce', 'loss_sem_scal', 'loss_geo_scal', 'loss_frustum', 'loss_relation'}
    total = sum(losses.values())
    total.backward()
    assert torch.isfinite(total)
    assert [name for name, p in model.named_parameters() if p.grad is None] == []
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


@pytest.mark.parametrize(
    'name, expected',
    [
        ('monoscene-tiny', 417_997),
        # 63.79 M encoder, 68.79 M decoder, 1.25 M 3D network, 0.79 M head
        pytest.param('monoscene', 134_612_583, marks=pytest.mark.slow),
    ],
)
def test_parameter_counts_of_the_shipped_configs(name, expected):
    grid = dict(shape=(64, 64, 8), voxel_size=0.4, origin=(-12.8, -12.8, -1.2))
    model = build(Config.fromfile(CONFIGS / f'{name}.py').model, grid=grid)
    assert sum(p.numel() for p in model.parameters()) == expected


def test_unused_official_weights_are_dropped_by_name():
    state = {
        f'process_l1.0.main.0.{key}': torch.zeros(1)
        for key in ('conv1.weight', 'downsample2.1.weight', 'downsample4.2.bias')
    }
    state |= {
        f'process_l1.1.main.{key}': torch.zeros(1)
        for key in ('conv1.weight', 'downsample.1.weight', 'downsample2.1.weight')
    }
    renamed, dropped = convert_state_dict(state)
    assert dropped == ['process_l1.0.main.0.downsample2.1.weight', 'process_l1.0.main.0.downsample4.2.bias']
    assert set(renamed) == {
        'process_1.0.reduce.0.weight',
        'down_1.reduce.0.weight',
        'down_1.shortcut.1.weight',
        'down_1.carry_z_over_y.1.weight',
    }
