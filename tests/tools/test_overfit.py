"""overfit.py: the record of a short run, and LMSCNet that fits four frames."""

import json

import pytest

from tests.micro import ROOT, write_micro_config, write_micro_data
from tests.scripts import load_script
from tests.tiny_dataset import write_tiny_dataset

overfit = load_script('tools/analysis_tools/overfit.py')
GRID = dict(shape=(16, 16, 8), voxel_size=0.4, origin=(-3.2, -3.2, -1.2))
LMSCNET = """
_base_ = ['{configs}/_base_/models/lmscnet.py']
grid = {grid}
model = dict(voxel_encoder=dict(grid=grid))
pipeline = [dict(type='LoadOccupancy', grid=grid), dict(type='LoadLiDARPoints'),
            dict(type='PackOccInputs', keys=('points', 'gt_occ'))]
train_dataloader = dict(dataset=dict(ann_file='infos_train.json'))
val_dataloader = dict(dataset=dict(type='QuadOccDataset', data_root='{data}', ann_file='infos_val.json',
                                   pipeline=pipeline, test_mode=True))
"""


@pytest.fixture()
def micro(tmp_path, monkeypatch):
    monkeypatch.setenv('ONEOCC_DATA', str(write_micro_data(tmp_path / 'data')))
    return write_micro_config(tmp_path / 'micro.py')


def run(*arguments) -> int:
    return overfit.main([str(argument) for argument in arguments])


def test_record_of_a_short_run(micro, tmp_path):
    out = tmp_path / 'records/overfit.json'
    out.parent.mkdir()
    out.write_text(json.dumps([dict(config='other', miou=1.0), dict(config='micro', miou=2.0)]))
    assert run(micro, '--frames', 2, '--first', 1, '--iters', 3, '--every', 2, '--out', out) == 0
    other, record = json.loads(out.read_text())
    assert other == dict(config='other', miou=1.0)
    assert record['config'] == 'micro' and record['reached'] is False
    assert record['frames'] == ['seq00/000001', 'seq00/000002'] and record['iterations'] in (2, 3)
    assert set(record['absent_classes']) | set(record['class_iou']) == set(record['voxels'])
    assert all(record['voxels'][name] == 0 for name in record['absent_classes'])
    assert record['miou'] == pytest.approx(sum(record['class_iou'].values()) / len(record['class_iou']), abs=0.02)
    assert 0 <= record['one_label_per_4x4x4']['majority'] <= record['one_label_per_4x4x4']['bound'] <= 100


def test_record_becomes_a_table(tmp_path):
    record = dict(
        config='a-tiny',
        miou=91.2,
        iou=98.76,
        iterations=425,
        absent_classes=['vehicle'],
        one_label_per_4x4x4=dict(majority=21.1, bound=34.06),
    )
    (tmp_path / 'record.json').write_text(json.dumps([record]))
    page = tmp_path / 'page.md'
    page.write_text('before\n<!-- table:overfit -->\nold\n<!-- /table -->\nafter\n')
    assert run('--out', tmp_path / 'record.json', '--update', page) == 0
    assert '| `a-tiny` | 91.20 | 98.76 | 425 | vehicle | 34.06 |\n<!-- /table -->\nafter' in page.read_text()
    assert 'old' not in page.read_text()


def test_variants_and_seeds_have_records_of_their_own(micro, tmp_path):
    out = tmp_path / 'record.json'
    known = ('--label', 'known', '--cfg-options', 'model.decode_head.supervise=known')
    budget = ('--frames', 1, '--iters', 1, '--out', out)
    assert run(micro, *budget, '--seeds', 0, 1, *known) == 0
    assert run(micro, *budget) == 0
    two, one = json.loads(out.read_text())
    assert two['config'] == 'known' and one['config'] == 'micro' and 'by_seed' not in one
    first, second = two['by_seed'].values()
    assert first != second and two['miou'] == pytest.approx((first + second) / 2, abs=0.02)
    page = tmp_path / 'page.md'
    page.write_text('<!-- table:blocks -->\n<!-- /table -->\n')
    assert run('--out', out, '--update', page, '--block', 'blocks') == 0
    assert f'| `known` | {two["miou"]:.2f} ± ' in page.read_text()


def test_it_stops_at_the_target_and_at_the_time(micro, capsys):
    assert run(micro, '--frames', 1, '--iters', 50, '--every', 1, '--target', -1) == 0
    assert capsys.readouterr().out.count('iteration') == 2  # one line of progress, one record
    assert run(micro, '--frames', 1, '--iters', 50, '--every', 40, '--seconds', 0) == 0
    assert '"iterations": 1,' in capsys.readouterr().out


def test_frames_that_are_not_there(micro, capfd):
    assert run(micro, '--frames', 3, '--first', 2) == 2
    assert 'expected frames within 0..3, got 2..4' in capfd.readouterr().err


@pytest.mark.slow
def test_lmscnet_memorises_four_frames(tmp_path):
    """From sweeps that tell the frames apart, to 90 % mIoU over the classes that occur."""
    write_tiny_dataset(tmp_path / 'set', 'quad', frames=4, grid=GRID)
    config = tmp_path / 'lmscnet.py'
    config.write_text(LMSCNET.format(configs=ROOT / 'configs', grid=GRID, data=tmp_path / 'set'))
    assert run(config, '--iters', 2000, '--lr', 5e-3, '--out', tmp_path / 'record.json') == 0
    (record,) = json.loads((tmp_path / 'record.json').read_text())
    assert record['reached'] and record['miou'] > 90, record
    assert record['one_label_per_4x4x4']['bound'] < 90
