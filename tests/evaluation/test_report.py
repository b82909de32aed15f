"""metrics.json and the printed table."""

import json

import numpy as np
import pytest

from projects.OneOcc.oneocc.evaluation.report import build_report, score_report, text_table, write_json

CLASSES = ('road', 'car')


def matrix(*rows):
    return np.array(rows, dtype=np.uint64)


@pytest.fixture
def report():
    return build_report(
        [matrix([5, 1, 0], [1, 8, 0], [0, 0, 2]), matrix([1, 0, 0], [0, 1, 0], [2, 0, 0])],
        [['night', 'rain'], ['day']],
        CLASSES,
        'known',
        'configs/a.py',
        'abc',
    )


def test_report_holds_every_key_of_the_format(report):
    assert set(report) == {
        'miou',
        'iou',
        'precision',
        'recall',
        'class_iou',
        'unobserved',
        'subsets',
        'confusion',
        'mask_policy',
        'config',
        'commit',
        'frames',
    }
    assert report['frames'] == 2 and report['mask_policy'] == 'known'
    assert (report['config'], report['commit']) == ('configs/a.py', 'abc')
    assert report['confusion'] == [[6, 1, 0], [1, 9, 0], [2, 0, 2]]
    assert list(report['class_iou']) == ['road', 'car']
    # TP 11, FP 1, FN 3
    assert report['precision'] == 91.67 and report['recall'] == 78.57 and report['iou'] == 73.33
    assert report['class_iou'] == {'road': 81.82, 'car': 50.0}
    assert report['miou'] == 65.91


def test_subsets_come_in_the_order_of_table_5(report):
    assert list(report['subsets']) == ['day', 'night', 'rain']
    assert report['subsets']['day']['frames'] == 1
    assert report['subsets']['day']['class_iou'] == {'road': 100.0, 'car': 0.0}


def test_subsets_do_not_depend_on_the_order_of_samples():
    matrices = [matrix([5, 1, 0], [1, 8, 0], [0, 0, 2]), matrix([1, 0, 0], [0, 1, 0], [2, 0, 0])]
    forward = build_report(matrices, [['day'], ['night']], CLASSES, 'known')
    backward = build_report(matrices[::-1], [['night'], ['day']], CLASSES, 'known')
    assert forward == backward


def test_table_says_the_mask_policy_and_has_the_paper_s_columns(report):
    lines = text_table(report).splitlines()
    assert lines[0].startswith('2 frames, mask policy known: every voxel with a known label')
    assert lines[1].split() == ['road', 'car', 'P', 'R', 'IoU', 'mIoU']
    assert lines[2].split() == ['81.82', '50.00', '91.67', '78.57', '73.33', '65.91']
    assert lines[4].split() == ['subset', 'frames', 'P', 'R', 'IoU', 'mIoU']
    assert [line.split()[0] for line in lines[5:]] == ['day', 'night', 'rain']


def test_wrong_number_of_classes_is_refused():
    with pytest.raises(ValueError, match='3 rows for empty and the classes'):
        score_report(np.zeros((4, 4)), CLASSES)


def test_json_is_written_whole_or_not_at_all(tmp_path, report):
    path = tmp_path / 'new' / 'metrics.json'
    write_json(path, report)
    before = path.read_text()
    assert json.loads(before) == report
    with pytest.raises(ValueError):
        write_json(path, {'miou': float('nan')})
    assert path.read_text() == before
    assert [entry.name for entry in path.parent.iterdir()] == ['metrics.json']
