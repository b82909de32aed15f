"""The comparison of eager mode with compiled code: its table and its turns; compiling itself is proved elsewhere."""

import json

import pytest
import torch

from tools.analysis_tools import compiled_speed


def record(mode, latency, **more):
    return dict(
        config='configs/tiny/a.py',
        mode=mode,
        device='cpu, 1 threads',
        clock='wall',
        torch='2',
        latency_ms=latency,
        of_eager=latency / 10,
        same_labels=0.9995,
        **more,
    )


def test_records_become_the_table_of_a_page(tmp_path):
    records = [record('eager', 10.0), record('package', 4.0, compile_s=61.4, package_mb=2.04)]
    file, page = tmp_path / 'records.json', tmp_path / 'page.md'
    file.write_text(json.dumps(records))
    page.write_text('<!-- table:compiled -->\n<!-- /table -->\n')
    assert compiled_speed.main(['--records', str(file), '--update', str(page)]) == records
    assert '| a | package | `export_package` | 61 | 2.0 | 4.0 | 0.40 | 99.950 % |' in page.read_text()
    assert '| a | eager |  |  |  | 10.0 | 1.00 | 99.950 % |' in page.read_text()


def test_models_take_turns_and_the_first_frame_is_not_timed():
    calls = []
    predict = {name: lambda images, name=name: calls.append(name) or images['raw'] for name in ('eager', 'package')}
    args = compiled_speed.parse_args(['a.py', '--repeats', '2'])
    labels, milliseconds = compiled_speed.run_in_turns(predict, dict(raw=torch.ones(1)), args)
    assert calls == ['eager', 'package'] * 3 and set(labels) == set(predict)
    assert {name: len(times) for name, times in milliseconds.items()} == dict(eager=2, package=2)


def test_nothing_to_do_is_refused(capsys):
    for argv in ([], ['a.py', '--records', 'b.json'], ['a.py', '--clock', 'processor', '--device', 'cuda']):
        with pytest.raises(SystemExit):
            compiled_speed.parse_args(argv)
