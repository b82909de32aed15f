"""The sweep: order of the runs, what it skips, what it says of failures."""

import json
import subprocess
from types import SimpleNamespace

import pytest

from tests.scripts import load_script

sweep = load_script('tools/analysis_tools/sweep.py')


@pytest.fixture
def configs(tmp_path):
    paths = [tmp_path / f'{name}.py' for name in ('first', 'second')]
    for path in paths:
        path.write_text('')
    return paths


@pytest.fixture
def commands(monkeypatch):
    """Replace train.py and test.py by something that leaves their files, and record the calls."""
    calls = []

    def fake(command, cwd, env, stdout, stderr):
        folder = sweep.Path(command[command.index('--work-dir') + 1])
        calls.append((command[1], folder.parent.name, folder.name, env['OMP_NUM_THREADS']))
        if command[1] == 'tools/train.py':
            (folder / 'last_checkpoint').write_text('epoch_1.pth')
        else:
            (folder / 'metrics.json').write_text(json.dumps({}))
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(subprocess, 'run', fake)
    return calls


def test_seeds_are_outermost_and_finished_runs_are_skipped(configs, commands, tmp_path):
    out = tmp_path / 'out'
    arguments = [*map(str, configs), '--seeds', '0', '1', '--out', str(out)]
    assert sweep.main(arguments) == 0
    trained = [(name, seed) for script, name, seed, _ in commands if script == 'tools/train.py']
    assert trained == [('first', 'seed0'), ('second', 'seed0'), ('first', 'seed1'), ('second', 'seed1')]
    (out / 'first/seed1/metrics.json').unlink()
    commands.clear()
    assert sweep.main(arguments) == 0
    assert {call[1:3] for call in commands} == {('first', 'seed1')}


def test_failed_run_is_named_and_the_others_go_on(configs, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(subprocess, 'run', lambda *_, **__: SimpleNamespace(returncode=3))
    assert sweep.main([*map(str, configs), '--seeds', '7', '--out', str(tmp_path / 'out')]) == 1
    text = capsys.readouterr().out
    assert 'first.py seed 7: training failed' in text and 'second.py seed 7' in text and '0 of 2 runs' in text


def test_missing_config_is_one_sentence(tmp_path, capsys):
    assert sweep.main([str(tmp_path / 'nowhere.py')]) == 2
    assert 'nowhere.py' in capsys.readouterr().err
