import base64
import json
import re
import shutil
import subprocess

import numpy as np
import pytest

from projects.OneOcc.core.geometry import CartesianGrid
from projects.OneOcc.oneocc.visualization import error_labels, write_html
from tests.visualization.scenes import CLASSES, GRID, PALETTE, town


def data_of(page: str) -> dict:
    return json.loads(re.search(r'id="data">(.*?)</script>', page, re.S)[1])


def volume_of(entry: dict, shape) -> np.ndarray:
    values = np.frombuffer(base64.b64decode(entry['values']), np.uint8)
    counts = np.frombuffer(base64.b64decode(entry['counts']), '<u4')
    return np.repeat(values, counts).reshape(shape)


def test_page_holds_the_labels_and_asks_nobody(tmp_path):
    path = write_html(tmp_path / 'deep/page.html', town(), GRID, PALETTE, CLASSES, 'one')
    page = path.read_text(encoding='utf-8')
    data = data_of(page)
    np.testing.assert_array_equal(volume_of(data['volumes'][0], GRID.shape), town())
    assert data['classes' if 'classes' in data else 'title'] == 'one'
    assert data['voxel_size'] == 0.5 and data['origin'] == [-4, -4, -1]
    assert data['volumes'][0]['classes'] == list(CLASSES)
    assert not re.search(r'https?:|//cdn|<link|<img|import\(|fetch\(|XMLHttpRequest|\bsrc=', page)
    assert '__DATA__' not in page


def test_error_is_added_to_truth_and_prediction(tmp_path):
    guess = np.where(town() == 255, 0, town()).astype(np.uint8)
    guess[0, 0] = 3
    path = write_html(tmp_path / 'a.html', {'ground truth': town(), 'prediction': guess}, GRID, PALETTE, CLASSES)
    volumes = data_of(path.read_text())['volumes']
    assert [v['name'] for v in volumes] == ['ground truth', 'prediction', 'error']
    np.testing.assert_array_equal(volume_of(volumes[2], GRID.shape), error_labels(guess, town()))


def test_names_cannot_end_the_script(tmp_path):
    path = write_html(tmp_path / 'a.html', town(), GRID, PALETTE, ('</script>', 'b', 'c'), '<b>')
    data = data_of(path.read_text())
    assert data['volumes'][0]['classes'][0] == '</script>' and data['title'] == '<b>'
    assert path.read_text().count('</script>') == 2


def test_a_large_volume_stays_small(tmp_path):
    grid = CartesianGrid((128, 128, 16), 0.2, (-12.8, -12.8, -2.0))
    labels = np.zeros(grid.shape, np.uint8)
    labels[:, :, :3] = 2
    path = write_html(tmp_path / 'a.html', labels, grid, PALETTE, CLASSES)
    assert path.stat().st_size < 300_000


def test_refusals(tmp_path):
    with pytest.raises(ValueError, match=r'labels is \(4, 4, 4\)'):
        write_html(tmp_path / 'a.html', np.zeros((4, 4, 4), np.uint8), GRID, PALETTE, CLASSES)
    with pytest.raises(ValueError, match='3 for 2'):
        write_html(tmp_path / 'a.html', town(), GRID, PALETTE, CLASSES[:2])
    assert not (tmp_path / 'a.html').exists()


@pytest.mark.skipif(shutil.which('node') is None, reason='needs node to parse the script')
def test_script_is_valid_javascript(tmp_path):
    page = write_html(tmp_path / 'a.html', town(), GRID, PALETTE, CLASSES).read_text()
    (tmp_path / 'script.js').write_text(re.findall(r'<script>(.*?)</script>', page, re.S)[0])
    done = subprocess.run(['node', '--check', tmp_path / 'script.js'], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
