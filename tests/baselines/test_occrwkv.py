"""OccRWKV: parts against their definitions, degenerate scans, parameters that all learn."""

import pytest
import torch

from projects.OneOcc.oneocc.baselines import OccRWKV, OccRWKVHead, PointOccupancyEncoder
from projects.OneOcc.oneocc.baselines.occrwkv.bi_wkv import bi_wkv, bi_wkv_reference, q_shift
from projects.OneOcc.oneocc.baselines.occrwkv.branches import SemanticBranch
from projects.OneOcc.oneocc.models.layers.active_voxels import ActiveVoxels
from projects.OneOcc.oneocc.structures import OccDataSample

GRID = dict(shape=(32, 32, 8), voxel_size=0.4, origin=(-6.4, -6.4, -1.2))


def parameters(*modules) -> int:
    return sum(p.numel() for module in modules for p in module.parameters())


def voxels_at(coords: list, channels: int = 4) -> ActiveVoxels:
    return ActiveVoxels(torch.tensor(coords), torch.randn(len(coords), channels), (8, 8, 8), 1)


@pytest.mark.parametrize('tokens', [1, 2, 16, 100])
def test_linear_time_equals_the_formula(tokens, device):
    decay, first = torch.linspace(-5, 40, 6).double(), torch.randn(6).double()
    key, value = torch.randn(2, 2, tokens, 6).double().to(device)
    decay, first = decay.to(device), first.to(device)
    torch.testing.assert_close(
        bi_wkv(decay, first, key, value), bi_wkv_reference(decay, first, key, value), rtol=1e-9, atol=1e-9
    )


def test_bi_wkv_gradients():
    arguments = [torch.randn(s, dtype=torch.float64, requires_grad=True) for s in ((3,), (3,), (1, 5, 3), (1, 5, 3))]
    assert torch.autograd.gradcheck(bi_wkv, arguments)


def test_bi_wkv_stays_in_float32_under_autocast():
    arguments = [torch.randn(s) for s in ((8,), (8,), (1, 64, 8), (1, 64, 8))]
    with torch.autocast('cpu', torch.bfloat16):
        inside = bi_wkv(*arguments)
    assert inside.dtype == torch.float32 and torch.equal(inside, bi_wkv(*arguments))


def test_bi_wkv_is_a_weighted_mean():
    out = bi_wkv(torch.randn(4), torch.randn(4), torch.randn(1, 20, 4), torch.ones(1, 20, 4))
    torch.testing.assert_close(out, torch.ones_like(out))


def test_q_shift_reads_the_four_neighbours():
    x = torch.arange(12.0).reshape(1, 12, 1).expand(1, 12, 4)  # a 3 x 4 map
    out = q_shift(x, (3, 4)).unflatten(1, (3, 4))[0]
    assert out[1, 1].tolist() == [4, 6, 1, 9]  # left, right, upper, lower of token 5
    assert out[0, 0].tolist() == [0, 1, 0, 4]


def test_top_view_is_the_maximum_of_a_column():
    voxels = voxels_at([[0, 1, 1, 1], [0, 1, 1, 5], [0, 3, 2, 0]])
    top = SemanticBranch.top_view(voxels)
    torch.testing.assert_close(top[0, :, 1, 1], voxels.feats[:2].amax(0))
    torch.testing.assert_close(top[0, :, 3, 2], voxels.feats[2])
    assert int((top != 0).any(1).sum()) == 2


def test_parameters_are_the_original_ones_without_what_is_never_called():
    original = dict(shape=(256, 256, 32), voxel_size=0.2, origin=(0.0, -25.6, -2.0))
    neck, head = OccRWKV(original, 19), OccRWKVHead(19, original)
    assert parameters(neck.point_features) == 3_936
    assert parameters(neck.completion) == 1_428_566
    bev = parameters(neck.norm, neck.stem, neck.down, neck.blocks, neck.fusions, neck.up, head)
    assert bev == 33_909_376 - 4_699_136  # four RWKV blocks that are built and never called
    unused = sum(2 * r * r + r for r in (32, 64, 128))  # a linear layer a stage, built and never called
    assert parameters(neck.semantic) == 2_573_817 - unused


@pytest.mark.parametrize('shape', [(60, 64, 8), (64, 64, 6)])
def test_wrong_grids_are_refused(shape):
    with pytest.raises(ValueError, match='multiple'):
        OccRWKV(dict(GRID, shape=shape), 6)


@pytest.fixture(scope='module')
def model():
    torch.manual_seed(0)
    encoder, neck, head = PointOccupancyEncoder(GRID), OccRWKV(GRID, 6), OccRWKVHead(6, GRID)
    head.set_class_counts([1000, 10, 10, 100, 100, 100, 100])
    return encoder, neck, head


def samples(labels: torch.Tensor) -> list[OccDataSample]:
    out = []
    for label in labels:
        out.append(OccDataSample())
        out[-1].gt_occ = label.to(torch.uint8)
    return out


@pytest.mark.parametrize(
    'points',
    [torch.empty(0, 4), torch.full((5, 4), 100.0), torch.tensor([[0.1, 0.1, 0.1, 0.5]])],
    ids=['empty', 'outside', 'one'],
)
@pytest.mark.parametrize('fill', [0, 3, 255], ids=['empty labels', 'one class', 'unknown labels'])
def test_degenerate_scans_and_labels_give_finite_losses(model, points, fill):
    encoder, neck, head = model
    neck.train()
    losses = head.loss(neck(encoder([points, points])), samples(torch.full((2, *GRID['shape']), fill)))
    assert all(loss.isfinite() for loss in losses.values())
    sum(losses.values()).backward()


def test_every_parameter_learns_and_predictions_have_the_grids_shape(model):
    encoder, neck, head = model
    neck.train().zero_grad()
    points = [torch.randn(500, 4) * 3, torch.randn(300, 4) * 3]
    losses = head.loss(neck(encoder(points)), samples(torch.randint(0, 7, (2, *GRID['shape']))))
    sum(losses.values()).backward()
    assert [n for m in (neck, head) for n, p in m.named_parameters() if p.grad is None] == []
    neck.eval()
    head.eval()
    feats = neck(encoder(points))
    assert 'semantic' not in feats
    predicted = head.predict(feats, [])
    assert predicted[0].shape == GRID['shape'] and predicted[0].dtype == torch.uint8
    assert torch.equal(predicted[1], head(feats)[1][1].argmax(0).to(torch.uint8))
