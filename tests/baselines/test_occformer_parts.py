"""OccFormer's functions against slow references and their own claims; its networks: tests/goldens/occformer.py."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmcv.ops import deform_conv2d

from projects.OneOcc.core.geometry.depth_points import nearest_ranges
from projects.OneOcc.oneocc.baselines.occformer.deformable_conv import DeformableConv2d, deformable_conv2d
from projects.OneOcc.oneocc.baselines.occformer.depth_loss import BACKGROUND, depth_labels, depth_loss
from projects.OneOcc.oneocc.baselines.occformer.depth_net import DepthNet
from projects.OneOcc.oneocc.baselines.occformer.dual_path import DualPathBlock
from projects.OneOcc.oneocc.baselines.occformer.frustum import depth_bins, panoramic_points
from projects.OneOcc.oneocc.baselines.occformer.lift_splat import lift_splat, lift_splat_reference, voxel_ids
from projects.OneOcc.oneocc.baselines.occformer.lone_value_norm import LoneValueNorm2d
from projects.OneOcc.oneocc.baselines.occformer.mask_losses import class_loss, mask_losses, query_class_weights
from projects.OneOcc.oneocc.baselines.occformer.mask_matching import assign, matching_costs
from projects.OneOcc.oneocc.baselines.occformer.point_sampling import (
    draw_points,
    mask_at_points,
    sampling_weights,
    voxel_weights,
)
from projects.OneOcc.oneocc.baselines.occformer.query_decoder import open_blocked_rows, preserve_pooling
from projects.OneOcc.oneocc.baselines.occformer.sine_position import sine_position
from tests.models import two_view_rig as rig

STRIDE = 16


@settings(max_examples=20, deadline=None)
@given(
    batch=st.integers(1, 2),
    cameras=st.integers(1, 2),
    bins=st.integers(1, 4),
    seed=st.integers(0, 10**6),
    outside=st.booleans(),
)
def test_lift_splat_is_its_slow_twin(batch, cameras, bins, seed, outside):
    generator = torch.Generator().manual_seed(seed)
    depth = torch.rand(batch, cameras, bins, 2, 3, generator=generator, dtype=torch.float64)
    context = torch.randn(batch, cameras, 5, 2, 3, generator=generator, dtype=torch.float64)
    ids = torch.randint(-1, 0 if outside else 8, depth.shape, generator=generator)
    fast, slow = (f(depth, context, ids, (2, 2, 2)) for f in (lift_splat, lift_splat_reference))
    torch.testing.assert_close(fast, slow)


def test_points_just_below_the_grid_are_outside():
    points = torch.tensor([[-0.01, 0.5, 0.5], [0.0, 0.5, 0.5], [1.99, 0.5, 0.5], [2.0, 0.5, 0.5]])
    assert voxel_ids(points, (0, 0, 0), (1, 1, 1), (2, 1, 1)).tolist() == [-1, 0, 1, -1]


def test_deformable_convolution_is_that_of_mmcv():
    x, weight = torch.randn(2, 8, 5, 6), torch.randn(12, 2, 3, 3)
    offsets = 2 * torch.randn(2, 18, 5, 6)
    expected = deform_conv2d(x, offsets, weight, 1, 1, 1, 4, 1)
    torch.testing.assert_close(deformable_conv2d(x, offsets, weight, groups=4), expected, atol=1e-4, rtol=1e-4)


def test_depth_network_goes_round():
    net = DepthNet(8, 8, 4, 6, ring=True).eval()
    torch.nn.init.normal_(next(m for m in net.modules() if isinstance(m, DeformableConv2d)).conv_offset.weight)
    x = torch.randn(1, 8, 4, 12)
    with torch.no_grad():
        for whole, turned in zip(net(x), net(x.roll(5, -1))):
            torch.testing.assert_close(turned, whole.roll(5, -1), atol=1e-5, rtol=1e-4)


def test_depth_of_a_bin_has_its_label_and_upstream_that_of_the_bin_before():
    bins = depth_bins((2.0, 6.0, 1.0))
    depth = torch.cat([torch.zeros(1), bins, torch.tensor([100.0])]).view(1, 1, 6)
    assert depth_labels(depth, bins, 1).flatten().tolist() == [BACKGROUND, 0, 1, 2, 3, BACKGROUND]
    shifted = depth_labels(depth, bins, 1, upstream_shift=True).flatten().tolist()
    assert shifted == [BACKGROUND, BACKGROUND, 0, 1, 2, BACKGROUND]


def test_the_nearest_depth_of_a_cell_counts():
    depth = torch.tensor([[[0.0, 5.0], [3.0, 0.0]]])
    assert depth_labels(depth, depth_bins((2.0, 6.0, 1.0)), 2).flatten().tolist() == [1]
    with pytest.raises(ValueError, match='multiples of 3'):
        depth_labels(depth, depth_bins((2.0, 6.0, 1.0)), 3)


def test_depth_loss_of_certainty_is_finite_and_of_nothing_zero():
    sure = torch.zeros(1, 3, 1, 1)
    sure[:, 0] = 1
    sure.requires_grad_()
    right, wrong, nothing = (depth_loss(sure, torch.tensor([[[label]]])) for label in (0, 1, BACKGROUND))
    assert right == 0 and nothing == 0 and 10 < wrong < 300
    (right + wrong + nothing).backward()
    assert sure.grad.isfinite().all()


@pytest.mark.parametrize('bounds', [(2.0, 2.0, 1.0), (2.0, 6.0, 0.0)])
def test_bounds_without_a_bin_are_refused(bounds):
    with pytest.raises(ValueError, match='expected bounds'):
        depth_bins(bounds)


def test_panoramic_bins_are_radial_and_seen_where_they_lie():
    angle = 0.3
    turn = rig.pose(translation=(0.2, -0.1, 0.4))
    turn[:2, :2] = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    view = rig.cameras(equi_pose=turn)['equi']
    points, valid = panoramic_points(view, depth_bins((1.0, 4.0, 1.0)), STRIDE)
    assert points.shape == (3, 4, 8, 3) and valid.all()
    for bin_points, distance in zip(points, (1.0, 2.0, 3.0)):
        ranges = nearest_ranges(bin_points.reshape(-1, 3), view, STRIDE)
        torch.testing.assert_close(ranges, torch.full((4, 8), distance))
    ranges = nearest_ranges(points.reshape(-1, 3), view, STRIDE)
    torch.testing.assert_close(ranges, torch.ones(4, 8))
    assert not nearest_ranges(torch.zeros(0, 4), view, STRIDE).any()


def test_a_lone_value_is_normalised_by_the_running_statistics():
    norm, plain = LoneValueNorm2d(3), torch.nn.BatchNorm2d(3)
    lone, several = torch.randn(1, 3, 1, 1), torch.randn(2, 3, 2, 2)
    torch.testing.assert_close(norm(lone), plain.eval()(lone))
    assert not norm.running_mean.any()
    torch.testing.assert_close(norm(several), plain.train()(several))
    torch.testing.assert_close(norm.running_mean, plain.running_mean)


def test_pooling_keeps_a_single_voxel_and_opens_what_sees_nothing():
    masks = torch.full((1, 2, 4, 4, 4), -1.0)
    masks[0, 0, 0, 0, 3] = 1.0
    blocked = preserve_pooling(masks, (2, 2, 2))
    assert blocked.flatten().tolist() == [True, False] + [True] * 14
    assert open_blocked_rows(blocked).flatten().tolist() == [True, False] + [True] * 6 + [False] * 8


def test_masks_of_half_size_are_read_corner_on_corner():
    masks = torch.randn(3, 2, 3, 2)
    shape = (4, 6, 4)
    points = torch.arange(4 * 6 * 4)
    full = torch.nn.functional.interpolate(masks[None], size=shape, mode='trilinear', align_corners=True)[0]
    torch.testing.assert_close(mask_at_points(masks, points, shape), full.flatten(1))
    torch.testing.assert_close(mask_at_points(full, points, shape), full.flatten(1))
    own = torch.stack([points.roll(step) for step in range(3)])
    for number in (5, len(points)):  # sampled one by one, and all at once
        some, expected = own[:, :number], full.flatten(1).gather(1, own[:, :number])
        torch.testing.assert_close(mask_at_points(masks, some, shape), expected)
        torch.testing.assert_close(mask_at_points(masks, points[:number], shape), full.flatten(1)[:, :number])


def test_rare_classes_are_drawn_more_often_and_unknown_never():
    labels = torch.tensor([0] * 50 + [1] * 50 + [255] * 50, dtype=torch.uint8)
    weights = voxel_weights(labels, sampling_weights((160000, 1)))
    drawn = torch.cat([draw_points(weights, 10, torch.Generator().manual_seed(s)) for s in range(50)])
    assert drawn.max() < 100 and (drawn >= 50).sum() > 5 * (drawn < 50).sum()
    assert len(draw_points(weights, 1000).unique()) == 100
    assert not len(draw_points(torch.zeros(4), 3))


def test_pairing_finds_the_query_that_drew_the_mask():
    truth = torch.rand(3, 40) < 0.5
    logits = torch.where(truth[[2, 0, 1]], 5.0, -5.0)
    classes = torch.zeros(4, 5)
    costs = matching_costs(classes, torch.cat([logits, -logits[:1]]), torch.tensor([0, 1, 3]), truth)
    queries, masks = assign(sum(costs))
    assert queries.tolist() == [0, 1, 2] and masks.tolist() == [2, 0, 1]
    with pytest.raises(ValueError, match='finite'):
        assign(torch.full((2, 2), torch.nan))


def test_losses_of_nothing_are_zero_and_points_that_do_not_count_do_not():
    assert class_loss(torch.randn(0, 4, 5), torch.zeros(0, 4, dtype=torch.long), torch.ones(5)) == 0
    assert mask_losses(torch.zeros(0, 7), torch.zeros(0, 7, dtype=torch.bool), torch.zeros(0)) == (0, 0)
    logits, masks, weights = torch.randn(2, 9), torch.rand(2, 9) < 0.5, torch.tensor([1.0, 2.0])
    counts = torch.arange(9).expand(2, -1) < 5
    some, all_of_some = mask_losses(logits, masks, weights, counts), mask_losses(logits[:, :5], masks[:, :5], weights)
    torch.testing.assert_close(some, all_of_some)


def test_weights_of_rare_and_absent_classes_are_finite():
    weights = query_class_weights((10**6, 10**3, 1, 0))
    assert weights.isfinite().all() and weights[0] == 1 and weights[1] == pytest.approx(2) and weights[-1] < 0.11


def test_flat_volumes_have_gradients_in_half_precision():
    """Whatever memory a gradient is put into: torch's own convolution leaves it unset in places."""
    conv = DualPathBlock(16, 16, stride=2, num_groups=4).input_conv[0]
    wide = torch.nn.Conv3d(16, 16, 3, 2, 1, bias=False)
    wide.load_state_dict(conv.state_dict())
    x = torch.randn(2, 16, 8, 8, 1)
    torch.testing.assert_close(conv(x), wide(x))
    for _ in range(10):
        junk = [torch.full((16, 16, 3, 3, 3), torch.nan, dtype=torch.bfloat16) for _ in range(4)]
        del junk
        conv.zero_grad()
        with torch.autocast('cpu', torch.bfloat16):
            conv(x).float().sum().backward()
        assert conv.weight.grad.isfinite().all()


def test_sine_position_tells_cells_apart():
    position = sine_position((4, 5, 3), 12).flatten(1).t()
    assert (torch.cdist(position, position) + torch.eye(len(position))).min() > 1e-3
    with pytest.raises(ValueError, match='multiple of 3'):
        sine_position((2, 2, 2), 8)
