import numpy as np
import pytest
import torch
from PIL import Image

from projects.OneOcc.core.geometry import EquirectCamera, View
from projects.OneOcc.oneocc.visualization import Viewpoint, comparison_sheet, legend, write_picture
from tests.visualization.scenes import CLASSES, GRID, PALETTE, town


def parts(width: int = 64, height: int = 32):
    image = np.full((height, width, 3), 90, np.uint8)
    camera = EquirectCamera(width, height, *((-0.4, 0.3) if width > 2 * height else ()))
    return {'equi': image}, {'equi': View(camera, np.eye(4))}


@pytest.mark.parametrize('size', [(64, 32), (128, 32)])
def test_sheet_of_a_prediction(size):
    guess = torch.from_numpy(np.where(town() == 255, 0, town()).astype(np.uint8))
    sheet = comparison_sheet(*parts(*size), town(), guess, GRID, PALETTE, CLASSES, 'seq00/000001')
    assert sheet.dtype == np.uint8 and sheet.shape[1:] == (1536, 3)
    alone = comparison_sheet(*parts(*size), town(), None, GRID, PALETTE, CLASSES)
    assert alone.shape[1] == 1536 and (alone != 250).any()


def test_the_eye_stands_where_it_is_asked_to_beside_images_too():
    behind, ahead = (
        comparison_sheet(*parts(), town(), None, GRID, PALETTE, CLASSES, view=Viewpoint(azimuth_deg=azimuth))
        for azimuth in (180.0, 0.0)
    )
    assert behind.shape == ahead.shape and (behind != ahead).any()


def test_sheet_without_images_or_without_truth():
    assert comparison_sheet({}, {}, town(), town(), GRID, PALETTE, CLASSES).shape[1] == 1536
    assert comparison_sheet({}, {}, None, town(), GRID, PALETTE, CLASSES).shape[1] == 1536
    with pytest.raises(ValueError, match='neither'):
        comparison_sheet({}, {}, None, None, GRID, PALETTE, CLASSES)


def test_legend_holds_every_colour_and_wraps():
    colours = [(10 * i, 255 - 10 * i, 30) for i in range(20)]
    narrow = legend([f'class_{i}' for i in range(20)], colours, 400, with_unknown=True)
    wide = legend([f'class_{i}' for i in range(20)], colours, 4000)
    assert narrow.shape[1] == 400 and narrow.shape[0] > wide.shape[0]
    for colour in colours:
        assert (narrow == colour).all(axis=-1).any()
    with pytest.raises(ValueError, match='2 for 3'):
        legend(('a', 'b', 'c'), PALETTE[:2], 400)


def test_written_picture_reads_back(tmp_path):
    image = np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8)
    path = write_picture(tmp_path / 'deep/er/a.png', image)
    np.testing.assert_array_equal(np.asarray(Image.open(path)), image)
