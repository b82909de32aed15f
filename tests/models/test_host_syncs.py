"""A training step asks no tensor for its value, so on a GPU the host never waits inside it."""

import pytest
import torch
from mmengine.optim import OptimWrapper
from torch.utils._python_dispatch import TorchDispatchMode

from tests.models import small_baseline, tiny_oneocc

# operators whose result, or its size, must be known to the host before it can go on
WAITING = {
    '_local_scalar_dense',
    'nonzero',
    'masked_select',
    'bincount',
    '_unique2',
    'unique_dim',
    'is_nonzero',
    'equal',
}


class CountWaits(TorchDispatchMode):
    """Names of the operators that would make the host wait, in the order of their calls."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        by_mask = name in ('index', 'index_put', 'index_put_') and any(
            isinstance(index, torch.Tensor) and index.dtype == torch.bool for index in args[1] or ()
        )
        if name in WAITING or by_mask:
            self.found.append(name)
        return function(*args, **(kwargs or {}))


def test_waits_are_counted():
    values = torch.rand(4)
    with CountWaits() as count:
        values.sum().item()
        values[values > 0.5]
        bool(values.any())
        values[torch.tensor([0, 1])] + 1
    assert count.found == ['_local_scalar_dense', 'index', '_local_scalar_dense']


@pytest.mark.parametrize('which', ['oneocc', 'monoscene'])
def test_a_step_waits_for_nothing(which):
    made = tiny_oneocc if which == 'oneocc' else small_baseline
    model = made.build() if which == 'oneocc' else made.baseline()
    inputs, samples = made.batch(2)
    wrapper = OptimWrapper(
        torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True), clip_grad=dict(max_norm=10, norm_type=2)
    )

    def step():
        losses = model.train()(inputs, samples, mode='loss')
        wrapper.update_params(sum(value for name, value in losses.items() if 'loss' in name))

    step()  # the first meets a calibration and makes its tables
    with CountWaits() as count:
        step()
    # mmengine's wrapper logs the norm of the gradients, which it reads after the clipping
    assert count.found in ([], ['_local_scalar_dense'])
