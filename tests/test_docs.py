"""Every page is followed from top to bottom: its commands are run and its Python is executed, on micro data.

One folder plays the repository: configs and pages are copies, the two mini sets are smaller still. Commands run in
this process, changed by `SMALLER` alone; what no suite can run stands in `NOT_RUN` with the reason, and
test_readme.py checks its scripts and flags.
"""

from __future__ import annotations

import glob
import json
import os
import re
import runpy
import shlex
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.core.geometry.test_calibration_files import KALIBR, MEI
from tests.data_converters.importers.official_twins import as_human360occ, as_quadocc
from tests.data_converters.importers.public_twins import as_kitti360, as_semantickitti, as_tartanground
from tests.goldens.frame import DEFAULT_FOLDER, load
from tests.markdown import PAGES, ROOT, Block, blocks, commands, page_name
from tests.runtime.toy_bundle import write_toy_bundle
from tests.scripts import load_script

_HERE = [
    f'{loader}_dataloader.{key}'
    for loader in ('train', 'val', 'test')
    for key in ('num_workers=0', 'persistent_workers=False')
]
_ONE_EPOCH = ' '.join(['--cfg-options train_cfg.max_epochs=1 train_cfg.val_interval=1', *_HERE])

# (pattern, what it becomes): the only difference between what a page says and what is run
SMALLER = [
    (r'(create_data\.py quadsim .*)', r'\1 --sequences 4 --frames 4 --image-width 64 --workers 1 --quiet'),
    (r'(create_data\.py humansim .*)', r'\1 --maps 2 --sequences 2 --frames 2 --image-width 64 --workers 1 --quiet'),
    (r'(tools/train\.py .*)', rf'\1 {_ONE_EPOCH}'),
    (r'(tools/test\.py .*)', rf'\1 --cfg-options {" ".join(_HERE)}'),
    (r'epoch_8\.pth', 'epoch_1.pth'),
    (r'configs/ablations/\*-tiny_quadsim-mini\.py --epochs 3 --jobs 2', 'configs/ablations/q0-tiny_quadsim-mini.py'),
    (r'(sweep\.py .*)', rf'\1 --seeds 0 --epochs 1 --cfg-options {" ".join(_HERE)}'),
    (r'--iters 300', '--iters 2'),
    (r'(benchmark\.py configs/.*)', r'\1 --repeats 1 --warmup 0'),
    (r'(training_speed\.py configs/.*)--threads 1 (.*)--batches 8', r'\1\2--batches 1'),
    (r'neck\.height=32', 'neck.height=8'),
    (r'num_classes=19', 'num_classes=10'),
    (r'(tools/infer\.py (?!.*--model).*)', r'\1 --model work_dirs/untrained'),
    (r'(tools/view\.py .*)', r'\1 --check'),
]
NOT_RUN = [
    (r'^make ', 'sets up an environment of its own'),
    (r'^cp -r .*\$MMDET3D', "needs mmdet3d's sources; tests/test_drop_in.py makes the copies"),
    (r'--device cuda', 'needs a GPU'),
    (r'bash tools/(dist|slurm)_train', 'needs several machines'),
    (r'^pip install ', 'changes an environment; tests/runtime/test_occ_runtime.py installs the wheel into a bare one'),
    (r'^oneocc ', 'is a command of the installed wheel; tests/runtime/test_occ_runtime.py calls it'),
    (r'deploy/export\.py ', 'needs trained weights and half a minute; tests/deploy/test_export.py exports'),
    (
        r'compiled_speed\.py configs/',
        'compiles for minutes; tests/engine/test_compiled_predictor.py compiles, marked slow',
    ),
    (r'calibrate\.py ', 'needs the bundle of the set; tests/tools/test_calibrate.py calls it'),
    (r'^python -m tests\.', 'writes into the repository; tests/test_public_api.py writes a copy'),
]
FOLLOWED = [page for page in PAGES if any(block.language in ('bash', 'python') for block in blocks(page))]


def bring_lens_and_frame(folder: Path) -> None:
    """What somebody with a camera has: its calibration and an image."""
    shutil.copy(ROOT / 'data_converters/synthetic/pal_lfvio_1216.txt', folder / 'calib_results.txt')
    Image.fromarray(np.zeros((960, 1280, 3), np.uint8)).save(folder / 'frame.png')


def bring_calibrations(folder: Path) -> None:
    """Calibrations of Kalibr and KITTI-360 too."""
    bring_lens_and_frame(folder)
    (folder / 'camchain.yaml').write_text(KALIBR)
    (folder / 'image_02.yaml').write_text(MEI)


