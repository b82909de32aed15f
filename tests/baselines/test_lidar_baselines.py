"""SSCNet, LMSCNet and the occupancy encoder: sizes, refusals, degenerate scans."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet3d.registry import MODELS

from projects.OneOcc.oneocc.baselines import LMSCNet, PointOccupancyEncoder, SSCNet, SSCNetHead
from projects.OneOcc.oneocc.baselines.lidar.sscnet import balance_mask, balanced_cross_entropy
from projects.OneOcc.oneocc.structures import OccDataSample, Volumes

GRID = dict(shape=(16, 16, 8), voxel_size=0.4, origin=(-3.2, -3.2, -1.2))


def sample(labels: torch.Tensor) -> OccDataSample:
    out = OccDataSample()
    out.gt_occ = labels
    return out


@pytest.mark.parametrize(
    'name, arguments',
    [
        ('SSCNet', {}),
        ('LMSCNet', dict(height=8)),
        ('PointOccupancyEncoder', dict(grid=GRID)),
        ('SSCNetHead', dict(num_classes=6)),
        ('SSCNetHead', dict(num_classes=6, full=True)),
    ],
)
def test_each_part_builds_alone(name, arguments):
    MODELS.build(dict(type=name, **arguments))


@pytest.mark.parametrize(
    'points',
    [
        torch.empty(0, 4),
        torch.full((5, 4), 100.0),
        torch.tensor([[0.1, 0.1, 0.1, 0.5]]),
        torch.full((3, 4), float('nan')),
    ],
    ids=['empty', 'outside', 'one', 'nan'],
)
def test_degenerate_scans_give_a_defined_result(points, device):
    encoder = PointOccupancyEncoder(GRID)
    volumes = encoder([points.to(device)])
    expected = 1 if len(points) == 1 else 0
    assert int(volumes.cartesian.sum()) == expected == len(volumes.points[0])
    for neck, head in ((SSCNet(), SSCNetHead(2)), (SSCNet(), SSCNetHead(2, full=True))):
        logits = head.to(device)(neck.to(device)(volumes))[1]
        assert logits.shape == (1, 3, 16, 16, 8) and logits.isfinite().all()
    assert LMSCNet(8).to(device)(volumes)[1].isfinite().all()


@given(st.lists(st.tuples(*[st.floats(-4, 4)] * 3), max_size=20))
@settings(deadline=None, max_examples=30)
def test_occupancy_is_the_floor_rule(points):
    cloud = torch.tensor([(*p, 0.0) for p in points], dtype=torch.float64).reshape(-1, 4)
    volume = PointOccupancyEncoder(GRID)([cloud]).cartesian[0, 0]
    expected = torch.zeros(16, 16, 8)
    origin = torch.tensor(GRID['origin'], dtype=torch.float64)
    for point in cloud:
        index = torch.floor((point[:3] - origin) / 0.4).long()
        if ((index >= 0) & (index < torch.tensor(GRID['shape']))).all():
            expected[tuple(index)] = 1
    assert torch.equal(volume, expected)


@pytest.mark.parametrize('height', [2, 4, 6, 10, 12])
def test_lmscnet_refuses_heights_that_are_no_multiple_of_8(height):
    with pytest.raises(ValueError, match=f'multiple of 8, got {height}'):
        LMSCNet(height)


@pytest.mark.parametrize('finest', [1, 2])
@pytest.mark.parametrize('base', [None, 16])
def test_lmscnet_stops_at_its_finest_stride_at_any_width(finest, base):
    trunk = LMSCNet(8, finest=finest, base_channels=base)
    levels = trunk(Volumes((torch.rand(2, 1, 16, 24, 8) < 0.1).float()))
    expected = [stride for stride in (1, 2, 4, 8) if stride >= finest] if base is None else [finest]
    assert list(levels) == expected
    assert dict.fromkeys(levels, 1) == LMSCNet.widths(dict(height=8, finest=finest, base_channels=base))
    for stride, level in levels.items():
        assert level.shape == (2, 1, 16 // stride, 24 // stride, 8 // stride)
    sum(level.sum() for level in levels.values()).backward()
    assert [name for name, p in trunk.named_parameters() if p.grad is None] == []


def test_lmscnet_refuses_widths_and_strides():
    with pytest.raises(ValueError, match='base_channels that is a multiple of 8, got 12'):
        LMSCNet(8, base_channels=12)
    with pytest.raises(ValueError, match='expected finest 1 or 2, got 4'):
        LMSCNet(8, finest=4)


def test_wrong_grids_are_refused_with_their_size():
    with pytest.raises(ValueError, match='60'):
        LMSCNet(8)(Volumes(torch.zeros(1, 1, 60, 64, 8)))
    with pytest.raises(ValueError, match='multiples of 4'):
        SSCNet()(Volumes(torch.zeros(1, 1, 16, 16, 6)))


def test_sixteen_levels_work():
    maps = LMSCNet(16)(Volumes(torch.zeros(1, 1, 16, 16, 16)))
    assert {s: tuple(m.shape[2:]) for s, m in maps.items()} == {
        1: (16, 16, 16),
        2: (8, 8, 8),
        4: (4, 4, 4),
        8: (2, 2, 2),
    }


@pytest.mark.parametrize(
    'classes, full, expected', [(7, False, 923815), (11, False, 924331), (7, True, 980263), (11, True, 1013035)]
)
def test_parameter_counts_are_the_official_ones(classes, full, expected):
    parts = SSCNet(), SSCNetHead(classes - 1, full=full)
    assert sum(p.numel() for part in parts for p in part.parameters()) == expected


def test_balance_mask_counts_all_occupied_and_known_empty_only():
    labels = torch.randint(0, 3, (2, 8, 8, 4))
    labels[torch.rand(labels.shape) < 0.2] = 255
    labels[:, :4] = torch.where(labels[:, :4] == 255, 255, 0)
    mask = balance_mask(labels.transpose(2, 3)).transpose(2, 3)  # no matter how the memory lies
    occupied = (labels != 0) & (labels != 255)
    assert mask[occupied].all() and not mask[labels == 255].any()
    drawn = (mask & (labels == 0)).flatten(1).sum(1)
    assert (drawn <= 2 * occupied.flatten(1).sum(1)).all() and (drawn > 0).all()


@pytest.mark.parametrize('fill', [0, 1, 255], ids=['all empty', 'one class', 'all unknown'])
@pytest.mark.parametrize('legacy', [False, True])
def test_degenerate_labels_give_a_finite_loss(fill, legacy):
    head = SSCNetHead(2, legacy_norm=legacy)
    feats = {4: torch.randn(1, 128, 4, 4, 2, requires_grad=True)}
    losses = head.loss(feats, [sample(torch.full((16, 16, 8), fill, dtype=torch.uint8))])
    losses['loss_ce'].backward()
    assert losses['loss_ce'].isfinite() and feats[4].grad.isfinite().all()


def test_sane_norm_is_the_mean_over_the_mask():
    logits, labels = torch.randn(1, 3, 4, 4, 4), torch.randint(0, 3, (1, 4, 4, 4))
    mask = torch.rand(labels.shape) < 0.5
    expected = torch.nn.functional.cross_entropy(logits, labels, reduction='none')[mask].mean()
    torch.testing.assert_close(balanced_cross_entropy(logits, labels, mask), expected)


def test_wrong_class_counts_are_refused():
    with pytest.raises(ValueError, match='7 numbers .* got 2'):
        SSCNetHead(6).set_class_counts([1, 2])


def test_a_channel_that_is_not_used_costs_no_point():
    cloud = torch.rand(50, 4) - 0.5
    expected = PointOccupancyEncoder(GRID)([cloud])
    for value in (float('nan'), float('inf')):
        broken = cloud.clone()
        broken[:, 3] = value
        found = PointOccupancyEncoder(GRID)([broken])
        assert torch.equal(found['cartesian'], expected['cartesian'])
        assert torch.equal(found['points'][0][:, :3], expected['points'][0][:, :3])
        assert not found['points'][0][:, 3].any()
