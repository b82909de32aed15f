"""Whatever looks like a command is one, or says in one sentence which one to run."""

import subprocess
import sys

import pytest

from tests.scripts import ROOT, load_script

COMMANDS = [
    *sorted(str(path.relative_to(ROOT)) for path in (ROOT / 'tools').rglob('*.py')),
    'data_converters/check_calibration.py',
    'data_converters/create_data.py',
    'data_converters/label_recordings.py',
    'data_converters/record.py',
    'data_converters/synthetic/capture/benchmark.py',
]
MODULES = ('ground_truth', 'ray_carving', 'synthetic_sequences', 'voxelize')


@pytest.mark.parametrize('path', COMMANDS)
def test_help_is_shown_and_nothing_else_done(path, monkeypatch, capsys):
    script = load_script(path)
    monkeypatch.setattr(subprocess, 'run', lambda *_, **__: pytest.fail('--help started another program'))
    monkeypatch.setattr(sys, 'argv', [path, '--help'])
    with pytest.raises(SystemExit) as left:
        script.main()
    assert left.value.code == 0
    shown = capsys.readouterr().out
    assert shown.startswith('usage: ') and len(shown.splitlines()) > 3


@pytest.mark.parametrize('name', MODULES)
def test_a_module_run_as_a_command_names_the_command(name):
    # Without site-packages, as on a machine where nothing is installed: told before anything is imported.
    command = [sys.executable, '-S', str(ROOT / f'data_converters/{name}.py'), '--help']
    done = subprocess.run(command, capture_output=True, text=True, env={})
    assert done.returncode == 2 and not done.stdout
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(f'{name}.py is not a command: ') and 'create_data.py' in done.stderr
