"""tools/demo.py from making the set to the table, on micro data and in this process."""

import json

import pytest

from tests.micro import VAL_FRAMES, write_micro_config
from tests.scripts import ROOT, load_script
from tests.tiny_dataset import GRID, write_tiny_dataset

demo = load_script('tools/demo.py')
FINE = dict(GRID, shape=[32, 32, 8], voxel_size=0.4)


@pytest.fixture
def workshop(tmp_path, monkeypatch):
    """A config of the small HumanSim and a `step` that makes micro data and runs the tools in this process."""
    monkeypatch.setenv('ONEOCC_DATA', str(tmp_path / 'data'))
    config = write_micro_config(tmp_path / 'micro.py')
    config.write_text(
        config.read_text().replace('infos_train', 'infos_within_train').replace('infos_val', 'infos_within_val')
    )
    titles = []

    def step(title, script, *arguments):
        titles.append(title)
        if script == 'data_converters/create_data.py':
            assert arguments[0] == 'humansim' and '--mini' in arguments
            out = arguments[arguments.index('--out') + 1]
            # The fine grid comes first in the infos, as JSON sorts them; the config reads the other.
            for seed, split, frames in ((0, 'within_train', 4), (1, 'within_val', VAL_FRAMES)):
                write_tiny_dataset(out, 'human', frames, (split,), grid=FINE, fine_grid=GRID, seed=seed)
        else:
            assert load_script(script).main(list(arguments)) == 0

    monkeypatch.setattr(demo, 'step', step)
    return tmp_path, config, titles


def test_every_set_has_a_config_of_its_own():
    for name, config in demo.CONFIGS.items():
        assert demo.parse_args(['--set', name]).config == config and name in config
        assert (ROOT / config).is_file()


def test_humansim_ends_in_a_table(workshop, capsys):
    folder, config, titles = workshop
    arguments = ['--set', 'humansim', '--config', str(config), '--work-dir', str(folder / 'work')]
    assert demo.main([*arguments, '--cfg-options', 'train_cfg.max_epochs=1', 'train_cfg.val_interval=1']) == 0
    assert len(titles) == 3
    metrics = json.loads((folder / 'work/metrics.json').read_text())
    assert metrics['frames'] == VAL_FRAMES and metrics['yardsticks']['empty'] == {'miou': 0, 'iou': 0}
    assert 0 < metrics['yardsticks']['majority']['iou'] < 100
    assert len(list((folder / 'work/pictures').glob('*.png'))) == VAL_FRAMES
    shown = capsys.readouterr().out
    assert 'the trained model' in shown and 'IoU of pole' in shown and f'{VAL_FRAMES} validation frames' in shown


def test_a_config_of_the_other_set_is_refused_before_the_work(workshop, capsys):
    for arguments, words in (
        (['--set', 'humansim', '--config', demo.CONFIGS['quadsim']], 'quadsim-mini.*--set humansim makes'),
        (['--config', 'nowhere.py'], '--config.*nowhere.py'),
    ):
        with pytest.raises(SystemExit, match=words):
            demo.main(arguments)
    assert not workshop[2]
