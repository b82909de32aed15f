"""The panoramic depth network, its loss, its metric and the files that it leaves for others."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config

from projects.OneOcc.core.formats.depth_maps import find_depth_map, read_depth_map, read_scale
from projects.OneOcc.core.geometry import View
from projects.OneOcc.oneocc.datasets.transforms.azimuth import rotation_about_z
from projects.OneOcc.oneocc.evaluation import DepthMetric
from projects.OneOcc.oneocc.models.depth_estimator import scale_invariant_loss
from tests.models import two_view_rig as rig
from tests.models.small_baseline import build

BASE = Path(__file__).parents[2] / 'configs/_base_/models'
SHAPE = (2, *rig.EQUI_SIZE)


def network():
    torch.manual_seed(0)
    return build(Config.fromfile(BASE / 'depth-tiny.py').model)


def batch(depth: torch.Tensor | None = None) -> tuple[dict, list]:
    inputs = dict(imgs=dict(equi=rig.images(2)['equi']))
    if depth is not None:
        inputs['depth'] = dict(equi=depth)
    return inputs, [rig.sample(sample_id=f'seq00/{number:06d}') for number in range(2)]


def test_three_modes_and_every_parameter_gets_a_gradient():
    model = network().train()
    truth = 1 + 9 * torch.rand(SHAPE)
    inputs, samples = batch(truth)
    losses = model(inputs, samples, mode='loss')
    losses['loss_depth'].backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters())
    with torch.no_grad():
        depth = model.eval()(inputs, samples)
        predicted = model(inputs, samples, mode='predict')
    assert depth.shape == SHAPE and depth.dtype == torch.float32
    assert (depth > model.bounds[0]).all() and (depth < model.bounds[1]).all()
    assert torch.equal(predicted[1].pred_depth, depth[1]) and torch.equal(predicted[1].gt_depth, truth[1])
    unjudged = model(*batch(), mode='predict')[0]
    assert 'pred_depth' in unjudged and 'gt_depth' not in unjudged


@torch.no_grad()
def test_rolling_the_panorama_with_its_calibration_rolls_the_depth():
    model = network().eval()
    inputs, samples = batch()
    before = model(inputs, samples)
    turn = rotation_about_z(-2 * math.pi * 48 / rig.EQUI_SIZE[1])
    turned = [
        rig.sample(dict(equi=View(s.cameras['equi'].camera, turn @ s.cameras['equi'].cam_from_ego))) for s in samples
    ]
    after = model(dict(imgs=dict(equi=inputs['imgs']['equi'].roll(48, -1))), turned)
    torch.testing.assert_close(after, before.roll(48, -1), atol=1e-4, rtol=1e-4)


def test_the_loss_forgives_most_of_a_wrong_scale():
    truth = 1 + 9 * torch.rand(SHAPE)
    bounds = (0.3, 60.0)
    scaled, noisy = (scale_invariant_loss(truth * f, truth, bounds) for f in (1.2, torch.exp(0.2 * torch.randn(SHAPE))))
    assert scale_invariant_loss(truth, truth, bounds) < 1e-4
    assert scaled.item() == pytest.approx(10 * math.log(1.2) * math.sqrt(0.15), rel=1e-4)
    assert noisy.item() == pytest.approx(2.0, rel=0.05)
    unknown = torch.where(torch.rand(SHAPE) < 0.5, truth, torch.tensor(0.0))
    unknown[0, 0, 0], unknown[0, 0, 1] = float('nan'), 1000.0
    assert torch.isfinite(scale_invariant_loss(truth * 1.2, unknown, bounds))


def test_nothing_known_has_a_loss_and_gradients_of_nothing():
    model = network().train()
    loss = model(*batch(torch.zeros(SHAPE)), mode='loss')['loss_depth']
    loss.backward()
    assert loss < 1e-4 and all(torch.isfinite(p.grad).all() and not p.grad.any() for p in model.parameters())


def test_half_precision_is_finite():
    model = network().train()
    with torch.autocast('cpu', torch.bfloat16):
        loss = model(*batch(1 + 9 * torch.rand(SHAPE)), mode='loss')['loss_depth']
    loss.backward()
    assert loss.dtype == torch.float32 and all(torch.isfinite(p.grad).all() for p in model.parameters())


def test_the_metric_pools_and_leaves_files_that_can_be_loaded(tmp_path):
    metric = DepthMetric(max_range=8.0, prediction_dir=str(tmp_path / 'maps'), out_file=str(tmp_path / 'metrics.json'))
    truth = torch.full(SHAPE, 4.0)
    truth[0, 0], truth[1, 0] = 0, 20.0
    samples = batch()[1]
    for number, sample in enumerate(samples):
        sample.pred_depth, sample.gt_depth = truth[number] * 1.1 + (truth[number] == 0), truth[number]
    metric.process(None, [sample.to_dict() for sample in samples])
    scores = metric.compute_metrics(metric.results)
    assert scores['pixels'] == 2 * 63 * 128 and scores['abs_rel'] == pytest.approx(0.1, rel=1e-3)
    assert scores['delta1'] == 1 and json.loads((tmp_path / 'metrics.json').read_text())['frames'] == 2
    scale = read_scale(tmp_path / 'maps')
    depth = read_depth_map(find_depth_map(tmp_path / 'maps', 'seq00/000001'), scale.unit_m)
    np.testing.assert_allclose(depth, samples[1].pred_depth.numpy(), atol=0.0011)


def test_wrong_settings_and_missing_inputs_are_named():
    with pytest.raises(ValueError, match='bounds: expected 0 < smallest'):
        build(Config.fromfile(BASE / 'depth-tiny.py').model, bounds=(0, 5))
    with pytest.raises(ValueError, match='the loss needs `depth`'):
        network()(*batch(), mode='loss')
    with pytest.raises(ValueError, match='each carries its calibration'):
        network()(batch()[0])
    with pytest.raises(ValueError, match='max_range'):
        DepthMetric(max_range=0)
    with pytest.raises(ValueError, match='holds no pred_depth'):
        DepthMetric().process(None, [dict(sample_id='a')])
