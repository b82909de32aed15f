"""SSCMetric inside mmengine's evaluation, with one and with two processes."""

import json
import os
import pickle
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet3d.registry import METRICS
from mmengine.evaluator import Evaluator
from mmengine.structures import BaseDataElement

from projects.OneOcc.core.geometry import CartesianGrid, EquirectCamera, View
from projects.OneOcc.oneocc.evaluation import SSCMetric
from projects.OneOcc.oneocc.structures import OccDataSample

ROOT = Path(__file__).resolve().parents[2]
CLASSES = ('road', 'car', 'tree')
GRID = dict(shape=(4, 4, 2), voxel_size=0.4, origin=(-0.8, -0.8, -0.4))
LIGHTING = ('day', 'dusk', 'night')


def samples(count=5, seed=0):
    """Data samples as mmengine hands them over: dicts of tensors and metainfo."""
    rng = np.random.default_rng(seed)
    made = []
    for index in range(count):
        label = rng.integers(0, 4, GRID['shape']).astype(np.uint8)
        label[rng.random(GRID['shape']) < 0.2] = 255
        pred = np.where(rng.random(GRID['shape']) < 0.5, np.minimum(label, 3), 0).astype(np.uint8)
        made.append(
            dict(
                pred_occ=torch.from_numpy(pred),
                gt_occ=torch.from_numpy(label),
                grid=GRID,
                sample_id=f'seq00/{index:06d}',
                lighting=LIGHTING[index % 3],
                weather='clear',
            )
        )
    return made


def evaluate(data, **kwargs):
    metric = SSCMetric(**kwargs)
    metric.dataset_meta = dict(classes=CLASSES)
    metric.process(None, data)
    return metric.evaluate(len(data))


def test_it_is_registered_and_named_ssc():
    metric = METRICS.build(dict(type='SSCMetric'))
    assert isinstance(metric, SSCMetric) and metric.prefix == 'ssc'


def test_values_are_percent_under_the_prefix(tmp_path):
    out_file = tmp_path / 'metrics.json'
    values = evaluate(samples(), out_file=str(out_file), config='configs/tiny.py', commit='abc')
    report = json.loads(out_file.read_text())
    assert values['ssc/miou'] == report['miou'] > 1
    assert values['ssc/iou/car'] == report['class_iou']['car']
    assert values['ssc/night/miou'] == report['subsets']['night']['miou']
    assert list(report['subsets']) == list(LIGHTING)
    assert report['frames'] == 5 and report['config'] == 'configs/tiny.py' and report['commit'] == 'abc'
    assert np.sum(report['confusion']) == sum(int((s['gt_occ'] != 255).sum()) for s in samples())


def test_perfect_predictions_score_100():
    data = samples()
    for sample in data:
        sample['pred_occ'] = torch.where(sample['gt_occ'] == 255, 0, sample['gt_occ'])
    values = evaluate(data)
    assert all(values[f'ssc/{key}'] == 100.0 for key in ('miou', 'iou', 'precision', 'recall'))


@pytest.mark.parametrize('batch', [1, 2, 5])
def test_batch_size_does_not_matter(batch):
    data = samples()
    metric = SSCMetric()
    metric.dataset_meta = dict(classes=CLASSES)
    for start in range(0, len(data), batch):
        metric.process(None, data[start : start + batch])
    assert len(metric.results) == len(data)
    assert metric.evaluate(len(data)) == evaluate(samples())


def test_repeated_samples_of_a_padded_run_are_cut_off():
    """What mmengine does: ranks' lists interleaved, then truncated to the size of the set."""
    data = samples(5)
    metric = SSCMetric()
    metric.dataset_meta = dict(classes=CLASSES)
    metric.process(None, data)
    whole = metric.compute_metrics(list(metric.results))
    ranks = [metric.results[0::2], [*metric.results[1::2], metric.results[0]]]
    interleaved = [result for pair in zip(*ranks, strict=True) for result in pair][: len(data)]
    assert metric.compute_metrics(interleaved) == whole


