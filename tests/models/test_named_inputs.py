"""An input of one's own, from the pipeline to the part that needs it: packed, collated, handed over, or named."""

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmengine.model import BaseModule
from torch import nn

from projects.OneOcc.core.geometry import CartesianGrid
from projects.OneOcc.oneocc.datasets import PackOccInputs
from projects.OneOcc.oneocc.models import OccDataPreprocessor
from projects.OneOcc.oneocc.structures import Levels, Volumes
from tests.models import two_view_rig as rig
from tests.models.small_baseline import baseline_config, build

HEIGHT, WIDTH = rig.EQUI_SIZE
INPUTS = ('imgs', 'depth', 'past_imgs', 'points', 'past_points', 'point_labels', 'past_from_now', 'speed')


def results(index: int) -> dict:
    """A frame at the end of a pipeline that has made depth, two earlier images and an earlier sweep."""
    rng = np.random.default_rng(index)
    image = rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    return dict(
        sample_id=f's/{index}',
        cameras={'equi': rig.cameras()['equi']},
        grid=CartesianGrid(**rig.GRID),
        imgs={'equi': image},
        depth={'equi': rng.uniform(1, 20, (HEIGHT, WIDTH)).astype(np.float32)},
        past_imgs={'equi': np.stack([image, image[::-1]])},
        points=rng.normal(size=(5 + index, 4)).astype(np.float32),
        past_points=rng.normal(size=(2, 4)).astype(np.float32),
        point_labels=np.zeros(5 + index, np.uint8),
        past_from_now=np.eye(4),
        speed=0.5,
        gt_occ=np.zeros(rig.GRID['shape'], np.uint8),
        gt_depth=np.ones((4, 8), np.float32),
    )


def packed(index: int, **changes) -> dict:
    keys = (*INPUTS, 'gt_occ', 'gt_depth')
    return PackOccInputs(keys, meta_keys=('sample_id', 'cameras', 'grid'))(dict(results(index), **changes))


def collated(*samples: dict) -> dict:
    return OccDataPreprocessor()(pseudo_collate(list(samples)))


class DepthLifting(BaseModule):
    """Fills the volume with the mean depth of the image: what it got shows in what it gives."""

    needs = ('depth',)

    def forward(self, features, data_samples, image_sizes, depth):
        assert image_sizes == {'equi': (HEIGHT, WIDTH)} and len(data_samples) == len(depth['equi'])
        volume = depth['equi'].mean((1, 2)).view(-1, 1, 1, 1, 1).expand(-1, 8, *rig.GRID['shape'])
        return Volumes(volume, torch.ones_like(volume[:, 0], dtype=torch.bool))


class PastBackbone(nn.Module):
    needs = ('past_imgs', 'imgs')

    def forward(self, past_imgs, imgs):
        self.seen = past_imgs['equi'].shape, imgs['equi'].shape
        return {'equi': {1: imgs['equi']}}


class SpeedNeck(nn.Module):
    needs = ('speed', 'past_from_now')

    def forward(self, volumes, speed, past_from_now):
        self.seen = speed, past_from_now
        return Levels({1: volumes.cartesian})


def test_packing_turns_everything_into_tensors_and_loses_nothing():
    sample = packed(1)
    inputs = sample['inputs']
    assert tuple(inputs) == INPUTS
    assert inputs['imgs']['equi'].shape == (3, HEIGHT, WIDTH) and inputs['past_imgs']['equi'].shape[:2] == (2, 3)
    assert inputs['depth']['equi'].shape == (HEIGHT, WIDTH) and inputs['depth']['equi'].dtype == torch.float32
    assert inputs['past_from_now'].dtype == torch.float64 and inputs['speed'].shape == ()
    assert sample['data_samples'].gt_depth.shape == (4, 8) and sample['data_samples'].gt_occ.dtype == torch.uint8
    listed = packed(1, past_points=[np.zeros((2, 4)), np.zeros((3, 4))])['inputs']['past_points']
    assert [tuple(sweep.shape) for sweep in listed] == [(2, 4), (3, 4)]


