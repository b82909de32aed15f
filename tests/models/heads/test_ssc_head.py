"""SSCHead: what is supervised, how it is weighed, and its errors. Loss values: tests/goldens."""

import math

import pytest
import torch

from projects.OneOcc.oneocc.models.heads.subvoxels import divide_voxels
from projects.OneOcc.oneocc.models.losses import majority_pool, relation, relation_matrix
from tests.models import two_view_rig as rig
from tests.models.small_baseline import build

SHAPE = rig.GRID['shape']


def head(**changes):
    config = dict(type='SSCHead', num_classes=3, in_channels=(8, 16, 32), frustum=dict(view='equi', sectors=4, bands=4))
    return build(config, **changes)


def feats(batch=2, device='cpu', widths=(8, 16, 32)):
    return {
        s: torch.randn(batch, w, *(n // s for n in SHAPE), device=device, requires_grad=True)
        for s, w in zip((1, 2, 4), widths)
    }


def seen(batch=2, device='cpu'):
    return torch.ones(batch, *SHAPE, dtype=torch.bool, device=device)


@pytest.mark.parametrize('kind', ['linear', 'aspp'])
def test_logits_and_losses(device, kind):
    module = head(head=kind).to(device)
    levels = feats(device=device)
    assert {s: tuple(v.shape) for s, v in module(levels).items()} == {
        s: (2, 4, *(n // s for n in SHAPE)) for s in (1, 2, 4)
    }
    losses = module.loss(levels, [rig.sample(device=device)] * 2, seen(device=device))
    assert set(losses) == {
        'loss_ce',
        'loss_sem_scal',
        'loss_geo_scal',
        'loss_frustum',
        'loss_ce_2',
        'loss_sem_scal_2',
        'loss_geo_scal_2',
        'loss_ce_4',
        'loss_sem_scal_4',
        'loss_geo_scal_4',
    }
    sum(losses.values()).backward()
    assert all(p.grad is not None for p in module.parameters())


def test_uniform_logits_cost_the_logarithm_of_the_classes():
    module = head()
    for parameter in module.parameters():
        parameter.data.zero_()
    losses = module.loss(feats(), [rig.sample()] * 2, seen())
    for name in ('loss_ce', 'loss_ce_2', 'loss_ce_4'):
        assert losses[name].item() == pytest.approx(math.log(4), rel=1e-6)


def test_invisible_voxels_do_not_teach():
    """Gradient reaches features of labelled voxels only, and of the visible ones only."""
    visible = seen(1)
    visible[..., 2:] = False
    for supervise, expected in (('visible', visible[0]), ('known', seen(1)[0])):
        levels = feats(1)
        module = head(strides=(1,), in_channels=8, supervise=supervise)
        sum(module.loss(levels, [rig.sample()], visible).values()).backward()
        assert torch.equal(levels[1].grad[0].abs().sum(0) > 0, expected)


def test_coarse_targets_are_pooled_from_the_visible_ones():
    visible = seen(1)
    visible[..., 2:] = False
    sample = rig.sample()
    module = head(supervise='visible')
    labels = module._labels([sample], visible, torch.device('cpu'))
    assert (labels[..., 2:] == 255).all() and torch.equal(labels[0, ..., :2], sample.gt_occ[..., :2])
    assert (majority_pool(labels, 2)[..., 1] == 255).all()


def test_visibility_of_a_coarser_lifting_is_repeated():
    visible = torch.rand(1, 8, 8, 2) < 0.5
    labels = head()._labels([rig.sample()], visible, torch.device('cpu'))
    assert torch.equal(labels[0, ::2, 1::2, ::2] != 255, visible[0])


def test_class_counts_weigh_the_cross_entropy():
    module = head()
    assert module.class_weights is None
    module.set_class_counts([10**6, 10**4, 100, 3])
    expected = [1 / math.log(n + 0.001) for n in (10**6, 10**4, 100, 3)]
    assert module.class_weights.tolist() == pytest.approx(expected, rel=1e-6)
    assert 'class_weights' not in module.state_dict()
    with pytest.raises(ValueError, match='4 numbers.*got 3'):
        module.set_class_counts([1, 2, 3])


def test_loss_and_stride_weights():
    levels, samples = feats(), [rig.sample()] * 2
    plain = head()
    weighed = head(loss_weights=dict(frustum=0.5, ce=2), stride_weights=(1, 0.5, 0))
    weighed.load_state_dict(plain.state_dict())
    one, two = (module.loss(levels, samples, seen()) for module in (plain, weighed))
    factors = dict(loss_ce=2, loss_frustum=0.5, loss_sem_scal=1, loss_ce_2=1, loss_sem_scal_2=0.5, loss_ce_4=0)
    for name, factor in factors.items():
        torch.testing.assert_close(two[name], factor * one[name])


def test_relation_loss_where_the_neck_gives_logits():
    levels, samples = feats(1), [rig.sample()]
    logits = torch.randn(1, 4, 2 * 2 * 1 * 4, 4 * 4 * 2 * 4, requires_grad=True)  # M = 16, N = 128: stride 2
    losses = head().loss(dict(levels, relation_logits=logits), samples, seen(1))
    matrix = relation_matrix(majority_pool(samples[0].gt_occ[None], 2))
    torch.testing.assert_close(losses['loss_relation'], relation(logits, matrix))
    with pytest.raises(ValueError, match='belong to no stride'):
        head().loss(dict(levels, relation_logits=logits[..., :-1]), samples, seen(1))


def test_frustums_are_computed_once_per_calibration(monkeypatch):
    from projects.OneOcc.oneocc.models.heads import ssc_head

    calls = []
    original = ssc_head.panoramic_frustums
    monkeypatch.setattr(ssc_head, 'panoramic_frustums', lambda *a, **k: calls.append(1) or original(*a, **k))
    module = head()
    for _ in range(3):
        module.loss(feats(), [rig.sample(), rig.sample()], seen())
    assert len(calls) == 1
    assert head(frustum=None).loss(feats(), [rig.sample()] * 2, seen()).keys().isdisjoint({'loss_frustum'})


def test_prediction_is_the_argmax():
    module = head()
    levels = feats()
    expected = module(levels)[1].argmax(dim=1)
    labels = module.predict(levels, [])
    assert [tuple(volume.shape) for volume in labels] == [SHAPE] * 2
    assert torch.equal(torch.stack(labels).long(), expected) and labels[0].dtype == torch.uint8


def test_refusals():
    with pytest.raises(ValueError, match="'visible' or 'known'"):
        head(supervise='all')
    with pytest.raises(ValueError, match="'linear' or 'aspp'"):
        head(head='mlp')
    with pytest.raises(ValueError, match='begin with 1'):
        head(strides=(2, 4), in_channels=8)
    with pytest.raises(ValueError, match='one number for each of the strides'):
        head(in_channels=(8, 16))
    with pytest.raises(ValueError, match=r"loss_weights: expected.*\['dice'\]"):
        head(loss_weights=dict(dice=1))
    with pytest.raises(ValueError, match='expected the stride 4'):
        head()({1: feats()[1], 2: feats()[2]})
    with pytest.raises(ValueError, match='visibility'):
        head().loss(feats(), [rig.sample()] * 2, None)
    with pytest.raises(ValueError, match=r'\(16, 16, 4\) do not fit labels of \(8, 8, 8\)'):
        small = rig.sample()
        del small.gt_occ
        small.gt_occ = torch.zeros(8, 8, 8, dtype=torch.uint8)
        head(supervise='known').loss(feats(1), [small])


def test_divide_voxels_puts_each_channel_into_its_part(device):
    volume = torch.arange(2 * 16 * 3 * 2 * 1, device=device).view(2, 16, 3, 2, 1)
    parted = divide_voxels(volume, 2)
    assert parted.shape == (2, 2, 6, 4, 2)
    for i, j, k in ((0, 0, 0), (1, 0, 1), (0, 1, 1), (1, 1, 0)):
        channel = (i * 2 + j) * 2 + k
        assert torch.equal(parted[:, :, i::2, j::2, k::2], volume[:, [channel, 8 + channel]])
    assert divide_voxels(volume, 1) is volume


def test_subvoxels_classify_a_finer_grid(device):
    module = head(subvoxels=2, strides=(1, 2), in_channels=(8, 16)).to(device)
    coarse = {
        s: torch.randn(2, w, *(n // s // 2 for n in SHAPE), device=device, requires_grad=True)
        for s, w in ((1, 8), (2, 16))
    }
    assert {s: tuple(v.shape) for s, v in module(coarse).items()} == {
        s: (2, 4, *(n // s for n in SHAPE)) for s in (1, 2)
    }
    half = torch.ones(2, *(n // 2 for n in SHAPE), dtype=torch.bool, device=device)
    sum(module.loss(coarse, [rig.sample(device=device)] * 2, half).values()).backward()
    assert all(level.grad.abs().sum() > 0 for level in coarse.values())
    assert module.predict(coarse, [])[0].shape == SHAPE
    with pytest.raises(ValueError, match='subvoxels'):
        head(subvoxels=0)


def thin_poles(parts: int) -> torch.Tensor:
    """Labels (1, 2 X, 2 Y, 2 Z) with poles one label voxel thick, at places of all parities."""
    torch.manual_seed(1)
    labels = torch.zeros(1, 24, 24, 8, dtype=torch.long)
    for _ in range(24):
        i, j = torch.randint(2, 22, (2,)).tolist()
        labels[0, i, j, :5] = 1
    return labels


def parity_shares(found: torch.Tensor) -> torch.Tensor:
    """(4,) mean of (X, Y, Z) over the voxels of each parity of i and j."""
    return torch.stack([found[i::2, j::2].mean() for i in (0, 1) for j in (0, 1)])


@pytest.mark.parametrize('method', ['split', 'upsample'])
def test_thin_things_do_not_come_out_as_a_checkerboard(device, method):
    """Fitted to poles: no parity of the label grid holds more than twice another's share."""
    torch.manual_seed(0)
    labels = thin_poles(2).to(device)
    # coarse features that say where the poles are, smeared as bilinear lifting smears them
    signal = torch.nn.functional.avg_pool3d((labels == 1).float()[:, None], 3, 1, 1)
    coarse = torch.nn.functional.avg_pool3d(signal, 2) * 20
    features = torch.cat([coarse.roll(shift, dims=2 + axis) for axis in range(3) for shift in (-1, 0, 1)], 1)[:, :8]
    settings = dict(num_classes=1, subvoxels=2, strides=(1,), in_channels=8, subvoxel_channels=8)
    module = head(**settings, subvoxel_method=method).to(device)
    optimizer = torch.optim.Adam(module.parameters(), lr=2e-2)
    for _ in range(60):
        optimizer.zero_grad()
        logits = module({1: features})[1]
        torch.nn.functional.cross_entropy(logits, labels, weight=torch.tensor([1.0, 20.0], device=device)).backward()
        optimizer.step()
    found = (module({1: features})[1].argmax(1) == 1).float()[0]
    shares = parity_shares(found)
    assert 0 < shares.min() and shares.max() < 2 * shares.min(), shares


def test_upsampled_parts_of_a_uniform_scene_are_alike(device):
    """Whatever the weights: features that are the same everywhere give the same logits at every parity."""
    module = head(subvoxels=2, strides=(1,), in_channels=8, subvoxel_method='upsample').to(device)
    uniform = torch.randn(1, 8, 1, 1, 1, device=device).expand(1, 8, 8, 8, 8)
    inner = module({1: uniform})[1][..., 3:-3, 3:-3, 3:-3]
    torch.testing.assert_close(inner, inner[..., :1, :1, :1].expand_as(inner))
    apart = head(subvoxels=2, strides=(1,), in_channels=8, subvoxel_method='split').to(device)({1: uniform})[1]
    assert (apart[..., 4, 4, 4] - apart[..., 5, 4, 4]).abs().max() > 1e-3
    with pytest.raises(ValueError, match=r"subvoxel_method: expected one of \['split', 'upsample'\], got 'shuffle'"):
        head(subvoxels=2, subvoxel_method='shuffle')
