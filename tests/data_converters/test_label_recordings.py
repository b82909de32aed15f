"""The door for one's own rides: what it makes trains, mistakes are one sentence, killed runs go on."""

import json
import os

import numpy as np
import pytest

from data_converters import label_job, label_recordings
from data_converters.label_recordings import GRIDS, parse_grid, parse_splits
from projects.OneOcc.core.formats.infos import read_infos
from tests.core.formats.rides import make_ride

SMALL = '16,16,4,0.8,-6.4,-6.4,-1.2'


@pytest.fixture(scope='module')
def rides(tmp_path_factory):
    root = tmp_path_factory.mktemp('rides')
    for name in ('a', 'b', 'c'):
        make_ride(root / name, name)
    make_ride(root / 'other', 'other', classes=('building', 'road'))
    make_ride(root / 'again', 'a', frames=2)
    make_ride(root / 'dark', 'dark', image=False)
    return root


def label(rides, out, names='abc', *options, splits=('train=a,b', 'val=c'), grid=SMALL):
    folders = [str(rides / name) for name in names]
    words = [*folders, '--grid', grid, '--splits', *splits, '--out', str(out), '--quiet', *options]
    return label_recordings.main(words)


def test_rides_become_a_set_that_a_dataset_reads(rides, tmp_path, capsys):
    assert label(rides, tmp_path / 'own', 'abc', '--workers', '2') == 0
    assert 'train, 16x16x4' in capsys.readouterr().out
    from projects.OneOcc.oneocc.datasets import PALOccDataset

    pipeline = [dict(type=name) for name in ('LoadPanorama', 'LoadOccupancy', 'LoadLiDARPoints')]
    for split, frames in (('train', 6), ('val', 3)):
        dataset = PALOccDataset(f'infos_{split}.json', str(tmp_path / 'own'), pipeline=pipeline, test_mode=True)
        assert len(dataset) == frames and dataset[0]['gt_occ'].shape == (16, 16, 4)
        assert set(np.unique(dataset[0]['gt_occ'])) <= {0, 1, 2, 255}
    assert read_infos(tmp_path / 'own/infos_val.json')['metainfo']['dataset'] == 'own'
    assert (tmp_path / 'own/recordings/a').is_symlink()


def test_the_same_command_continues_and_relabels_only_what_changed(rides, tmp_path, capsys, monkeypatch):
    out = tmp_path / 'own'
    make_ride(tmp_path / 'x', 'x')
    folders = [str(rides / 'a'), str(tmp_path / 'x')]
    words = [*folders, '--grid', SMALL, '--splits', 'train=a', 'val=x', '--out', str(out), '--quiet']
    assert label_recordings.main(words) == 0
    before = {path: path.read_bytes() for path in out.rglob('*') if path.is_file()}
    done = []
    real = label_job.label_sequence
    monkeypatch.setattr(label_job, 'label_sequence', lambda r, *rest: done.append(r.name) or real(r, *rest))
    assert label_recordings.main(words) == 0 and not done
    assert {path: path.read_bytes() for path in out.rglob('*') if path.is_file()} == before
    (out / 'sequences/a.json').unlink()
    (out / '.infos_train.json.99.tmp').write_text('{')
    assert label_recordings.main(words) == 0 and done == ['a']
    assert {path: path.read_bytes() for path in out.rglob('*') if path.is_file()} == before
    make_ride(tmp_path / 'x', 'x', frames=2)
    capsys.readouterr()
    assert label_recordings.main(words) == 0 and done == ['a', 'x']
    assert 'x: changed since it was labelled' in capsys.readouterr().err
    assert len(read_infos(out / 'infos_val.json')['data_list']) == 2


def test_a_copy_needs_the_rides_no_longer(rides, tmp_path):
    assert label(rides, tmp_path / 'own', 'ac', '--copy', splits=('train=a', 'val=c')) == 0
    assert not [path for path in (tmp_path / 'own').rglob('*') if path.is_symlink()]
    assert label(tmp_path / 'own/recordings', tmp_path / 'own', 'ac', splits=('train=a', 'val=c')) == 0


def test_rides_that_lie_in_the_set_already_stay_there(tmp_path):
    make_ride(tmp_path / 'own/mine/a', 'a')
    assert label(tmp_path / 'own/mine', tmp_path / 'own', 'a', splits=('train=a',)) == 0
    entry = read_infos(tmp_path / 'own/infos_train.json')['data_list'][0]
    assert entry['cameras']['equi']['image'] == 'mine/a/equi/000000.png'


