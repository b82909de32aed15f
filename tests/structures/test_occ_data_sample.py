"""OccDataSample: fields, dtypes, shapes, moving about."""

import pickle

import numpy as np
import pytest
import torch

from projects.OneOcc.oneocc.structures import OccDataSample


def test_holds_labels_predictions_and_metainfo(device):
    sample = OccDataSample(metainfo={'sample_id': 'seq00/000001'})
    sample.gt_occ = torch.zeros(4, 4, 2, dtype=torch.uint8)
    sample.pred_occ = torch.ones(4, 4, 2, dtype=torch.uint8)
    sample.occ_logits = torch.zeros(3, 4, 4, 2)
    moved = sample.to(device)
    assert moved.sample_id == 'seq00/000001'
    assert moved.pred_occ.device.type == device.type
    assert {'gt_occ', 'pred_occ', 'occ_logits'} <= set(moved.keys())
    assert isinstance(moved.cpu().numpy().gt_occ, np.ndarray)
    assert 'pred_occ' in moved


def test_survives_pickling_and_deletion():
    sample = OccDataSample()
    sample.gt_occ = torch.arange(8, dtype=torch.uint8).view(2, 2, 2)
    again = pickle.loads(pickle.dumps(sample))
    assert torch.equal(again.gt_occ, sample.gt_occ)
    del again.gt_occ
    assert 'gt_occ' not in again


@pytest.mark.parametrize(
    'name, value, error, words',
    [
        ('gt_occ', torch.zeros(2, 2, 2), TypeError, 'uint8.*float32'),
        ('pred_occ', torch.zeros(2, 2, 2, dtype=torch.int64), TypeError, 'uint8.*int64'),
        ('gt_occ', [[0]], TypeError, 'list'),
        ('gt_occ', torch.zeros(2, 2, dtype=torch.uint8), ValueError, r'X, Y, Z.*\(2, 2\)'),
        ('occ_logits', torch.zeros(2, 2, 2), ValueError, r'C \+ 1'),
        ('occ_logits', torch.zeros(2, 2, 2, 2, dtype=torch.uint8), TypeError, 'floating point'),
    ],
)
def test_refuses_what_is_no_volume(name, value, error, words):
    with pytest.raises(error, match=words):
        setattr(OccDataSample(), name, value)


def test_refuses_a_prediction_on_another_grid():
    sample = OccDataSample()
    sample.gt_occ = torch.zeros(4, 4, 2, dtype=torch.uint8)
    with pytest.raises(ValueError, match=r'\(4, 4, 4\).*gt_occ.*\(4, 4, 2\)'):
        sample.pred_occ = torch.zeros(4, 4, 4, dtype=torch.uint8)
