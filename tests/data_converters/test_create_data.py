"""The door: same seed same bytes, killed runs end alike, and mistakes are told in one sentence."""

import errno
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from data_converters import create_data
from data_converters.synthetic.capture.protocols import HUMANSIM, HUMANSIM_MINI, QUADSIM, QUADSIM_MINI
from data_converters.synthetic.capture.rigs import pal_camera
from data_converters.voxelize import read_occupancy
from projects.OneOcc.core.formats import atomic_files
from projects.OneOcc.core.formats.infos import read_infos
from projects.OneOcc.core.formats.recording import Recording
from projects.OneOcc.core.geometry import camera_from_dict

SCRIPT = Path(create_data.__file__)
TINY = {
    'quadsim': ['quadsim', '--mini', '--sequences', '3', '--frames', '6', '--image-width', '64', '--quiet'],
    'humansim': [
        'humansim',
        '--mini',
        '--maps',
        '2',
        '--sequences',
        '2',
        '--frames',
        '2',
        '--image-width',
        '64',
        '--quiet',
    ],
}


def digests(root):
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(Path(root).rglob('*'))
        if path.is_file()
    }


def make(name, out, *options):
    return create_data.main([*TINY[name], '--out', str(out), '--workers', '1', *options])


@pytest.fixture(scope='module')
def sets(tmp_path_factory):
    root = tmp_path_factory.mktemp('sets')
    for name in TINY:
        assert make(name, root / name) == 0
    return root


def test_killed_and_continued_by_other_workers_gives_the_same_bytes(sets, tmp_path):
    command = [sys.executable, str(SCRIPT), *TINY['quadsim'], '--out', str(tmp_path / 'set'), '--workers', '2']
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 240
    try:
        while not list((tmp_path / 'set').glob('recordings/*/lidar/*.npz')):
            assert run.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
    assert not (tmp_path / 'set' / 'infos_train.json').exists()
    # what a torn write leaves behind must not survive either
    (tmp_path / 'set' / 'recordings' / 'seq00').mkdir(exist_ok=True)
    (tmp_path / 'set' / 'recordings' / 'seq00' / '.recording.json.tmp').write_text('{')
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    assert digests(tmp_path / 'set') == digests(sets / 'quadsim')


def test_a_finished_set_is_left_as_it_is(sets, capsys):
    before = digests(sets / 'humansim')
    assert make('humansim', sets / 'humansim') == 0
    assert digests(sets / 'humansim') == before
    assert 'unknown' in capsys.readouterr().out


def test_another_seed_makes_another_world(sets, tmp_path):
    assert make('quadsim', tmp_path / 'set', '--seed', '1', '--sequences', '2') == 0
    first, other = (digests(root)['recordings/seq00/raw/000000.png'] for root in (sets / 'quadsim', tmp_path / 'set'))
    assert first != other


@pytest.mark.parametrize(
    'name, splits, grids',
    [
        ('quadsim', {'train': 2, 'val': 1}, ['64x64x8']),
        ('humansim', {'within_train': 2, 'within_val': 2, 'cross_train': 2, 'cross_val': 2}, ['64x64x8', '128x128x16']),
    ],
)
def test_info_files_lead_to_files_that_fit(sets, name, splits, grids):
    root = sets / name
    table = json.loads((root / 'class_counts.json').read_text())
    for split, sequences in splits.items():
        infos = read_infos(root / f'infos_{split}.json')
        meta = infos['metainfo']
        assert len({entry['sequence'] for entry in infos['data_list']}) == sequences
        assert table['splits'][split][grids[0]]['class_counts'] == meta['class_counts']
        assert list(meta['class_counts_by_grid']) == sorted(grids)
        counts = np.zeros(len(meta['class_counts']), np.int64)
        for entry in infos['data_list']:
            assert list(entry['occupancy']) == sorted(grids)
            for key, path in entry['occupancy'].items():
                labels, grid, classes = read_occupancy(root / path)
                assert grid.to_dict() == meta['grids'][key]
                assert classes == tuple(meta['classes'])
                assert set(np.unique(labels)) <= {*range(len(classes) + 1), 255}
                if key == grids[0]:
                    counts += np.bincount(labels[labels < 255], minlength=len(counts))
            for camera in entry['cameras'].values():
                assert (root / camera['image']).is_file()
                model = camera_from_dict(camera)
                assert (model.width, model.height) == (64, 48 if name == 'quadsim' else 32)
        assert counts.tolist() == meta['class_counts']