def bring_downloads(folder: Path) -> None:
    """A small world in the layouts of the public sets."""
    as_quadocc(folder / 'downloads/quadocc', ['2024-06-20-20-49-54', '2024-06-20-21-08-40'], 2)
    as_human360occ(folder / 'downloads/human360occ', ['a', 'b'], 2)
    as_kitti360(folder / 'downloads/kitti360')
    as_semantickitti(folder / 'downloads/semantickitti', 1)
    as_tartanground(folder / 'downloads/tartanground')


def bring_official_weights(folder: Path) -> None:
    """A checkpoint as LMSCNet's repository saves it."""
    torch.save(dict(model=load(DEFAULT_FOLDER / 'LMSCNet_C11_N32_seed1.pt')['state_fp16']), folder / 'lmscnet.pth')


def bring_rides(folder: Path) -> None:
    """What somebody with a robot has: two bags, a folder of files, masks of the images."""
    from tests.data_converters.recorders.bags import BagMaker
    from tests.data_converters.recorders.test_from_folder import make_folder

    rides = folder / 'rides'
    make_folder(rides / 'files')
    (rides / 'masks').mkdir()
    for name in ('monday.bag', 'tuesday.bag'):
        maker = BagMaker(1)
        maker.write(rides / name, maker.walk(2.0))
    below = np.where(np.arange(32)[:, None] < 16, 2, 1) * np.ones((32, 64))
    for number in range(20):
        Image.fromarray(below.astype(np.uint8)).save(rides / f'masks/{number:06d}.png')
    (rides / 'classes.yaml').write_text('1: floor\n2: wall\n')


def bring_photos_and_a_model(folder: Path) -> None:
    """Photos of a phone, an annulus with its calibration, a checkpoint; a model in the place of the shipped ones."""
    from projects.OneOcc.oneocc.apis.model_card import build_model, write_model_card
    from projects.OneOcc.oneocc.engine import read_config

    bring_lens_and_frame(folder)
    (folder / 'frame.png').rename(folder / 'annulus.png')
    sky = np.linspace(220, 40, 128).astype(np.uint8)[:, None, None]
    photo = Image.fromarray(np.broadcast_to(sky, (128, 256, 3)).copy())
    (folder / 'ride').mkdir(exist_ok=True)
    for name in ('photo.jpg', 'ride/0.jpg', 'ride/1.jpg'):
        photo.save(folder / name)
    config, mine = folder / 'configs/tiny/oneocc-tiny_quadsim-mini.py', folder / 'work_dirs/mine'
    mine.mkdir(parents=True, exist_ok=True)
    torch.save(dict(state_dict=build_model(read_config(config)).state_dict(), meta={}), mine / 'epoch_1.pth')
    metrics = dict(miou=0.0, iou=0.0, frames=0)
    (mine / 'metrics.json').write_text(json.dumps(metrics))
    write_model_card(folder / 'work_dirs/untrained', config, mine / 'epoch_1.pth', metrics, {})


def bring_bundle(folder: Path) -> None:
    """A bundle of the right form, and an image for it."""
    cameras = dict(raw=dict(height=48, width=64))  # as the recordings of the micro data
    write_toy_bundle(folder / 'bundle', cameras=cameras)
    Image.fromarray(np.zeros((48, 64, 3), np.uint8)).save(folder / 'frame.png')


BROUGHT = {
    'README.md': bring_photos_and_a_model,
    'docs/deploy.md': bring_bundle,
    'docs/stream.md': bring_bundle,
    'docs/own_camera.md': bring_calibrations,
    'docs/official_weights.md': bring_official_weights,
    'docs/own_photo.md': bring_photos_and_a_model,
    'docs/own_robot.md': bring_rides,
    'docs/public_sets.md': bring_downloads,
}


@pytest.fixture(scope='module')
def checkout(tmp_path_factory):
    """A folder that looks like the repository and may be written to, with both mini sets in data/."""
    folder = tmp_path_factory.mktemp('checkout')
    for part in ('configs', 'docs', 'projects/OneOcc', 'tools', 'data_converters'):
        (folder / part).parent.mkdir(parents=True, exist_ok=True)
        if part in ('configs', 'docs'):
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns('__pycache__'))
        else:
            (folder / part).symlink_to(ROOT / part)
    before, threads = Path.cwd(), torch.get_num_threads()
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    try:
        for kind in ('quadsim', 'humansim'):
            run(f'python data_converters/create_data.py {kind} --mini --out data/{kind}-mini --seed 0')
        yield folder
    finally:
        os.chdir(before)
        sys.path.remove(str(folder))
        torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def surroundings(monkeypatch):
    """No data root from outside; sweep.py's trainings run in this process like all others."""
    monkeypatch.delenv('ONEOCC_DATA', raising=False)
    sweep = load_script('tools/analysis_tools/sweep.py')
    monkeypatch.setattr(sweep, '_runs', lambda folder, threads, *command: run_script(list(command)) == 0)


