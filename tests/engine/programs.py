"""Runs a module of tests/engine as a program of its own and reads the JSON line that it ends with."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def report_of(module: str, *arguments) -> dict:
    done = subprocess.run(
        [sys.executable, '-m', f'tests.engine.{module}', *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, 'OMP_NUM_THREADS': '1'},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])
