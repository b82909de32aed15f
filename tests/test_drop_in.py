"""The project as a guest: two copies into a bare folder, run by mmdet3d's own tools."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import mmdet3d
import pytest

from tests.micro import ROOT, VAL_FRAMES, write_micro_config, write_micro_data


@pytest.fixture
def guest(tmp_path) -> Path:
    """mmdet3d's tools, `projects/OneOcc` and its configs, as the two `cp -r` make them."""
    tools = Path(mmdet3d.__file__).parent / '.mim/tools'
    if not tools.is_dir():
        pytest.fail(f'{tools}: expected the tools that the wheel of mmdet3d 1.4.0 carries')
    skip = shutil.ignore_patterns('__pycache__')
    (tmp_path / 'tools').mkdir()
    for name in ('train.py', 'test.py'):
        shutil.copy(tools / name, tmp_path / 'tools')
    shutil.copytree(ROOT / 'projects/OneOcc', tmp_path / 'projects/OneOcc', ignore=skip)
    shutil.copytree(ROOT / 'configs', tmp_path / 'projects/OneOcc/configs', ignore=skip)
    return tmp_path


_DRIVER = """
import json, runpy, sys, time
import projects.OneOcc.oneocc as guest
print('guest', guest.__file__)
for command in json.loads(sys.argv[1]):
    sys.argv = command
    runpy.run_path(command[0], run_name='__main__')
    time.sleep(1)  # mmengine names a run after the second in which it starts
"""


def run_in_one_process(guest: Path, *commands: list) -> str:
    """Runs tools one after another in the bare folder; importing the stack is most of the time."""
    commands = [[str(part) for part in command] for command in commands]
    done = subprocess.run(
        [sys.executable, '-c', _DRIVER, json.dumps(commands)],
        cwd=guest,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, 'PYTHONPATH': '.', 'OMP_NUM_THREADS': '1', 'ONEOCC_DATA': str(guest / 'data')},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout + done.stderr


_INFERENCE = """
import sys
from mmdet3d.apis import init_model
from mmdet3d.registry import DATASETS
from mmengine.dataset import pseudo_collate

model = init_model(sys.argv[1], sys.argv[2], device='cpu')
dataset = DATASETS.build(model.cfg.test_dataloader.dataset)
(sample,) = model.test_step(pseudo_collate([dataset[0]]))
print('predicted', sample.sample_id, tuple(sample.pred_occ.shape), len(model.dataset_meta['classes']))
"""


def test_stock_tools_train_resume_test_show_and_build_the_guest(guest):
    write_micro_data(guest / 'data')
    config = write_micro_config(guest / 'projects/OneOcc/configs/tiny/micro.py', '../_base_')
    (guest / 'infer.py').write_text(_INFERENCE)
    train = ['tools/train.py', config, '--work-dir', 'run']
    log = run_in_one_process(
        guest,
        [*train, '--cfg-options', 'train_cfg.max_epochs=1'],
        [*train, '--resume'],
        [
            'tools/test.py',
            config,
            'run/epoch_2.pth',
            '--work-dir',
            'tested',
            '--cfg-options',
            'test_evaluator.out_file=tested/metrics.json',
        ],
        [
            'tools/test.py',
            config,
            'run/epoch_2.pth',
            '--work-dir',
            'drawn',
            '--task',
            'lidar_seg',
            '--show-dir',
            'shown',
        ],
        ['infer.py', config, 'run/epoch_2.pth'],
    )
    assert f'guest {guest}/projects' in log, 'the project was imported from somewhere else'
    assert 'Resumed after epoch 1, iteration 2' in log
    assert json.loads((guest / 'tested/metrics.json').read_text())['frames'] == VAL_FRAMES
    pictures = sorted(path.name for path in guest.glob('drawn/*/shown/*'))
    assert pictures == [f'seq00_00000{i}.{kind}' for i in range(VAL_FRAMES) for kind in ('html', 'png')]
    assert not list(guest.glob('tested/**/*.png'))
    assert 'predicted seq00/000000 (16, 16, 4) 10' in log
