"""What the live viewer can be pointed at, and what it says to the rest."""

import json

import numpy as np
import pytest

from projects.OneOcc.core.formats.occupancy import prediction_path, save_prediction
from projects.OneOcc.oneocc.apis import ResultWriter
from projects.OneOcc.oneocc.apis.rides import ResultRide, SetRide, open_ride
from projects.OneOcc.oneocc.engine.usage_error import UsageError
from tests.scripts import load_script


@pytest.fixture
def results(inferencer, photo, tmp_path):
    writer = ResultWriter(tmp_path / 'out', ('npz',), 'small')
    found = inferencer([photo, photo[:, ::-1].copy()], height_m=1.0)
    for result in found:
        writer.add(result)
    writer.close()
    return tmp_path / 'out', found


@pytest.fixture
def run(card, published_root, tmp_path, monkeypatch):
    """A work dir as tools/test.py leaves it, with predictions of two of the three frames."""
    monkeypatch.setenv('ONEOCC_DATA', str(published_root / 'data'))
    folder = tmp_path / 'run'
    ride = SetRide(card.config, None, 'truth')
    for index in range(2):
        moment = ride.moment(index)
        path = prediction_path(folder / 'predictions', moment.name)
        save_prediction(path, np.zeros(ride.grid.shape, np.uint8), ride.grid.origin, ride.grid.voxel_size, ride.classes)
    (folder / 'metrics.json').write_text(json.dumps(dict(config=str(card.folder / 'config.py'))))
    return folder


def test_results_come_back(results):
    folder, found = results
    ride = open_ride(folder)
    assert isinstance(ride, ResultRide) and len(ride) == 2 and ride.grid == found[0].grid
    for index, result in enumerate(found):
        moment = ride.moment(index)
        np.testing.assert_array_equal(moment.volumes['prediction'], result.labels)
        np.testing.assert_array_equal(moment.unknown, result.unknown)
        np.testing.assert_allclose(moment.probability, result.probability, atol=1e-3)
        assert moment.name == result.id and moment.panorama.image.shape[1] == 1024


def test_a_run_that_goes_on_grows(results, inferencer, photo):
    folder, _ = results
    ride = ResultRide(folder)
    assert not ride.refresh()
    writer = ResultWriter(folder, ('npz',), 'small')
    for result in inferencer([photo] * 3, height_m=1.0):
        writer.add(result)
    writer.close()
    assert ride.refresh() and len(ride) == 3


def test_a_test_run_has_truth_and_prediction(run):
    ride = open_ride(run)
    assert len(ride) == 2 and ride.name == 'run'
    moment = ride.moment(1)
    assert set(moment.volumes) == {'ground truth', 'prediction'} and not moment.volumes['prediction'].any()
    assert moment.points is not None and moment.points.shape[1] == 3
    assert moment.panorama is not None and 'raw' in moment.views


def test_a_config_alone_and_with_predictions(card, run):
    alone = open_ride(card.folder / 'config.py')
    assert len(alone) == 3 and list(alone.moment(0).volumes) == ['ground truth']
    assert len(open_ride(f'{card.folder / "config.py"}:{run / "predictions"}')) == 2


def test_what_is_no_ride_is_told(card, published_root, tmp_path, monkeypatch):
    monkeypatch.setenv('ONEOCC_DATA', str(published_root / 'data'))
    (tmp_path / 'empty').mkdir()
    config = card.folder / 'config.py'
    for source, words in (
        (tmp_path / 'none', 'expected a folder of infer.py'),
        (tmp_path / 'empty', 'CONFIG:PREDICTIONS names both'),
        (f'{config}:{tmp_path / "none"}', 'expected the folder of tools/test.py --out'),
        (f'{config}:{tmp_path / "empty"}', 'expected predictions of the 3 frames'),
    ):
        with pytest.raises(UsageError, match=words):
            open_ride(source)


def test_the_tool_looks_before_it_serves(results, run, tmp_path, capsys):
    tool = load_script('tools/view.py')
    assert tool.main([str(results[0]), str(run), '--check']) == 0
    shown = capsys.readouterr().out
    assert 'out: 2 frames' in shown and 'run: 2 frames' in shown and 'ground truth, prediction' in shown
    assert tool.main([str(tmp_path / 'none')]) == 2
    assert capsys.readouterr().err.startswith('view.py: error: ')