def test_recordings_keep_both_poses(sets):
    recording = Recording.read(sets / 'quadsim' / 'recordings' / 'seq01')
    ego = np.stack([frame.world_from_ego for frame in recording.frames])
    body = np.stack([frame.world_from_body for frame in recording.frames])
    np.testing.assert_allclose(ego[:, 2, :3], np.broadcast_to([0, 0, 1], (6, 3)), atol=1e-8)
    apart = np.linalg.norm(ego[:, :3, 3] - body[:, :3, 3], axis=1)
    assert 0.001 < apart.max() < 0.08
    assert [set(frame.files) for frame in recording.frames] == [{'lidar', 'raw'}, {'lidar'}, {'lidar'}] * 2


def test_full_protocols_are_those_of_the_paper():
    assert (QUADSIM.maps * QUADSIM.sequences, QUADSIM.frames, QUADSIM.frame_hz, QUADSIM.key_stride) == (
        10,
        2400,
        10.0,
        5,
    )
    assert (HUMANSIM.maps, HUMANSIM.sequences, HUMANSIM.frames) == (16, 10, 50)
    assert HUMANSIM.image_size == (1216, 608)
    assert [grid.shape for grid in HUMANSIM.grids] == [(64, 64, 8), (128, 128, 16)]
    splits = HUMANSIM.splits()
    assert {name: len(names) for name, names in splits.items()} == dict(
        within_train=128, within_val=32, cross_train=120, cross_val=40
    )
    assert {name[:5] for name in splits['cross_val']} == {f'map{m}' for m in range(12, 16)}
    for protocol, sizes in ((QUADSIM, [7, 3]), (QUADSIM_MINI, [14, 6])):
        lighting = {plan.name: plan.lighting for plan in protocol.plans()}
        maps = {plan.name: plan.map for plan in protocol.plans()}
        by_split = protocol.splits()
        assert [len(by_split[split]) for split in ('train', 'val')] == sizes
        for names in by_split.values():
            assert {lighting[name] for name in names} == {'day', 'dusk', 'night'}
        assert not {maps[n] for n in by_split['train']} & {maps[n] for n in by_split['val']}
    for protocol in (HUMANSIM, HUMANSIM_MINI):
        seeds = [(plan.world_seed, plan.path_seed) for plan in protocol.plans()]
        assert len(set(seeds)) == len(seeds)
        assert len({plan.weather for plan in protocol.plans()}) == 4


@pytest.mark.parametrize(
    'options, words',
    [
        (['quadsim', '--sequences', '1'], 'at least 2'),
        (['quadsim', '--maps', '3'], 'use --sequences'),
        (['humansim', '--maps', '1'], 'at least 2 maps'),
        (['quadsim', '--frames', '0'], 'frames: expected at least 1, got 0'),
        (['quadsim', '--image-width', '50'], '--image-width'),
        (['quadsim', '--workers', '0'], '--workers'),
        (['quadsim', '--seed', '-1'], '--seed'),
    ],
)
def test_bad_options_are_told_in_one_sentence(options, words, tmp_path, capsys):
    assert create_data.main([*options, '--out', str(tmp_path / 'set')]) == 2
    message = capsys.readouterr().err
    assert words in message and message.count('\n') == 1
    assert not (tmp_path / 'set').exists()


def test_unknown_sets_are_refused(tmp_path, capsys):
    with pytest.raises(SystemExit):
        create_data.main(['kitti', '--out', str(tmp_path)])
    assert 'quadsim' in capsys.readouterr().err


