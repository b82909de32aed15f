"""What every voxel loss promises: guards, precision, invariances, gradients."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from projects.OneOcc.oneocc.models.losses import (
    class_probabilities,
    frustum_proportion,
    geometric_scal,
    lovasz_softmax,
    semantic_scal,
    soft_confusion,
    voxel_cross_entropy,
)

CLASSES, FRUSTUMS = 5, 6
GRID = (4, 3, 2)


def frustum_ids(labels):
    """A fixed partition along the grid, one voxel in seven in no frustum."""
    ids = torch.arange(labels[0].numel(), device=labels.device)
    return torch.where(ids % 7 == 0, -1, ids % FRUSTUMS).view(labels.shape[1:])


LOSSES = {
    'cross_entropy': voxel_cross_entropy,
    'weighted': lambda x, y: voxel_cross_entropy(x, y, torch.linspace(0.1, 2, CLASSES, device=x.device)),
    'semantic_scal': semantic_scal,
    'geometric_scal': geometric_scal,
    'frustum_proportion': lambda x, y: frustum_proportion(x, y, frustum_ids(y), FRUSTUMS),
    'lovasz': lovasz_softmax,
}
# Labels at which the official code divides by zero or raises in one loss or another
CORNERS = {
    'all_unknown': lambda y: y.fill_(255),
    'all_empty': lambda y: y.fill_(0),
    'all_one_class': lambda y: y.fill_(2),
    'all_occupied': lambda y: y.clamp_(min=1),
    'empty_and_unknown': lambda y: y.copy_(torch.where(y == 0, 0, 255)),
    'one_known_voxel': lambda y: y.fill_(255).view(-1)[3:4].fill_(1),
    'first_sample_unknown': lambda y: y[:1].fill_(255),
}
each_loss = pytest.mark.parametrize('loss', LOSSES.values(), ids=LOSSES)


def batch(seed=0, unknown=0.2, dtype=torch.float32, device='cpu'):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, CLASSES, *GRID, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, CLASSES, (2, *GRID), generator=generator)
    labels[torch.rand(2, *GRID, generator=generator) < unknown] = 255
    return logits.to(device, dtype).requires_grad_(), labels.to(device, torch.uint8)


def gradient(loss, logits, labels):
    value = loss(logits, labels)
    return value.detach(), torch.autograd.grad(value, logits)[0]


@each_loss
@pytest.mark.parametrize('corner', CORNERS.values(), ids=CORNERS)
def test_corner_cases_are_finite(loss, corner, device):
    logits, labels = batch(device=device)
    corner(labels)
    value, grad = gradient(loss, logits, labels)
    assert value.shape == () and value.isfinite() and value >= 0 and grad.isfinite().all()


@each_loss
def test_nothing_known_gives_zero_with_zero_gradient(loss, device):
    logits, labels = batch(device=device)
    value, grad = gradient(loss, logits, labels.fill_(255))
    assert value == 0 and (grad == 0).all()


@each_loss
@given(seed=st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_unknown_voxels_have_no_say(loss, seed):
    logits, labels = batch(seed, dtype=torch.float64)
    value, grad = gradient(loss, logits, labels)
    unknown = (labels == 255)[:, None].expand_as(logits)
    other = torch.where(unknown, torch.randn_like(logits) * 5, logits.detach()).requires_grad_()
    torch.testing.assert_close(gradient(loss, other, labels)[0], value, rtol=1e-12, atol=1e-12)
    assert (grad[unknown] == 0).all()


@pytest.mark.parametrize('name', [name for name in LOSSES if name != 'frustum_proportion'])
@given(seed=st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_order_of_voxels_does_not_matter(name, seed):
    logits, labels = batch(seed, dtype=torch.float64)
    order = torch.randperm(labels[0].numel(), generator=torch.Generator().manual_seed(seed))
    shuffled = logits.flatten(2)[..., order], labels.flatten(1)[:, order]
    torch.testing.assert_close(LOSSES[name](*shuffled), LOSSES[name](logits, labels), rtol=1e-12, atol=1e-12)


@each_loss
def test_order_of_samples_does_not_matter(loss):
    logits, labels = batch(dtype=torch.float64)
    torch.testing.assert_close(loss(logits.flip(0), labels.flip(0)), loss(logits, labels))


@each_loss
def test_certain_and_right_costs_nothing(loss):
    _, labels = batch(unknown=0.2)
    target = torch.where(labels == 255, 0, labels.long())
    logits = 60 * torch.nn.functional.one_hot(target, CLASSES).movedim(-1, 1).float()
    assert loss(logits, labels) < 1e-5


@each_loss
def test_extreme_logits_stay_finite(loss):
    logits, labels = batch()
    value, grad = gradient(loss, (logits.detach() * 1e4).requires_grad_(), labels)
    assert value.isfinite() and grad.isfinite().all()


@each_loss
@pytest.mark.parametrize('half', [torch.bfloat16, torch.float16], ids=str)
def test_autocast_does_not_touch_the_loss(loss, half, device):
    logits, labels = batch(device=device)
    with torch.autocast(device.type, dtype=half):
        inside = loss(logits, labels)
    assert inside.dtype == torch.float32
    # not bitwise: scattered sums on a GPU have no fixed order
    torch.testing.assert_close(inside, loss(logits, labels), rtol=1e-6, atol=1e-6)
    low = logits.detach().to(half)
    torch.testing.assert_close(loss(low, labels), loss(low.float(), labels), rtol=1e-6, atol=1e-6)


@each_loss
def test_float64_stays_float64_and_gradcheck_passes(loss):
    logits, labels = batch(dtype=torch.float64)
    assert loss(logits, labels).dtype == torch.float64
    small = logits.detach()[..., :2, :, :1].contiguous().requires_grad_()
    few = labels[:, :2, :, :1].contiguous()
    torch.autograd.gradcheck(lambda x: loss(x, few), small)


@each_loss
def test_label_type_does_not_matter(loss):
    logits, labels = batch()
    assert torch.equal(loss(logits, labels), loss(logits, labels.long()))


@each_loss
def test_wrong_shapes_and_types_are_refused(loss):
    logits, labels = batch()
    with pytest.raises(ValueError, match=r'labels: expected shape \(2, 4, 3, 2\)'):
        loss(logits, labels[:, :2])
    with pytest.raises(TypeError, match='labels: expected integers'):
        loss(logits, labels.float())
    with pytest.raises(TypeError, match='floating-point logits'):
        loss(logits.long(), labels)


def affinity_by_voxels(probability, truth):
    """-log P - log R - log S of one class, from its probability and truth (N,) at the known voxels."""
    precision = (probability * truth).sum() / probability.sum()
    recall = (probability * truth).sum() / truth.sum()
    specificity = ((1 - probability) * (1 - truth)).sum() / (1 - truth).sum()
    return -(precision.log() + recall.log() + specificity.log())


def test_affinities_are_sums_over_voxels():
    """From the matrix of summed probabilities, against the definition, with gradients."""
    logits, labels = batch(dtype=torch.float64)
    known = labels != 255
    probability, truth = logits.softmax(1).movedim(1, -1)[known], labels[known]
    classes = [affinity_by_voxels(probability[:, k], (truth == k).double()) for k in range(CLASSES)]
    wanted = {
        semantic_scal: torch.stack(classes).mean(),
        geometric_scal: affinity_by_voxels(1 - probability[:, 0], (truth > 0).double()),
    }
    for loss, value in wanted.items():
        got, grad = gradient(loss, logits, labels)
        torch.testing.assert_close(got, value.detach())
        torch.testing.assert_close(grad, torch.autograd.grad(value, logits, retain_graph=True)[0])


def test_losses_that_share_probabilities_are_the_same():
    logits, labels = batch()
    probability = class_probabilities(logits)
    confusion = soft_confusion(logits, labels, probability=probability)
    ids = frustum_ids(labels)
    for loss in (semantic_scal, geometric_scal):
        assert torch.equal(loss(logits, labels, confusion=confusion), loss(logits, labels))
    shared = frustum_proportion(logits, labels, ids, FRUSTUMS, probability=probability)
    assert torch.equal(shared, frustum_proportion(logits, labels, ids, FRUSTUMS))