def test_packing_names_what_is_no_tensor():
    with pytest.raises(TypeError, match=r"s/1: expected numbers under 'speed' .* got str .* meta_keys"):
        packed(1, speed='fast')
    with pytest.raises(ValueError, match=r"s/1: expected images .*'past_imgs', got \(4, 8\)"):
        packed(1, past_imgs={'equi': np.zeros((4, 8))})
    with pytest.raises(ValueError, match=r"\['sample_id'\] in both"):
        PackOccInputs(keys=('imgs', 'sample_id'))


def test_a_batch_keeps_every_input_by_the_rule_of_its_name(device):
    preprocessor = OccDataPreprocessor().to(device)
    inputs = preprocessor(pseudo_collate([packed(1), packed(2)]))['inputs']
    assert tuple(inputs) == INPUTS
    assert inputs['depth']['equi'].shape == (2, HEIGHT, WIDTH)
    assert inputs['past_imgs']['equi'].shape == (2, 2, 3, HEIGHT, WIDTH)
    torch.testing.assert_close(inputs['past_imgs']['equi'][:, 0], inputs['imgs']['equi'])
    assert [len(points) for points in inputs['points']] == [6, 7]
    assert [tuple(points.shape) for points in inputs['past_points']] == [(2, 4)] * 2
    assert inputs['point_labels'][0].dtype == torch.uint8
    assert inputs['past_from_now'].shape == (2, 4, 4) and inputs['past_from_now'].dtype == torch.float64
    assert inputs['speed'].shape == (2,)
    leaves = [*inputs['points'], inputs['depth']['equi'], inputs['past_imgs']['equi'], inputs['speed']]
    assert {leaf.device.type for leaf in leaves} == {device.type}


def test_sequences_of_sweeps_stay_sequences():
    sweeps = [[np.zeros((n, 4)), np.ones((n + 1, 4))] for n in (2, 5)]
    past = collated(*(packed(i, past_points=given) for i, given in enumerate(sweeps)))['inputs']['past_points']
    assert [[len(points) for points in step] for step in past] == [[2, 5], [3, 6]]  # T lists of B
    assert past[0][0].dtype == torch.float32


def test_a_batch_of_different_shapes_is_refused_by_name():
    small = packed(2, depth={'equi': np.zeros((4, 8), np.float32)})
    with pytest.raises(ValueError, match=r"input 'depth equi': expected one shape .*\(4, 8\), \(64, 128\)"):
        collated(packed(1), small)
    with pytest.raises(TypeError, match=r"input 'name': expected tensors, got \['str'\]"):
        OccDataPreprocessor()({'inputs': {'name': ['a', 'b']}})


def test_each_part_gets_what_it_needs():
    batch = collated(packed(1), packed(2))
    parts = dict(view_transformer=DepthLifting(), backbone=PastBackbone(), neck=SpeedNeck())
    model = build(baseline_config(strides=(1,), in_channels=8), **parts)
    volumes = model.lift(**batch)
    torch.testing.assert_close(volumes.cartesian[:, 0, 0, 0, 0], batch['inputs']['depth']['equi'].mean((1, 2)))
    losses = model(**batch, mode='loss')
    assert all(torch.isfinite(value) for value in losses.values())
    assert parts['backbone'].seen == ((2, 2, 3, HEIGHT, WIDTH), (2, 3, HEIGHT, WIDTH))
    assert parts['neck'].seen == (batch['inputs']['speed'], batch['inputs']['past_from_now'])


@pytest.mark.parametrize(
    'lost, words',
    [
        ('depth', r"view_transformer DepthLifting needs .*\['depth'\].*no \['depth'\].*PackOccInputs"),
        ('past_imgs', r"backbone PastBackbone needs .*\['past_imgs', 'imgs'\].*no \['past_imgs'\]"),
        ('imgs', r"no \['imgs'\].*'imgs' is made by LoadPanorama"),
        ('speed', r"neck SpeedNeck needs .*no \['speed'\]"),
    ],
)
def test_a_missing_input_is_named_with_its_part_and_its_cure(lost, words):
    batch = collated(packed(1))
    del batch['inputs'][lost]
    model = build(baseline_config(), view_transformer=DepthLifting(), backbone=PastBackbone(), neck=SpeedNeck())
    with pytest.raises(ValueError, match=words):
        model(**batch)