def test_foreign_and_other_folders_are_refused(sets, tmp_path, capsys):
    file = tmp_path / 'file'
    file.write_text('x')
    assert make('quadsim', file) == 2
    assert 'expected a folder' in capsys.readouterr().err
    (tmp_path / 'foreign').mkdir()
    (tmp_path / 'foreign' / 'thesis.tex').write_text('x')
    assert make('quadsim', tmp_path / 'foreign') == 2
    assert 'thesis.tex' in capsys.readouterr().err
    before = digests(sets / 'quadsim')
    for options, words in (
        (['--seed', '7'], 'seed is 0 there and 7 now'),
        (['--frames', '9'], 'frames is 6 there and 9 now'),
        (['--image-width', '128'], 'image_size is [64, 48] there'),
    ):
        assert make('quadsim', sets / 'quadsim', *options) == 2
        assert words in capsys.readouterr().err
    assert make('humansim', sets / 'quadsim') == 2
    assert 'dataset is "quadsim" there' in capsys.readouterr().err
    assert digests(sets / 'quadsim') == before


@pytest.mark.parametrize('name, options', [('quadsim', ['--sequences', '0']), ('humansim', ['--sequences', '0'])])
def test_a_number_of_nothing_is_refused_and_not_taken_for_the_default(name, options, tmp_path, capsys):
    assert create_data.main([name, '--mini', *options, '--out', str(tmp_path / 'set')]) == 2
    assert '--sequences: expected at least 1, got 0' in capsys.readouterr().err
    assert not (tmp_path / 'set').exists()


@pytest.mark.parametrize('content', ['{"sequence": "seq01", "cla', '[]', '{"sequence": "seq00"}', ''])
def test_a_damaged_summary_is_named_before_anything_is_made(content, sets, tmp_path, capsys):
    shutil.copytree(sets / 'quadsim', tmp_path / 'set')
    (tmp_path / 'set/sequences/seq01.json').write_text(content)
    (tmp_path / 'set/sequences/seq02.json').unlink()
    before = digests(tmp_path / 'set')
    assert make('quadsim', tmp_path / 'set') == 2
    message = capsys.readouterr().err
    assert 'sequences/seq01.json' in message and 'remove it' in message and message.count('\n') == 1
    assert digests(tmp_path / 'set') == before


def test_what_a_killed_write_left_is_removed(sets, tmp_path):
    shutil.copytree(sets / 'quadsim', tmp_path / 'set')
    for name in ('.infos_val.json.7.tmp', 'sequences/.seq01.json.7.tmp'):
        (tmp_path / 'set' / name).write_text('{')
    (tmp_path / 'set/infos_val.json').unlink()
    assert make('quadsim', tmp_path / 'set') == 0
    assert digests(tmp_path / 'set') == digests(sets / 'quadsim')


def test_a_full_disk_says_full(tmp_path, capsys, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(atomic_files.os, 'fsync', full)
    assert make('quadsim', tmp_path / 'set') == 2
    message = capsys.readouterr().err
    assert 'create_data.json: the disk is full' in message and message.count('\n') == 1


def test_the_lens_of_a_set_is_the_lens_that_made_it(sets):
    infos = read_infos(sets / 'quadsim/infos_train.json')
    mine, theirs = pal_camera(64, 48), camera_from_dict(infos['data_list'][0]['cameras']['raw'])
    assert theirs.direct == mine.direct and theirs.coefficients == mine.coefficients


def test_the_kind_of_lidar_can_be_chosen():
    def lidar_of(*options: str) -> str:
        args = create_data.parse_args(['--out', 'x', *options])
        return type(create_data.choose_protocol(args).lidar).__name__

    assert lidar_of('quadsim', '--mini') == 'NonRepetitiveLidar'
    assert lidar_of('quadsim', '--mini', '--lidar', 'spinning') == 'SpinningLidar'
    with pytest.raises(ValueError, match='--lidar: expected quadsim'):
        lidar_of('humansim', '--lidar', 'spinning')