def small(command: str) -> str:
    """The command with everything made small."""
    for pattern, replacement in SMALLER:
        command = re.sub(pattern, replacement, command)
    return command


def words_of(command: str) -> list[str]:
    """As a shell splits it: environment variables left out, patterns filled in unless they are quoted."""
    words = []
    for raw in shlex.split(re.sub(r'^(?:[A-Z_0-9]+=\S+\s+)+', '', command), posix=False):
        (word,) = shlex.split(raw)
        words += sorted(glob.glob(word)) if '*' in word and word == raw else [word]
    return words


def run_script(words: list[str]) -> int:
    """Runs SCRIPT ARGUMENTS: by its `main` where it is the repository's, else as a program."""
    script, arguments = words[0], words[1:]
    if (ROOT / script).is_file():
        ended = load_script(script).main(arguments)
        return ended if isinstance(ended, int) else 0
    before, sys.argv = sys.argv, words
    try:
        runpy.run_path(script, run_name='__main__')
    except SystemExit as end:
        return int(end.code or 0)
    finally:
        sys.argv = before
    return 0


def run(command: str) -> None:
    """One line of a shell block."""
    words = words_of(small(command))
    assert words[0] == 'python', f'{command}: nothing here knows how to run it'
    assert run_script(words[1:]) == 0, command


def follow(block: Block, names: dict) -> None:
    """Does what a reader does with a block: save it, type it in, or run it."""
    if block.file is not None:
        path = Path(block.file)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text)
    elif block.language == 'python':
        exec(compile(block.text, 'page', 'exec'), names)
    for command in block.commands:
        if not any(re.search(pattern, command) for pattern, _ in NOT_RUN):
            run(command)


@pytest.mark.parametrize('page', FOLLOWED, ids=page_name)
def test_page_can_be_followed(page, checkout):
    BROUGHT.get(page_name(page), lambda folder: None)(checkout)
    names: dict = {}
    for block in blocks(page):
        follow(block, names)


def test_every_exception_is_needed():
    """No substitution and no excuse that no page asks for any more."""
    said = [command for page in PAGES for command in commands(page)]
    for pattern, _ in [*SMALLER, *NOT_RUN]:
        assert any(re.search(pattern, command) for command in said), pattern
    assert set(BROUGHT) <= {page_name(page) for page in FOLLOWED}


def test_every_page_is_listed():
    """docs/README.md leads to every page below docs/, but for the notes beside the records."""
    index = (ROOT / 'docs/README.md').read_text()
    for page in (ROOT / 'docs').rglob('*.md'):
        relative = page.relative_to(ROOT / 'docs').as_posix()
        assert relative in index or relative in ('README.md', 'runs/README.md'), relative


@pytest.mark.parametrize('page', PAGES, ids=page_name)
def test_python_is_no_wider_than_the_code(page):
    for block in blocks(page):
        if block.language == 'python':
            assert max(map(len, block.text.splitlines())) <= 120


def test_messages_are_those_of_the_code():
    """The page of troubles quotes what our tools say, word for word; `...` stands for what differs."""
    sections = (ROOT / 'docs/troubleshooting.md').read_text().split('## ')
    source = '\n'.join(
        re.sub(r"'\s*\n\s*f?'", '', path.read_text())  # one sentence over two lines
        for folder in ('projects', 'data_converters', 'tools')
        for path in (ROOT / folder).rglob('*.py')
    )
    foreign = {'is not in the', 'registry', 'Weights only load failed', 'HistoryBuffer'}
    quoted = [
        message
        for section in sections
        if section.startswith(('Data', 'Training'))
        for line in section.splitlines()
        if line.startswith('| ') and not line.startswith('| message')
        for message in re.findall(r'`([^`]+)`', line.split('|')[1])
    ]
    assert len(quoted) > 15
    missing = [message for message in quoted if message not in source and message not in foreign]
    assert not missing, missing
