"""Coarse labels by the rule in words: class majority, else empty, else unknown."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from projects.OneOcc.oneocc.models.losses import majority_pool


def looped(labels, k, rule='lmscnet'):
    x, y, z = (size // k for size in labels.shape)
    pooled = torch.empty(x, y, z, dtype=labels.dtype)
    for i in range(x):
        for j in range(y):
            for m in range(z):
                cell = labels[k * i : k * i + k, k * j : k * j + k, k * m : k * m + k].flatten().tolist()
                real = [value for value in cell if value not in (0, 255)]
                winner = max(sorted(set(real)), key=real.count) if real else None
                if rule == 'lmscnet':
                    pooled[i, j, m] = winner if real else 0 if 0 in cell else 255
                elif len(cell) - len(real) > 0.95 * k**3:
                    pooled[i, j, m] = 0 if cell.count(0) > cell.count(255) else 255
                else:
                    pooled[i, j, m] = winner
    return pooled


@given(
    seed=st.integers(0, 10_000),
    factor=st.sampled_from([2, 4]),
    unknown=st.sampled_from([0.1, 0.5, 0.9]),
    rule=st.sampled_from(['lmscnet', 'monoscene']),
)
@settings(max_examples=30, deadline=None)
def test_it_is_the_rule_in_a_loop(seed, factor, unknown, rule):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 4, (2, 4, 8, 4), generator=generator)
    labels[torch.rand(labels.shape, generator=generator) < 0.6] = 0
    labels[torch.rand(labels.shape, generator=generator) < unknown] = 255
    labels = labels.to(torch.uint8)
    expected = torch.stack([looped(sample, factor, rule) for sample in labels])
    assert torch.equal(majority_pool(labels, factor, rule=rule), expected)


@pytest.mark.parametrize('fill', [0, 3, 255])
def test_uniform_cells_keep_their_label_and_type(fill):
    for dtype in (torch.uint8, torch.int64):
        pooled = majority_pool(torch.full((2, 2, 2), fill, dtype=dtype), 2)
        assert pooled.dtype == dtype and pooled.flatten().tolist() == [fill]


@pytest.mark.parametrize('factor', [0, 3])
def test_factor_must_divide_the_grid(factor):
    with pytest.raises(ValueError, match=f'factor {factor}'):
        majority_pool(torch.zeros(4, 4, 4, dtype=torch.uint8), factor)
