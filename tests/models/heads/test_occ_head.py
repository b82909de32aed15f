"""OccHead: what every head inherits, shown on one that adds nothing; which heads derive from it."""

import math

import pytest
import torch
from mmdet3d.registry import MODELS
from torch import nn

import projects.OneOcc.oneocc  # noqa: F401  registers the heads
from projects.OneOcc.oneocc.models import OccHead
from projects.OneOcc.oneocc.structures import Levels
from tests.models import two_view_rig as rig


class BareHead(OccHead):
    def __init__(self, **kwargs) -> None:
        super().__init__(num_classes=3, **kwargs)
        self.classify = nn.Conv3d(2, 4, 1)

    def forward(self, feats):
        return {1: self.classify(Levels.of(feats).at(1))}

    def loss(self, feats, data_samples, visible=None):
        return {'loss': self._labels(data_samples, visible, feats[1].device).float().mean()}


def test_predicts_the_argmax_of_the_finest_logits(device):
    head = BareHead().to(device)
    levels = Levels({1: torch.randn(2, 2, 4, 3, 2, device=device)})
    labels = head.predict(levels, [])
    assert [label.dtype for label in labels] == [torch.uint8] * 2
    assert torch.equal(torch.stack(labels).long(), head(levels)[1].argmax(1))


def test_class_counts_become_weights_that_no_checkpoint_holds(device):
    head = BareHead().to(device)
    keys = set(head.state_dict())
    head.set_class_counts([10**6, 10**4, 100, 3])
    assert head.class_weights.device.type == device.type and set(head.state_dict()) == keys
    assert head.class_weights.tolist() == pytest.approx([1 / math.log(n + 0.001) for n in (10**6, 10**4, 100, 3)])
    with pytest.raises(ValueError, match='4 numbers .* got 3'):
        head.set_class_counts([1, 2, 3])


def test_labels_are_those_that_may_be_supervised():
    sample, device = rig.sample(), torch.device('cpu')
    visible = torch.rand(1, *rig.GRID['shape']) < 0.5
    assert torch.equal(BareHead()._labels([sample], visible, device)[0], sample.gt_occ)
    masked = BareHead(supervise='visible')._labels([sample], visible, device)
    assert torch.equal(masked, torch.where(visible, sample.gt_occ[None], 255))
    with pytest.raises(ValueError, match='visibility'):
        BareHead(supervise='visible')._labels([sample], None, device)
    with pytest.raises(ValueError, match="'visible' or 'known', got 'seen'"):
        BareHead(supervise='seen')
    del sample.gt_occ
    with pytest.raises(ValueError, match=r"gt_occ, .*\['seq00/000000'\].*LoadOccupancy"):
        BareHead()._labels([sample], None, device)


@pytest.mark.parametrize('name', ['SSCHead', 'SSCNetHead', 'OccRWKVHead'])
def test_every_head_derives_from_it(name):
    assert issubclass(MODELS.get(name), OccHead)
