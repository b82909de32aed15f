"""Ranges per pixel: the samples against a written-out interpolation, their loss, and what the voxels learn of them."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet3d.registry import MODELS

from projects.OneOcc.core.geometry import CartesianGrid, View
from projects.OneOcc.oneocc.models.lifting.range_distribution import (
    RangeDistribution,
    RangeEvidence,
    bin_positions,
    range_bins,
    range_loss,
    sample_bins,
)
from tests.models import two_view_rig as rig

CONFIG = dict(type='BiGridViewTransformer', grid=rig.GRID, cylinder=rig.CYLINDER, channels=8)
RANGES = dict(bins=(0.5, 12.0, 16), scale=4)


def sample_bins_reference(volume, coords, positions, wrap):
    """The same, voxel by voxel."""
    batch, depth, rows, columns = volume.shape
    out = torch.zeros(coords.shape[:2], dtype=volume.dtype)
    for b in range(batch):
        for n, ((x, y), z) in enumerate(zip(coords[b].tolist(), positions[b].tolist())):
            x, y = x - 0.5, y - 0.5
            for i, a in ((math.floor(x), 1 - x % 1), (math.floor(x) + 1, x % 1)):
                i = i % columns if wrap else min(max(i, 0), columns - 1)
                for j, c in ((math.floor(y), 1 - y % 1), (math.floor(y) + 1, y % 1)):
                    j = min(max(j, 0), rows - 1)
                    k = min(math.floor(z), depth - 2)
                    for level, e in ((k, 1 - (z - k)), (k + 1, z - k)):
                        out[b, n] += a * c * e * volume[b, level, j, i]
    return out


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 5), st.booleans(), st.integers(0, 10**6))
def test_sampled_bins_are_the_written_out_interpolation(depth, wrap, seed):
    generator = torch.Generator().manual_seed(seed)
    volume = torch.rand(2, depth, 3, 4, generator=generator, dtype=torch.float64)
    coords = torch.rand(2, 7, 2, generator=generator, dtype=torch.float64) * torch.tensor([4.0, 3.0])
    positions = torch.rand(2, 7, generator=generator, dtype=torch.float64) * (depth - 1)
    found = sample_bins(volume, coords, positions, wrap)
    torch.testing.assert_close(found, sample_bins_reference(volume, coords, positions, wrap))


def test_bins_are_shares_of_the_range():
    bins = range_bins(0.5, 20.0, 9)
    assert bins[0] == pytest.approx(0.5) and bins[-1] == pytest.approx(20.0)
    ratios = bins[1:] / bins[:-1]
    torch.testing.assert_close(ratios, ratios[:1].expand(8))
    torch.testing.assert_close(bin_positions(bins, bins), torch.arange(9.0), atol=1e-4, rtol=0)
    assert bin_positions(torch.tensor([0.0, 99.0]), bins).tolist() == pytest.approx([0, 8])
    for wrong in ((0, 20, 8), (3, 2, 8), (1, 2, 1)):
        with pytest.raises(ValueError, match='range bins: expected 0 < first < last'):
            range_bins(*wrong)


def test_the_loss_is_least_where_the_measured_bin_is_likely(device):
    bins = range_bins(1.0, 8.0, 4).to(device)  # 1, 2, 4, 8
    ranges = torch.tensor([[[2.0, 0.0, 30.0]]], device=device)
    logits = torch.zeros(1, 4, 1, 3, device=device, requires_grad=True)
    assert range_loss(logits, ranges, bins).item() == pytest.approx(math.log(4))
    sure = torch.zeros(1, 4, 1, 3, device=device)
    sure[0, 1] = 20
    assert range_loss(sure, ranges, bins).item() == pytest.approx(0, abs=1e-6)
    range_loss(logits, ranges, bins).backward()
    assert logits.grad[..., 0].abs().sum() > 0 and not logits.grad[..., 1:].any()
    assert range_loss(logits, torch.zeros_like(ranges), bins).item() == 0


def build(device, **ranges):
    torch.manual_seed(0)
    lifting = MODELS.build(dict(CONFIG, ranges=dict(RANGES, **ranges))).to(device)
    lifting.init_weights()
    return lifting


def test_it_starts_as_the_lifting_without_ranges(device):
    features = rig.features(batch=2, device=device)
    samples = [rig.sample(), rig.sample()]
    lifting = build(device).eval()
    plain = MODELS.build(CONFIG).to(device).eval()
    plain.load_state_dict({k: v for k, v in lifting.state_dict().items() if k in plain.state_dict()})
    ours, theirs = (part(features, samples, rig.image_sizes()) for part in (lifting, plain))
    torch.testing.assert_close(ours.cartesian, theirs.cartesian, rtol=0, atol=0)
    torch.testing.assert_close(ours.polar[2], theirs.polar[2], rtol=0, atol=0)


def test_points_are_needed_in_training_alone_and_teach(device):
    lifting = build(device)
    assert lifting.train().needs == ('points',) and lifting.eval().needs == ()
    assert build(device, loss_weight=0.0).train().needs == ()
    features = rig.features(device=device)
    points = [torch.tensor([[3.0, 1.0, 0.2, 0.0], [0.0, -4.0, 0.5, 0.0]], device=device)]
    lifting.train()(features, [rig.sample()], rig.image_sizes(), points=points)
    loss = lifting.ranges.log_vars['loss_range']
    loss.backward()
    assert loss > 0 and lifting.ranges.logits.weight.grad.abs().sum() > 0
    lifting(features, [rig.sample()], rig.image_sizes())
    assert not lifting.ranges.log_vars
    with pytest.raises(ValueError, match=r"ranges.view: expected one of .*, got 'rear'"):
        build(device, view='rear')
    with pytest.raises(ValueError, match='ranges.scale: expected one of'):
        build(device, scale=2)


def test_a_sure_distribution_tells_the_voxels_of_a_ray_apart(device):
    """The surface at 4 m everywhere: most evidence there, none lies before it, all lies before what is behind."""
    view = View(rig.equi_camera(), np.eye(4))
    distribution = RangeDistribution(8, bins=(0.5, 12.0, 32), scale=4).to(device)
    with torch.no_grad():
        for parameter in distribution.parameters():
            parameter.zero_()
        distribution.logits.bias.copy_(
            -((bin_positions(torch.tensor(4.0), distribution.bins.cpu()) - torch.arange(32)) ** 2)
        )
    centers = torch.tensor([[2.0, 0.0, 0.0], [4.0, 0.0, 0.0], [8.0, 0.0, 0.0], [0.0, 0.0, 1e9]])
    evidence = RangeEvidence(centers, 8).to(device)
    maps = distribution(rig.features(views=('equi',), device=device), [view])
    here, before = evidence.evidence(distribution, maps, [view])[0].unbind(-1)
    assert here[1] > here[0] + 1 and here[1] > here[2] + 1
    assert before[0] < 0.02 and before[2] > 0.98 and 0.3 < before[1] < 0.7


def test_turning_the_panorama_with_its_calibration_changes_nothing(device):
    lifting = build(device).eval()
    with torch.no_grad():
        for parameter in lifting.evidence.parameters():
            torch.nn.init.normal_(parameter, std=0.5)
    features = rig.features(device=device)
    shift = 8  # of 32 cells at stride 4: a quarter
    rolled = {v: dict(maps) for v, maps in features.items()}
    rolled['equi'] = {s: m.roll(shift * 4 // s, -1) for s, m in features['equi'].items()}
    turn = np.array([[0.0, 1, 0, 0], [-1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    straight = lifting(features, [rig.sample(rig.cameras())], rig.image_sizes())
    turned = lifting(rolled, [rig.sample(rig.cameras(equi_pose=turn))], rig.image_sizes())
    torch.testing.assert_close(turned.cartesian, straight.cartesian, atol=1e-4, rtol=1e-4)


def test_only_the_range_solves_a_task_of_ranges(device):
    """Two images of walls, near and far, told by a feature; the voxel of the wall is asked for. Without ranges no
    voxel of a ray differs from another."""
    grid = CartesianGrid(**rig.GRID)
    centers = grid.centers().reshape(-1, 3)
    radius = centers.norm(dim=-1).to(device)
    low = (centers[:, 2].abs() < 1).to(device)
    walls = torch.tensor([3.0, 6.0], device=device)
    targets = torch.stack([((radius - wall).abs() < 0.7) & low for wall in walls]).float()
    features = {'equi': {4: torch.zeros(2, 8, 16, 32, device=device)}}
    features['equi'][4][0, 0], features['equi'][4][1, 1] = 1.0, 1.0
    angles = torch.linspace(-math.pi, math.pi, 400)
    circle = torch.stack((angles.cos(), angles.sin(), torch.zeros(400)), 1)
    points = [(circle * wall.cpu()).to(device) for wall in walls]

    def solved(loss_weight, ranges=True):
        torch.manual_seed(0)
        settings = dict(CONFIG, views=('equi',), scales=(4,), grids=('cartesian',))
        if ranges:
            settings['ranges'] = dict(RANGES, loss_weight=loss_weight)
        lifting = MODELS.build(settings).to(device).train()
        classify = torch.nn.Linear(8, 1).to(device)
        optimizer = torch.optim.Adam([*lifting.parameters(), *classify.parameters()], lr=2e-2)
        for _ in range(80):
            given = dict(points=points) if ranges else {}
            volume = lifting(features, [rig.sample(), rig.sample()], rig.image_sizes(), **given)
            logits = classify(volume.cartesian.flatten(2).transpose(1, 2))[..., 0]
            loss = torch.nn.functional.binary_cross_entropy_with_logits(logits[:, low], targets[:, low])
            if ranges and loss_weight:
                loss = loss + lifting.ranges.log_vars['loss_range']
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        found = logits > 0
        return ((found & (targets > 0))[:, low].sum() / (found | (targets > 0))[:, low].sum()).item()

    assert solved(0.0, ranges=False) < 0.35
    assert solved(0.2) > 0.6
