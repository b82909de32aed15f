import numpy as np
import pytest
import torch

from projects.OneOcc.oneocc.visualization import error_labels
from projects.OneOcc.oneocc.visualization.palette import as_labels, colour_table, drawn


def test_errors_by_hand():
    truth = np.array([[[0, 0, 1, 1, 1, 255]]], np.uint8)
    guess = np.array([[[0, 2, 1, 2, 0, 1]]], np.uint8)
    assert error_labels(guess, truth).tolist() == [[[0, 4, 1, 2, 3, 255]]]
    with pytest.raises(ValueError, match=r'\(1, 1, 6\)'):
        error_labels(guess[..., :3], truth)


def test_labels_are_volumes_of_uint8():
    assert as_labels('pred', torch.zeros(2, 3, 4, dtype=torch.uint8)).shape == (2, 3, 4)
    with pytest.raises(TypeError, match='pred.*int64'):
        as_labels('pred', torch.zeros(2, 3, 4, dtype=torch.int64))
    with pytest.raises(ValueError, match='pred.*X, Y, Z'):
        as_labels('pred', np.zeros((2, 3), np.uint8))


def test_unknown_modes():
    labels = np.array([[[0, 1, 255]]], np.uint8)
    assert drawn(labels, 'hide').tolist() == drawn(labels, 'empty').tolist() == [[[0, 1, 0]]]
    assert drawn(labels, 'show').tolist() == [[[0, 1, 255]]]
    with pytest.raises(ValueError, match='invisible'):
        drawn(labels, 'invisible')


@pytest.mark.parametrize('palette', [[], [(1, 2)], [(1, 2, 300)], [(1, 2, -3)]])
def test_palette_is_checked(palette):
    with pytest.raises(ValueError, match='palette'):
        colour_table(palette)
