"""Cross entropy and class weights."""

import pytest
import torch
import torch.nn.functional as F

from projects.OneOcc.oneocc.models.losses import class_weights_from_counts, voxel_cross_entropy


def test_it_is_torch_s_where_torch_s_is_defined():
    logits, labels = torch.randn(2, 4, 3, 3, 2), torch.randint(0, 4, (2, 3, 3, 2))
    labels[0, 0] = 255
    weights = torch.tensor([0.1, 2.0, 0.5, 1.0])
    for weight in (None, weights):
        torch.testing.assert_close(
            voxel_cross_entropy(logits, labels, weight), F.cross_entropy(logits, labels, weight, ignore_index=255)
        )


def test_only_classes_of_weight_zero_cost_nothing():
    logits, labels = torch.randn(1, 2, 4, requires_grad=True), torch.zeros(1, 4, dtype=torch.long)
    loss = voxel_cross_entropy(logits, labels, torch.tensor([0.0, 1.0]))
    loss.backward()
    assert loss == 0 and (logits.grad == 0).all()


def test_weights_of_another_number_of_classes_are_refused():
    with pytest.raises(ValueError, match=r'shape \(3,\), got \(2,\)'):
        voxel_cross_entropy(torch.randn(1, 3, 4), torch.zeros(1, 4, dtype=torch.long), torch.ones(2))


def test_class_weights_follow_the_formula_and_stay_positive():
    counts = [0, 1, 2, 3, 1000, 5.4e9]
    weights = class_weights_from_counts(counts)
    assert weights.dtype == torch.float64
    assert (weights > 0).all() and (weights <= 0.911).all() and (weights.diff() <= 0).all()
    torch.testing.assert_close(weights[-1], 1 / torch.log(torch.tensor(5.4e9 + 0.001, dtype=torch.float64)))
    assert torch.equal(class_weights_from_counts(torch.tensor(counts, dtype=torch.float64)), weights)


@pytest.mark.parametrize('counts', [[-1.0], [float('nan')], [float('inf')], [], [[1.0]]])
def test_bad_counts_are_refused(counts):
    with pytest.raises(ValueError, match='counts: expected'):
        class_weights_from_counts(counts)
