"""Unobserved voxels count as the set is told, and every number says as what."""

import json

import numpy as np
import pytest

from projects.OneOcc.oneocc.datasets import CorruptSampleError, PALOccDataset
from projects.OneOcc.oneocc.evaluation.report import build_report, text_table
from projects.OneOcc.oneocc.evaluation.run_tables import TableError, group_runs
from tests.tiny_dataset import unobserved_of, write_tiny_dataset


def dataset(root, **options) -> PALOccDataset:
    pipeline = [dict(type='PackOccInputs', keys=('points', 'gt_occ'))]
    return PALOccDataset(ann_file='infos_train.json', data_root=str(root), pipeline=pipeline, points={}, **options)


def labels_of(found: PALOccDataset) -> np.ndarray:
    return np.stack([found[index]['data_samples'].gt_occ.numpy() for index in range(len(found))])


def test_they_are_unknown_or_empty_and_the_counts_follow(tmp_path):
    write_tiny_dataset(tmp_path)
    ignored, empty = dataset(tmp_path), dataset(tmp_path, unobserved='empty')
    unknown, filled = labels_of(ignored), labels_of(empty)
    never_seen = np.stack([unobserved_of(labels) for labels in unknown])
    assert (
        never_seen.any()
        and (filled[never_seen] == 0).all()
        and np.array_equal(filled[~never_seen], unknown[~never_seen])
    )
    for found, labels in ((ignored, unknown), (empty, filled)):
        counted = np.bincount(labels.ravel(), minlength=256)
        assert list(found.metainfo['class_counts']) == counted[:7].tolist()
        assert found.metainfo['unknown_share'] == pytest.approx(counted[255] / labels.size)
    assert (ignored.metainfo['unobserved'], empty.metainfo['unobserved']) == ('ignore', 'empty')


def test_a_pipeline_that_loads_for_itself_says_the_policy(tmp_path):
    write_tiny_dataset(tmp_path)
    pipeline = [dict(type='LoadOccupancy', unobserved='empty'), dict(type='PackOccInputs', keys=('gt_occ',))]
    found = PALOccDataset(ann_file='infos_train.json', data_root=str(tmp_path), pipeline=pipeline)
    assert found.metainfo['unobserved'] == 'empty'


def test_a_set_that_does_not_keep_them_apart_is_told(tmp_path):
    write_tiny_dataset(tmp_path)
    infos = json.loads((tmp_path / 'infos_train.json').read_text())
    path = tmp_path / infos['data_list'][0]['occupancy']['16x16x4']
    arrays = dict(np.load(path))
    arrays.pop('unobserved')
    np.savez_compressed(path, **arrays)
    with pytest.raises(CorruptSampleError, match="unobserved='empty' needs the array 'unobserved'"):
        dataset(tmp_path, unobserved='empty', test_mode=True)[0]
    infos['metainfo'].pop('unobserved_by_grid')
    (tmp_path / 'infos_train.json').write_text(json.dumps(infos))
    with pytest.raises(ValueError, match="unobserved='empty' needs 'unobserved_by_grid'"):
        dataset(tmp_path, unobserved='empty')
    assert len(dataset(tmp_path)) == 3
    with pytest.raises(ValueError, match='unobserved: expected one of'):
        dataset(tmp_path, unobserved='free')


def report(**options) -> dict:
    confusions = [np.diag([5, 3, 2]).astype(np.uint64)] * 3
    return build_report(confusions, [['day']] * 3, ('a', 'b'), 'known', **options)


def test_every_number_names_its_policy_and_keeps_its_rides(tmp_path):
    found = report(unobserved='empty', rides=['x', 'y', 'x'])
    assert found['unobserved'] == 'empty' and 'unobserved empty: voxels that nothing was seen of count as empty' in (
        text_table(found)
    )
    assert found['rides'] == {'x': np.diag([10, 6, 4]).tolist(), 'y': np.diag([5, 3, 2]).tolist()}
    assert 'rides' not in report()


def test_numbers_of_two_policies_do_not_stand_in_one_table(tmp_path):
    paths = []
    for policy in ('ignore', 'empty'):
        paths.append(tmp_path / policy / 'metrics.json')
        paths[-1].parent.mkdir()
        paths[-1].write_text(json.dumps(dict(report(unobserved=policy), config=f'{policy}.py')))
    with pytest.raises(TableError, match='runs of different policy on unobserved voxels'):
        group_runs(paths)
