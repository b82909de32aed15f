"""compare.py on a micro set: a picture a frame, and mistakes told in a sentence."""

import re

import numpy as np
import pytest
from mmengine.config import Config

from projects.OneOcc.core.formats.occupancy import prediction_path, save_prediction
from tests.micro import write_micro_config, write_micro_data
from tests.scripts import load_script

compare = load_script('tools/analysis_tools/compare.py')


@pytest.fixture
def config(tmp_path, monkeypatch):
    write_micro_data(tmp_path / 'data')
    write_micro_config(tmp_path / 'config.py')
    monkeypatch.setenv('ONEOCC_DATA', str(tmp_path / 'data'))
    return tmp_path / 'config.py'


def test_a_picture_for_each_frame_and_a_sentence_for_an_unknown_one(config, tmp_path, capsys):
    from mmdet3d.registry import DATASETS

    import projects.OneOcc.oneocc  # noqa: F401  (registers the datasets)

    cfg = Config.fromfile(config)
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    sample = dataset[0]['data_samples']
    save_prediction(
        prediction_path(tmp_path / 'guess', sample.sample_id),
        np.zeros_like(sample.gt_occ.numpy()),
        sample.grid.origin,
        sample.grid.voxel_size,
        dataset.metainfo['classes'],
    )
    arguments = [str(config), '--predictions', f'nothing={tmp_path / "guess"}', '--out', str(tmp_path / 'out')]
    assert compare.main([*arguments, '--samples', sample.sample_id]) == 0
    assert len(list((tmp_path / 'out').glob('*.png'))) == 1
    assert compare.main([*arguments, '--samples', 'nowhere/000000']) == 2
    assert 'nowhere/000000' in capsys.readouterr().err


def test_predictions_need_a_name(capsys):
    with pytest.raises(SystemExit):
        compare.parse_args(['config.py', '--predictions', 'folder'])
    assert 'NAME=FOLDER' in capsys.readouterr().err


def test_predictions_of_another_grid_are_refused(config, tmp_path, capsys):
    from mmdet3d.registry import DATASETS

    import projects.OneOcc.oneocc  # noqa: F401  (registers the datasets)

    dataset = DATASETS.build(Config.fromfile(config).test_dataloader.dataset)
    sample = dataset[0]['data_samples']
    path = prediction_path(tmp_path / 'guess', sample.sample_id)
    save_prediction(path, np.zeros(sample.grid.shape, np.uint8), sample.grid.origin, 0.123, dataset.metainfo['classes'])
    assert compare.main([str(config), '--predictions', f'x={tmp_path / "guess"}', '--samples', sample.sample_id])
    assert re.search(r'expected voxels of .* m, got 0\.123 m', capsys.readouterr().err)
