"""A disk that is really full: a limit on the size of files, in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.runtime.toy_bundle import write_toy_bundle
from tests.scripts import ROOT

PROGRAM = """
import resource, signal, sys
from projects.OneOcc.runtime import OccRuntime
from projects.OneOcc.runtime.rosbag_sink import RosbagSink
from projects.OneOcc.runtime.sources import Source, SourceFrame
from projects.OneOcc.runtime.stream import Stream
import numpy as np
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # writing then fails as on a full disk
runtime = OccRuntime(sys.argv[1], threads=1)
frames = [SourceFrame(i / 10, np.zeros((12, 16, 3), np.uint8)) for i in range(30)]
sink = RosbagSink(sys.argv[2], part_bytes=8000)
resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000))
print(Stream(runtime, Source('ride', lambda: iter(frames)), sink, newest=False, tell=print).run())
"""


@pytest.mark.skipif(sys.platform == 'win32', reason='no limits of resources')
def test_the_stream_goes_on_and_nothing_is_left_in_halves(tmp_path):
    bundle, out = write_toy_bundle(tmp_path / 'toy'), tmp_path / 'bags'
    done = subprocess.run([sys.executable, '-c', PROGRAM, bundle, out], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert 'done 30' in done.stdout and 'unwritten' in done.stdout and 'was removed' in done.stdout
    assert not list(out.iterdir())