@pytest.mark.parametrize(
    'names, splits, options, words',
    [
        (['a', 'other'], ['train=a', 'val=other'], [], 'classes of'),
        (['a', 'again'], ['train=a'], [], "distinct names, got 'a'"),
        (['a', 'dark'], ['train=a', 'val=dark'], [], 'at least one frame with an image'),
        (['a', 'b'], ['train=a'], [], "every recording in a split, got ['b']"),
        (['a'], ['train=a', 'val=z'], [], "got ['z']"),
        (['a'], ['train=a', 'val='], [], 'val: expected at least one sequence'),
        (['a'], ['train:a'], [], 'no such file'),
        (['a'], ['train=a', 'a'], [], 'SPLIT=NAME'),
        (['nowhere'], ['train=a'], [], 'no such recording'),
        (['a'], ['train=a'], ['--workers', '0'], '--workers'),
        (['a'], ['train=a'], ['--min-range', '-1'], 'min_range'),
        (['a'], ['train=a'], ['--body-box', '0', '0', '0', '-1', '1', '1'], 'body_box'),
        (['a'], ['train=a'], ['--grid', SMALL], 'distinct shapes'),
    ],
)
def test_mistakes_are_one_sentence_and_leave_no_folder(rides, names, splits, options, words, tmp_path, capsys):
    assert label(rides, tmp_path / 'own', names, *options, splits=splits) == 2
    message = capsys.readouterr().err
    assert words in message and message.count('\n') == 1
    assert not (tmp_path / 'own').exists()


def test_other_settings_foreign_folders_and_taken_names_are_refused(rides, tmp_path, capsys):
    out = tmp_path / 'own'
    assert label(rides, out, 'ac', splits=('train=a', 'val=c')) == 0
    before = sorted(out.rglob('*'))
    assert label(rides, out, 'ac', splits=('train=a', 'val=c'), grid='h3o') == 2
    assert 'grids is' in capsys.readouterr().err
    assert label(rides, out, 'ac', '--min-range', '1', splits=('train=a', 'val=c')) == 2
    assert 'voxelize is' in capsys.readouterr().err
    assert label(rides, out, ['again'], splits=('train=a',)) == 2
    assert 'own/recordings/a: expected the recording' in capsys.readouterr().err
    assert sorted(out.rglob('*')) == before
    (tmp_path / 'thesis').mkdir()
    (tmp_path / 'thesis/thesis.tex').write_text('x')
    assert label(rides, tmp_path / 'thesis', 'a', splits=('train=a',)) == 2
    assert 'thesis.tex' in capsys.readouterr().err
    assert os.listdir(tmp_path / 'thesis') == ['thesis.tex']


def test_a_damaged_summary_is_named(rides, tmp_path, capsys):
    out = tmp_path / 'own'
    assert label(rides, out, 'a', splits=('train=a',)) == 0
    for content in ('{"sequence', '[]', '{"sequence": "b", "classes": [], "entries": [], "counts": {}}'):
        (out / 'sequences/a.json').write_text(content)
        assert label(rides, out, 'a', splits=('train=a',)) == 2
        assert 'sequences/a.json' in (message := capsys.readouterr().err) and 'remove it' in message


def test_what_was_dropped_and_what_is_odd_is_told(tmp_path, capsys):
    def near(index, scan):
        return dict(scan, points=np.where(np.arange(len(scan['points']))[:, None] < 4, 0.2, scan['points']))

    ride = make_ride(tmp_path / 'a', 'a', edit=near, write=False)
    c, s = np.cos(np.radians(12)), np.sin(np.radians(12))
    for frame in ride.frames:
        frame.world_from_ego[:3, :3] = [[c, 0, s], [0, 1, 0], [-s, 0, c]]
    ride.write()
    assert label(tmp_path, tmp_path / 'own', 'a', splits=('train=a', 'val=a')) == 0
    told = capsys.readouterr().err
    assert 'a: dropped 12 own body points' in told
    assert 'tilts by up to 12.0 degrees' in told and 'stands in the splits train, val' in told


def test_grids_and_splits_are_read_in_both_forms(tmp_path):
    assert parse_grid('quadocc') == parse_grid('64,64,8,0.4,-12.8,-12.8,-1.2') == GRIDS['quadocc']
    assert parse_grid('h3o-128').shape == (128, 128, 16)
    for text in ('', 'quad', '1,2,3', '0,64,8,0.4,0,0,0', '64,64,8,nan,0,0,0', '9999,9999,9999,0.4,0,0,0'):
        with pytest.raises(ValueError, match='--grid: expected'):
            parse_grid(text)
    (tmp_path / 's.json').write_text('\ufeff' + json.dumps({'train': ['a']}), encoding='utf-8')
    assert parse_splits([str(tmp_path / 's.json')]) == parse_splits(['train=a']) == {'train': ['a']}
