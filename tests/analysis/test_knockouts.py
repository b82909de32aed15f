"""Knock-outs take away what they name, say nothing of what is dead, and leave the model as it was."""

import pytest
import torch

from projects.OneOcc.oneocc.analysis import KNOCKOUTS, knockouts_of
from projects.OneOcc.oneocc.analysis.knockouts import Frames, patched
from tests.models import tiny_oneocc
from tests.models import two_view_rig as rig


@pytest.fixture(scope='module')
def alive():
    """A OneOcc whose every part has random weights, so that every signal reaches the logits."""
    torch.manual_seed(0)
    model = tiny_oneocc.build(ranges=dict(bins=(0.5, 12.0, 8)))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model.eval()


def frames() -> Frames:
    torch.manual_seed(1)
    cameras = rig.cameras(equi_pose=rig.pose(translation=(0, 0, 0.2)), raw_pose=rig.pose(rig.DOWN, (0, 0, 0.2)))
    own, other = tiny_oneocc.batch(), tiny_oneocc.batch(samples=[rig.sample(cameras)])
    shifts = {view: {s: torch.full((2,), 0.5) for s in rig.SCALES} for view in ('equi', 'raw')}
    return Frames(*own, *other, shifts)


def logits(model, given: Frames) -> torch.Tensor:
    with torch.no_grad():
        return model(given.inputs, given.samples, mode='tensor')[1]


@pytest.mark.parametrize('knockout', [k for k in KNOCKOUTS if 'position' not in k.name], ids=lambda k: k.name)
def test_an_alive_signal_is_missed_and_the_model_is_left_as_it_was(alive, knockout):
    given = frames()
    before = logits(alive, given)
    state = {name: value.clone() for name, value in alive.state_dict().items()}
    with knockout.without(alive, given):
        without = logits(alive, given)
    assert (without - before).abs().max() > 1e-3
    assert torch.equal(logits(alive, frames()), before)
    assert all(torch.equal(value, state[name]) for name, value in alive.state_dict().items())


@pytest.mark.parametrize('name', ['displacements: zero', 'experts: all alike', 'experts: one for all'])
def test_a_signal_that_is_dead_is_not_missed(name):
    torch.manual_seed(0)
    model = tiny_oneocc.build().eval()  # as initialised: no displacement
    for part in model.modules():
        if hasattr(part, 'contract_bias'):  # experts that add nothing
            torch.nn.init.zeros_(part.contract.weight)
    given = frames()
    before = logits(model, given)
    with next(k for k in KNOCKOUTS if k.name == name).without(model, given):
        assert torch.equal(logits(model, given), before)


def test_models_are_asked_only_about_what_they_have(alive):
    plain = tiny_oneocc.build(raw=None, gait=None, grids=('cartesian',), amoe=False)
    names = {knockout.name for knockout in knockouts_of(plain)}
    assert {name.split(':')[0] for name in names} == {'equi', 'ring', 'camera pose'}
    assert {k.name for k in KNOCKOUTS} - {k.name for k in knockouts_of(alive)} == {'voxel position: none'}


def test_patched_restores_modules_methods_and_attributes_even_after_an_error(alive):
    gait, neck = alive.view_transformer.gait, alive.neck
    with pytest.raises(RuntimeError, match='stop'):
        with patched(alive.view_transformer, 'gait', None), patched(neck, 'forward', None):
            assert alive.view_transformer.gait is None
            raise RuntimeError('stop')
    assert alive.view_transformer.gait is gait and 'forward' not in vars(neck)
    assert any(module is gait for module in alive.modules())
