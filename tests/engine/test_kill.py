"""SIGKILL at any moment leaves a run that can be resumed."""
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_killed_training_always_has_a_loadable_checkpoint(tmp_path):
    done = subprocess.run(
        [sys.executable, '-m', 'tests.engine.kill_target', str(tmp_path / 'run'), '6'],
        cwd=ROOT, env={**os.environ, 'OMP_NUM_THREADS': '1'}, capture_output=True, text=True,
        timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads(done.stdout.splitlines()[-1])
    reached = report['reached']
    assert len(reached) == 6
    assert all(later > earlier for earlier, later in zip(reached, reached[1:])), \
        'every resumed training goes on from where the last one was killed'
