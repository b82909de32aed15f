"""OneOcc as section 4.5 describes it, at 608x1216: forward, backward, predict."""

import pytest
import torch

from tests.models.test_oneocc_configs import build, model_of
from tests.models.two_view_rig import cameras, equi_camera, raw_camera, sample

SIZES = dict(equi=(608, 1216), raw=(576, 768))

pytestmark = pytest.mark.slow


def batch(device, shape=(64, 64, 8)):
    from projects.OneOcc.core.geometry import CartesianGrid

    imgs = {view: torch.randn(1, 3, *size, device=device) for view, size in SIZES.items()}
    data = sample(
        cameras(equi=equi_camera(SIZES['equi']), raw=raw_camera(SIZES['raw'])),
        labels=torch.randint(0, 7, shape, dtype=torch.uint8),
        device=device,
    )
    data.set_metainfo(dict(grid=CartesianGrid(shape, 25.6 / shape[0], (-12.8, -12.8, -1.2))))
    return dict(imgs=imgs), [data]


def test_forward_backward_predict(device):
    model = build(model_of('oneocc/oneocc_quadsim.py')).to(device)
    model.init_weights()
    inputs, samples = batch(device)
    losses = model(inputs, samples, mode='loss')
    total = sum(value for name, value in losses.items() if 'loss' in name)
    total.backward()
    assert torch.isfinite(total)
    assert not [name for name, p in model.named_parameters() if p.grad is None]
    model.eval()
    with torch.no_grad():
        predicted = model(inputs, samples, mode='predict')[0].pred_occ
    assert predicted.shape == (64, 64, 8) and predicted.dtype == torch.uint8


def test_light_costs_a_tenth(device):
    from torch.utils.flop_counter import FlopCounterMode

    macs = {}
    for name in ('oneocc', 'oneocc-light'):
        model = build(model_of(f'oneocc/{name}_quadsim.py')).to(device).eval()
        inputs, samples = batch(device)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            model(inputs, samples)
        macs[name] = counter.get_total_flops() / 2
    assert macs['oneocc-light'] <= 0.105 * macs['oneocc']  # a tenth, as its config says
