"""Scatter form against the plain form with one mask per frustum."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from projects.OneOcc.oneocc.models.losses import frustum_proportion, proportion_kl


def masked_form(logits, labels, ids, num_frustums):
    """The loss as the paper's text says it: a loop over frustums with boolean masks."""
    probability = logits.softmax(dim=1).movedim(1, -1)
    terms = []
    for frustum in range(num_frustums):
        inside = (ids == frustum) & (labels != 255)
        if not inside.any():
            continue
        target = torch.bincount(labels[inside].long(), minlength=logits.shape[1]).to(logits)
        target = target / target.sum()
        predicted = probability[inside].sum(dim=0)
        predicted = predicted / predicted.sum()
        occurs = target > 0
        terms.append((target[occurs] * (target[occurs].log() - predicted[occurs].log())).sum())
    return torch.stack(terms).mean() if terms else logits.sum() * 0


@given(seed=st.integers(0, 10_000), frustums=st.integers(1, 9), unknown=st.sampled_from([0.0, 0.5, 1.0]))
@settings(max_examples=40, deadline=None)
def test_scatter_form_equals_masked_form(seed, frustums, unknown):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, 4, 3, 4, 2, generator=generator, dtype=torch.float64).requires_grad_()
    labels = torch.randint(0, 4, (2, 3, 4, 2), generator=generator)
    labels[torch.rand(labels.shape, generator=generator) < unknown] = 255
    ids = torch.randint(-1, frustums, labels.shape, generator=generator)
    ours = frustum_proportion(logits, labels, ids, frustums)
    plain = masked_form(logits, labels, ids, frustums)
    torch.testing.assert_close(ours, plain, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(
        torch.autograd.grad(ours, logits), torch.autograd.grad(plain, logits), rtol=1e-10, atol=1e-14
    )


def test_samples_are_pooled_before_the_divergence():
    """Two opposite samples whose proportions cancel cost nothing together."""
    labels = torch.tensor([[0, 0], [1, 1]]).view(2, 2, 1, 1)
    logits = torch.zeros(2, 2, 2, 1, 1)
    ids = torch.zeros(2, 1, 1, dtype=torch.int32)
    assert frustum_proportion(logits, labels, ids, 1) < 1e-7
    assert frustum_proportion(logits[:1], labels[:1], ids, 1) > 0.5


def test_one_map_serves_all_samples_and_empty_frustums_do_not_dilute():
    logits, labels = torch.randn(2, 3, 4, 2, 2), torch.randint(0, 3, (2, 4, 2, 2))
    ids = torch.randint(0, 4, (4, 2, 2), dtype=torch.int32)
    single = frustum_proportion(logits, labels, ids, 4)
    assert torch.equal(single, frustum_proportion(logits, labels, ids.expand(2, -1, -1, -1), 4))
    torch.testing.assert_close(frustum_proportion(logits, labels, ids, 400), single)


def test_no_frustum_at_all_costs_nothing():
    logits = torch.randn(1, 3, 2, 2, 2, requires_grad=True)
    loss = frustum_proportion(logits, torch.zeros(1, 2, 2, 2, dtype=torch.uint8), torch.full((2, 2, 2), -1), 4)
    loss.backward()
    assert loss == 0 and (logits.grad == 0).all()


def test_divergence_is_zero_for_equals_and_finite_for_impossible():
    target = torch.tensor([[0.25, 0.75], [1.0, 0.0]])
    assert torch.equal(proportion_kl(target, target), torch.zeros(2))
    assert proportion_kl(torch.tensor([0.0, 1.0]), torch.tensor([1.0, 0.0])).isfinite()


def test_map_of_another_grid_is_refused():
    with pytest.raises(ValueError, match='frustum_ids: expected shape'):
        frustum_proportion(
            torch.randn(1, 3, 2, 2, 2),
            torch.zeros(1, 2, 2, 2, dtype=torch.long),
            torch.zeros(2, 2, 3, dtype=torch.long),
            4,
        )