def test_two_processes_give_what_one_gives(tmp_path):
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    environment = dict(
        os.environ,
        MASTER_ADDR='127.0.0.1',
        MASTER_PORT=str(port),
        WORLD_SIZE='2',
        PYTHONPATH=str(ROOT),
        OMP_NUM_THREADS='1',
        GLOO_SOCKET_IFNAME='lo',
    )
    ranks = [
        subprocess.Popen(
            [sys.executable, __file__, str(tmp_path)],
            cwd=ROOT,
            env=dict(environment, RANK=str(rank), LOCAL_RANK=str(rank)),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        outputs = [rank.communicate(timeout=300)[0] for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()
    assert [rank.returncode for rank in ranks] == [0, 0], '\n'.join(outputs)
    single = evaluate(samples(), out_file=str(tmp_path / 'single.json'))
    for rank in range(2):
        assert pickle.loads((tmp_path / f'rank{rank}.pkl').read_bytes()) == single
    assert (tmp_path / 'double.json').read_bytes() == (tmp_path / 'single.json').read_bytes()


@pytest.mark.parametrize('kind', [BaseDataElement, OccDataSample])
def test_data_elements_and_dicts_are_taken_alike(kind):
    elements = [kind(metainfo={k: s[k] for k in ('sample_id', 'lighting')}) for s in samples()]
    for element, sample in zip(elements, samples(), strict=True):
        element.pred_occ, element.gt_occ = sample['pred_occ'], sample['gt_occ']
    assert evaluate(elements) == evaluate(samples())
    evaluator = Evaluator([SSCMetric()])
    evaluator.dataset_meta = dict(classes=CLASSES)
    evaluator.process(data_samples=elements)
    assert evaluator.evaluate(len(elements)) == evaluate(samples())


def test_subsets_are_those_asked_for():
    assert not any('/day/' in key for key in evaluate(samples(), subset_keys=()))
    assert 'ssc/clear/miou' in evaluate(samples(), subset_keys=('lighting', 'weather'))


def rig():
    """A sphere that sees all, and a band that sees what lies below the horizon."""
    raised = np.eye(4)
    raised[2, 3] = -0.1
    below = EquirectCamera(16, 8, elevation_min=-np.pi / 2, elevation_max=0.0)
    return {
        'equi': View(EquirectCamera(16, 8), np.eye(4)),
        'low': View(below, raised),
    }


@pytest.mark.parametrize('view, lowest', [(None, 2), ('low', 1), ('equi', 2)])
def test_visible_policy_counts_what_the_camera_can_see(view, lowest):
    """The grid has two layers of voxel centres, 0.2 m below and above the origin."""
    data = [dict(sample, grid=CartesianGrid(**GRID), cameras=rig()) for sample in samples()]
    cropped = [
        dict(sample, pred_occ=sample['pred_occ'][..., :lowest], gt_occ=sample['gt_occ'][..., :lowest])
        for sample in samples()
    ]
    assert evaluate(data, mask_policy='visible', view=view) == evaluate(cropped)


def test_visible_policy_without_calibration_is_refused():
    with pytest.raises(ValueError, match="needs 'cameras' in the metainfo"):
        evaluate(samples(), mask_policy='visible')
    data = [dict(sample, grid=CartesianGrid(**GRID), cameras=rig()) for sample in samples(1)]
    with pytest.raises(ValueError, match="view 'raw' .* views \\['equi', 'low'\\]"):
        evaluate(data, mask_policy='visible', view='raw')


def test_predictions_are_saved_in_the_format_of_the_labels(tmp_path):
    data = samples(2)
    evaluate(data, prediction_dir=str(tmp_path))
    files = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob('*') if path.is_file())
    assert files == ['seq00/000000.npz', 'seq00/000001.npz']
    with np.load(tmp_path / files[1], allow_pickle=False) as archive:
        np.testing.assert_array_equal(archive['labels'], data[1]['pred_occ'].numpy())
        assert archive['labels'].dtype == np.uint8
        assert tuple(archive['origin_m']) == GRID['origin']
        assert float(archive['voxel_size_m']) == GRID['voxel_size']
        assert tuple(archive['classes']) == CLASSES


@pytest.mark.parametrize(
    'change, message',
    [
        (dict(pred_occ=torch.zeros(4, 4, 1, dtype=torch.uint8)), r'seq00/000000: .*\(4, 4, 1\) and \(4, 4, 2\)'),
        (dict(pred_occ=torch.full((4, 4, 2), 4, dtype=torch.uint8)), r'seq00/000000: pred .* 0\.\.3, got \[4\]'),
        (dict(gt_occ=torch.full((4, 4, 2), 9, dtype=torch.uint8)), r'seq00/000000: label .* 0\.\.3 or 255'),
        (dict(pred_occ=None), "seq00/000000 holds no 'pred_occ'"),
    ],
)
def test_bad_samples_are_refused_by_name(change, message):
    with pytest.raises(ValueError, match=message):
        evaluate([dict(samples(1)[0], **change)])


def test_bad_settings_are_refused(tmp_path):
    with pytest.raises(ValueError, match="one of \\['known', 'visible'\\], got 'camera'"):
        SSCMetric(mask_policy='camera')
    metric = SSCMetric()
    with pytest.raises(ValueError, match='names of the classes'):
        metric.process(None, samples(1))
    for sample_id in ('../escape', '/absolute', ''):
        with pytest.raises(ValueError, match='relative path'):
            evaluate([dict(samples(1)[0], sample_id=sample_id)], prediction_dir=str(tmp_path))


def run_rank(folder: Path) -> None:
    """One of two gloo ranks: evaluates its share of five samples, the sixth a repetition."""
    torch.distributed.init_process_group('gloo')
    rank = torch.distributed.get_rank()
    data = samples()
    metric = SSCMetric(out_file=str(folder / 'double.json'))
    metric.dataset_meta = dict(classes=CLASSES)
    metric.process(None, [data[index % len(data)] for index in range(rank, 6, 2)])
    (folder / f'rank{rank}.pkl').write_bytes(pickle.dumps(metric.evaluate(len(data))))
    torch.distributed.destroy_process_group()


if __name__ == '__main__':
    run_rank(Path(sys.argv[1]))
