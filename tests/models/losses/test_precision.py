"""The guards that the losses share."""

import pytest
import torch

from projects.OneOcc.oneocc.models.losses.precision import full_precision, negative_log, safe_ratio


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64, torch.bfloat16], ids=str)
def test_products_inside_a_loss_are_not_autocast(dtype):
    gram = full_precision(lambda logits: logits @ logits.mT)
    logits = torch.rand(8, 8).to(dtype)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        inside = gram(logits)
    assert inside.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert torch.equal(inside, gram(logits))


def test_ratio_of_nothing_is_zero_with_zero_gradient():
    values = torch.tensor([[0.0, 1.0, 2.0], [0.0, 0.0, 4.0]], requires_grad=True)
    ratio = safe_ratio(values[0], values[1])
    ratio.sum().backward()
    assert ratio.tolist() == [0.0, 0.0, 0.5]
    assert values.grad.tolist() == [[0.0, 0.0, 0.25], [0.0, 0.0, -0.125]]


def test_logarithm_is_clamped_at_100_and_never_negative():
    ratio = torch.tensor([0.0, 1e-30, 0.5, 1.0, 1.0000001], requires_grad=True)
    term = negative_log(ratio)
    term.sum().backward()
    assert term[0] == 100 and (term >= 0).all() and ratio.grad.isfinite().all()
    torch.testing.assert_close(term[1:4], -ratio[1:4].log())
    assert ratio.grad[0] == 0 and term[4] == 0
