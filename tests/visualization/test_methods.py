import numpy as np
import pytest

from projects.OneOcc.oneocc.visualization import methods_sheet
from tests.visualization.scenes import CLASSES, GRID, PALETTE, town


def test_a_column_for_the_truth_and_for_each_method():
    truth = town()
    guess = np.where(truth == 255, 0, truth).astype(np.uint8)
    image = np.full((32, 64, 3), 90, np.uint8)
    sheet = methods_sheet({'equi': image}, truth, {'a': guess, 'b': np.zeros_like(guess)}, GRID, PALETTE, CLASSES, 'id')
    assert sheet.dtype == np.uint8 and sheet.shape[1:] == (1536, 3)
    width = 1536 // 3
    pictures = sheet[300:1100]  # below the image, above the legend
    colours = np.array(PALETTE, np.uint8)

    def painted(column):
        part = pictures[:, column * width : (column + 1) * width]
        return sum(int((part == colour).all(-1).sum()) for colour in colours)

    assert painted(0) > 0 and abs(painted(1) - painted(0)) < 0.1 * painted(0) and painted(2) == 0


def test_refuses_nothing_and_other_shapes():
    with pytest.raises(ValueError, match='at least one'):
        methods_sheet({}, town(), {}, GRID, PALETTE, CLASSES)
    with pytest.raises(ValueError, match='shape|labels of'):
        methods_sheet({}, town(), {'a': town()[1:]}, GRID, PALETTE, CLASSES)
