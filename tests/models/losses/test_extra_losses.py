"""Losses of one's own in a config."""

import pytest
import torch
from mmdet3d.registry import MODELS
from torch import nn

from projects.OneOcc.oneocc.models.heads.ssc_head import SSCHead
from projects.OneOcc.oneocc.models.losses import build_extra_losses, extra_losses
from projects.OneOcc.oneocc.structures import OccDataSample


class EmptyShare(nn.Module):
    """Mean probability of empty over known voxels, with a parameter of its own."""

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        assert logits.dtype == torch.float32 and labels.dtype == torch.int64
        return self.weight * logits.softmax(1)[:, 0][labels != 255].mean()


@pytest.fixture(scope='module', autouse=True)
def registered():
    MODELS.register_module(name='EmptyShareOfTheTests', module=EmptyShare)
    yield
    MODELS.module_dict.pop('EmptyShareOfTheTests')


def head(**settings) -> SSCHead:
    return SSCHead(num_classes=2, in_channels=(4, 8), strides=(1, 2), supervise='known', **settings)


def losses_of(model: SSCHead) -> dict:
    generator = torch.Generator().manual_seed(0)
    feats = {s: torch.randn(1, 4 * s, 8 // s, 8 // s, 4 // s, generator=generator) for s in (1, 2)}
    labels = torch.randint(0, 3, (8, 8, 4), generator=generator).to(torch.uint8)
    labels[0] = 255
    return model.loss(feats, [OccDataSample(gt_occ=labels)])


def test_a_loss_of_ones_own_stands_beside_the_others_and_trains():
    model = head(extra_losses=[dict(type='EmptyShareOfTheTests', name='empty', weight=0.5)])
    losses = losses_of(model)
    assert 0 < losses['loss_empty'] < 0.5 and 'loss_empty_2' not in losses
    losses['loss_empty'].backward()
    assert model.extra_losses['empty'].weight.grad != 0 and model.classifiers['1'].weight.grad.abs().sum() > 0


def test_without_any_nothing_changes():
    plain, with_none = head(), head(extra_losses=[])
    assert plain.state_dict().keys() == with_none.state_dict().keys()
    assert losses_of(plain).keys() == losses_of(with_none).keys()


@pytest.mark.parametrize('name', ['ce', 'sem_scal', 'a.b'])
def test_names_that_are_taken_are_refused(name):
    with pytest.raises(ValueError, match=f'expected a name of its own without dots for each, got {name!r}'):
        head(extra_losses=[dict(type='EmptyShareOfTheTests', name=name)])
    twice = [dict(type='EmptyShareOfTheTests')] * 2
    with pytest.raises(ValueError, match='EmptyShareOfTheTests'):
        build_extra_losses(twice)


def test_anything_but_one_number_is_refused():
    modules = nn.ModuleDict(dict(wide=nn.Identity()))
    modules['wide'].forward = lambda logits, labels: logits.new_zeros(3)
    with pytest.raises(ValueError, match=r"extra loss 'wide': expected a scalar tensor, got \(3,\)"):
        extra_losses(modules, torch.zeros(1, 3, 2, 2, 2), torch.zeros(1, 2, 2, 2).long())
