"""Relation matrix and loss of the context relation prior."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from projects.OneOcc.oneocc.models.losses import relation, relation_matrix


def looped_matrix(labels):
    """Every voxel against every voxel of every 2x2x2 block, one pair at a time."""
    x, y, z = labels.shape
    blocks = [
        labels[i : i + 2, j : j + 2, k : k + 2].flatten().tolist()
        for i in range(0, x, 2)
        for j in range(0, y, 2)
        for k in range(0, z, 2)
    ]
    matrix = torch.zeros(4, labels.numel(), len(blocks), dtype=torch.uint8)
    for n, own in enumerate(labels.flatten().tolist()):
        for m, block in enumerate(blocks):
            for other in block:
                if 255 in (own, other):
                    continue
                if own and other:
                    kind = 0 if own == other else 1
                else:
                    kind = 2 if own == other else 3
                matrix[kind, n, m] = 1
    return matrix


@given(seed=st.integers(0, 10_000), unknown=st.sampled_from([0.0, 0.4, 1.0]))
@settings(max_examples=15, deadline=None)
def test_matrix_is_that_of_a_loop(seed, unknown):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 4, (2, 4, 2, 2), generator=generator)
    labels[torch.rand(labels.shape, generator=generator) < unknown] = 255
    expected = torch.stack([looped_matrix(sample) for sample in labels])
    assert torch.equal(relation_matrix(labels.to(torch.uint8)), expected)


def test_blocks_must_divide_the_grid():
    with pytest.raises(ValueError, match='multiples of 2'):
        relation_matrix(torch.zeros(1, 4, 3, 2, dtype=torch.uint8))


def test_loss_is_weighted_binary_cross_entropy():
    matrix = (torch.rand(2, 4, 6, 3) < 0.3).to(torch.uint8)
    logits = torch.randn(2, 4, 3, 6)
    counts = matrix.sum(dim=(0, 2, 3))
    weight = (matrix[0, 0].numel() * 2 - counts) / counts
    expected = F.binary_cross_entropy_with_logits(logits.mT, matrix.float(), pos_weight=weight[:, None, None])
    torch.testing.assert_close(relation(logits, matrix), expected)


@pytest.mark.parametrize('fill', [0, 1])
def test_a_relation_without_positives_or_negatives_is_finite(fill):
    logits = torch.randn(1, 4, 3, 6, requires_grad=True)
    loss = relation(logits, torch.full((1, 4, 6, 3), fill, dtype=torch.uint8))
    loss.backward()
    assert loss.isfinite() and logits.grad.isfinite().all()


def test_autocast_and_transposed_logits():
    matrix = (torch.rand(1, 4, 6, 3) < 0.3).to(torch.uint8)
    logits = torch.randn(1, 4, 3, 6)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert torch.equal(relation(logits, matrix), relation(logits.float(), matrix))
    with pytest.raises(ValueError, match=r'matrix: expected shape \(1, 4, 6, 3\)'):
        relation(logits, matrix.mT)
