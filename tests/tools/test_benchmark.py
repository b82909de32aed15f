"""The efficiency table: every promised field, of several models side by side."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from projects.OneOcc.oneocc.engine.launch import UsageError
from tools.analysis_tools import benchmark

ROOT = Path(__file__).parents[2]
TINY = ROOT / 'configs/tiny/oneocc-tiny_quadsim-mini.py'
Q0 = ROOT / 'configs/ablations/q0-tiny_quadsim-mini.py'


def test_records_hold_what_the_format_promises(tmp_path, capsys):
    out = tmp_path / 'deep' / 'efficiency.json'
    page = tmp_path / 'page.md'
    page.write_text('before\n<!-- table:efficiency -->\nold\n<!-- /table -->\nafter\n')
    benchmark.main(
        [
            str(TINY),
            str(Q0),
            '--repeats',
            '2',
            '--warmup',
            '1',
            '--json',
            str(out),
            '--update',
            str(page),
            '--table',
            'efficiency',
        ]
    )
    assert 'old' not in page.read_text() and '| q0-tiny_quadsim-mini |' in page.read_text()
    records = json.loads(out.read_text())
    assert [Path(r['config']).name for r in records] == [TINY.name, Q0.name]
    for record in records:
        assert set(record) == {
            'config',
            'params',
            'macs',
            'operators',
            'bytes_moved',
            'latency_ms',
            'stages_ms',
            'peak_memory_mb',
            'device',
            'dtype',
            'input_size',
        }
        low, middle, high = (record['latency_ms'][k] for k in ('p10', 'median', 'p90'))
        assert 0 < low <= middle <= high
        assert set(record['stages_ms']) == {'encoders', 'lifting', 'neck', 'head'}
        assert record['params'] > 1e5 and record['macs'] > 1e7
        assert record['dtype'] == 'float32'
    assert records[0]['input_size'] == {'raw': [96, 128], 'equi': [96, 192]}
    printed = capsys.readouterr().out
    assert printed.count('\n| ') == 2 and 'q0-tiny_quadsim-mini' in printed


def test_multiply_adds_are_those_of_the_layers():
    args = benchmark.parse_args([str(Q0)])
    candidate = benchmark.Candidate(Q0, args, dict(benchmark.RECORDED))
    image = candidate.inputs['imgs']['equi']
    conv = candidate.model.backbone.encoders['equi'].backbone.conv1  # 7x7, stride 2, 3 -> 16
    with benchmark.FlopCounterMode(display=False) as counter, torch.no_grad():
        conv(image)
    assert counter.get_total_flops() // 2 == 7 * 7 * 3 * 16 * (48 // 2) * (192 // 2)  # the lens's band


def test_fusing_batch_norms_changes_no_result():
    """Folded normalisations give the same logits within 1e-4."""
    plain = benchmark.Candidate(TINY, benchmark.parse_args([str(TINY)]), dict(benchmark.RECORDED))
    fused = benchmark.Candidate(TINY, benchmark.parse_args([str(TINY)]), dict(benchmark.RECORDED))
    fused.model.load_state_dict(plain.model.state_dict())
    from mmcv.cnn.utils import fuse_conv_bn

    fused.model = fuse_conv_bn(fused.model)
    with torch.no_grad():
        want = plain.model(plain.inputs, plain.samples)[1]
        got = fused.model(plain.inputs, plain.samples)[1]
    torch.testing.assert_close(got, want, atol=1e-4, rtol=1e-4)


def test_banded_pipelines_give_banded_cameras():
    pipeline = [
        dict(type='LoadPanorama', views=('raw',)),
        dict(type='UnwrapPanorama', height=64, width=256, elevation_min_deg=-57, elevation_max_deg=33),
    ]
    views = benchmark.views_of(pipeline, dict(benchmark.RECORDED))
    assert views['raw'] == (960, 1280)
    assert (views['equi'].height, views['equi'].width) == (64, 256)
    assert views['equi'].elevation_max == pytest.approx(33 * 3.14159265 / 180)


@pytest.mark.parametrize('name', ['voxformer-t-tiny', 'sgn-t-tiny'])
def test_models_of_several_frames_are_measured(name):
    path = ROOT / f'configs/tiny/{name}_quadsim-mini.py'
    candidate = benchmark.Candidate(path, benchmark.parse_args([str(path)]), dict(benchmark.RECORDED))
    assert candidate.count()['macs'] > 0
    poses = [view.cam_from_ego.tobytes() for view in candidate.samples[0].cameras.values()]
    assert len(poses) > 2 and sum('past' in view for view in candidate.sizes) == len(poses) - 2
    assert len(set(poses)) == len(poses)  # every frame is seen from a place of its own


def test_a_layer_may_be_handed_a_parameter():
    path = ROOT / 'configs/tiny/occformer-tiny_quadsim-mini.py'
    candidate = benchmark.Candidate(path, benchmark.parse_args([str(path)]), dict(benchmark.RECORDED))
    assert candidate.count()['macs'] > 0 and candidate.params > 1e6


def test_precisions_and_modes_are_rows(tmp_path):
    out = tmp_path / 'efficiency.json'
    benchmark.main(
        [str(Q0), '--repeats', '1', '--warmup', '0', '--precision', 'float32', 'bfloat16', '--json', str(out)]
    )
    records = json.loads(out.read_text())
    assert [r['dtype'] for r in records] == ['float32', 'bfloat16']
    assert '| config | precision | operators | GB moved | M params |' in benchmark.table(records)
    records[1]['mode'] = 'compiled'
    assert '| config | precision | mode | operators | GB moved | M params |' in benchmark.table(records)


@pytest.mark.parametrize('flag, value', [('--mode', 'graph'), ('--precision', 'tfloat32')])
def test_what_only_a_gpu_has_is_refused_elsewhere(flag, value, capsys):
    with pytest.raises(SystemExit):
        benchmark.parse_args([str(Q0), flag, value])
    assert f'{value} needs --device cuda, got cpu' in capsys.readouterr().err


@pytest.mark.cuda
def test_graphs_on_a_gpu(device, tmp_path):
    if device.type != 'cuda':
        pytest.skip('CUDA graphs need a CUDA device: run with --device cuda')
    records = benchmark.main(
        [
            str(Q0),
            str(TINY),
            '--device',
            'cuda',
            '--repeats',
            '2',
            '--warmup',
            '1',
            '--precision',
            'tfloat32',
            'float16',
            '--mode',
            'eager',
            'graph',
        ]
    )
    assert len(records) == 8
    for record in records:
        assert set(record['stages_ms']) == {'encoders', 'lifting', 'neck', 'head'}
        assert 0 < record['peak_memory_mb'] < 2000


def test_a_table_of_earlier_records(tmp_path, capsys):
    out = tmp_path / 'one.json'
    records = benchmark.main([str(Q0), '--repeats', '1', '--warmup', '0', '--json', str(out)])
    capsys.readouterr()
    assert benchmark.main(['--records', str(out), str(out)]) == records * 2
    assert capsys.readouterr().out.count('q0-tiny_quadsim-mini') == 2
    for wrong in ([], [str(Q0), '--records', str(out)]):
        with pytest.raises(SystemExit):
            benchmark.parse_args(wrong)


@pytest.mark.parametrize('text', ['no json', '{}x', '[{"config": "a"}]', '[1]'])
def test_other_files_are_no_records(tmp_path, text):
    path = tmp_path / 'other.json'
    path.write_text(text)
    with pytest.raises(UsageError, match='other.json: expected the records'):
        benchmark.main(['--records', str(path)])


def test_a_mistyped_path_ends_in_a_sentence():
    done = subprocess.run(
        [sys.executable, 'tools/analysis_tools/benchmark.py', 'nowhere.py'], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith('benchmark.py: error: ') and 'nowhere.py' in done.stderr
    assert 'Traceback' not in done.stderr
