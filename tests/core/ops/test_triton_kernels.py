"""The Triton kernels, interpreted on a CPU, against the references; in a process of its own, as Triton reads the
environment when it is imported."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from projects.OneOcc.core.ops.scored_sample import scored_view_sample
from projects.OneOcc.core.ops.view_sample import view_sample
from tests.core.ops.test_scored_sample import SIZE, rig, with_gradients

ROOT = Path(__file__).resolve().parents[3]
HERE = 'tests/core/ops/test_triton_kernels.py'
installed = importlib.util.find_spec('triton') is not None
interpreted = os.environ.get('TRITON_INTERPRET') == '1'
needs_triton = pytest.mark.skipif(not installed, reason='Triton is not installed')
needs_device = pytest.mark.skipif(
    not (interpreted or torch.cuda.is_available()), reason='run by test_interpreted_kernels_agree on a CPU'
)


@needs_triton
@pytest.mark.skipif(interpreted or torch.cuda.is_available(), reason='the kernels run in this very process')
def test_interpreted_kernels_agree():
    done = subprocess.run(
        [sys.executable, '-m', 'pytest', '-q', HERE],
        cwd=ROOT,
        env=dict(os.environ, TRITON_INTERPRET='1'),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and ' passed' in done.stdout, done.stdout + done.stderr


@needs_triton
@needs_device
@pytest.mark.parametrize('wrap', [False, True])
def test_scored_samples_are_those_of_the_reference(device, wrap):
    given = rig(device, points=70)
    for got, want in zip(with_gradients('triton', *given, wrap), with_gradients('reference', *given, wrap)):
        torch.testing.assert_close(got, want)


@needs_triton
@needs_device
@pytest.mark.parametrize('wrap', [False, True])
@pytest.mark.parametrize('weighed', [False, True])
def test_samples_are_those_of_the_reference(device, wrap, weighed):
    features, (pixels, valid, *_), shifts = rig(device, points=70)
    weights = torch.rand(2, 70, len(features), dtype=pixels.dtype, device=device) if weighed else None
    found = []
    for implementation in ('triton', 'reference'):
        leaves = [t.clone().requires_grad_() for t in (*features, pixels, *shifts, *([weights] if weighed else []))]
        out = view_sample(
            leaves[:3],
            leaves[3],
            valid,
            leaves[7] if weighed else None,
            image_size=SIZE,
            wrap=wrap,
            shifts=leaves[4:7],
            implementation=implementation,
        )
        upstream = torch.linspace(0, 1, out.numel(), dtype=out.dtype, device=device).view_as(out)
        found.append([out, *torch.autograd.grad(out, leaves, upstream)])
    for got, want in zip(*found):
        torch.testing.assert_close(got, want)


@needs_triton
@needs_device
def test_half_precision_and_no_points(device):
    features, given, _ = rig(device, dtype=torch.float32, points=40)
    want = scored_view_sample(features, *given, image_size=SIZE, implementation='reference')
    half = [f.half() for f in features]
    got = scored_view_sample(half, *given, image_size=SIZE, implementation='triton')
    assert got.dtype == torch.float16
    torch.testing.assert_close(got.float(), want, atol=0.1, rtol=0.1)
    none = [given[0][:, :0], given[1][:, :0], *given[2:4], given[4][:0]]
    assert scored_view_sample(features, *none, image_size=SIZE, implementation='triton').shape == (2, 5, 0)


@needs_triton
@pytest.mark.slow
def test_kernels_compile_for_a_gpu():
    """To machine code of an H100's kind, which needs no GPU; in a process of its own, without the interpreter."""
    code = 'from tests.core.ops.compile_kernels import compile_all; print(sorted(compile_all()))'
    environment = {key: value for key, value in os.environ.items() if key != 'TRITON_INTERPRET'}
    done = subprocess.run(
        [sys.executable, '-c', code], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "['sample_backward', 'sample_forward', 'scored_backward', 'scored_forward']"


@pytest.mark.skipif(installed, reason='Triton is installed')
def test_without_triton_the_error_names_the_cure():
    features, given, _ = rig(torch.device('cpu'))
    with pytest.raises(ImportError, match='pip install triton'):
        scored_view_sample(features, *given, image_size=SIZE, implementation='triton')


@needs_triton
@pytest.mark.skipif(interpreted, reason='the interpreter runs anywhere')
def test_tensors_on_a_cpu_are_refused():
    features, given, _ = rig(torch.device('cpu'))
    with pytest.raises(ValueError, match='expected tensors on a CUDA device, got cpu'):
        scored_view_sample(features, *given, image_size=SIZE, implementation='triton')
