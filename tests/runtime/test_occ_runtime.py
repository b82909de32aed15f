"""The runtime: bundles that fit and that do not, images to views, states, and an environment without torch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from projects.OneOcc.core.geometry import unwrap
from projects.OneOcc.oneocc.datasets.transforms.resize import resize_image
from projects.OneOcc.runtime import Bundle, BundleError, OccRuntime, ProviderError
from projects.OneOcc.runtime.bundle import file_hash
from projects.OneOcc.runtime.image_sampling import Remap, Resize
from projects.OneOcc.runtime.providers import choose_providers
from projects.OneOcc.runtime.sight import FREE, OCCUPIED, UNKNOWN, SightLines, box_mask, clear_reference
from tests.bare_environment import ROOT, bare_python, build_wheel, install
from tests.runtime.toy_bundle import CLASSES, SIZE, change_card, image, scene, write_toy_bundle

SIZES = st.tuples(st.integers(2, 12), st.integers(2, 12))


@given(SIZES, SIZES, st.integers(0, 2**31))
def test_remap_is_the_unwrapping_of_the_core_bit_for_bit(size, view, seed):
    rng = np.random.default_rng(seed)
    raw = rng.integers(0, 256, (*size, 3), np.uint8)
    pixels = rng.uniform(-1, 13, (*view, 2)).astype(np.float32)
    valid = rng.random(view) < 0.7
    expected = unwrap(raw, (torch.from_numpy(pixels), torch.from_numpy(valid)))
    assert np.array_equal(Remap(pixels, valid, size)(raw), expected)


@given(SIZES, SIZES, st.booleans(), st.integers(0, 2**31))
def test_resize_is_that_of_the_plug_in_bit_for_bit(old, new, periodic, seed):
    raw = np.random.default_rng(seed).integers(0, 256, (*old, 3), np.uint8)
    assert np.array_equal(Resize(old, new, periodic)(raw), resize_image(raw, *new, periodic))


@pytest.mark.parametrize('centre', [(0.13, -0.07, 0.31), (9.0, 0.2, 5.0), (-1.9, -1.4, -0.9)])
def test_sight_lines_are_those_of_the_definition(centre):
    origin, shape = np.array((-2.0, -1.5, -1.0)), (9, 7, 5)
    sight = SightLines(shape, origin, 0.5, np.array(centre))
    rng = np.random.default_rng(0)
    for share in (0.02, 0.1, 0.4):
        blocked = rng.random(shape) < share
        fine, fast = clear_reference(blocked, origin, 0.5, np.array(centre)), sight.clear(blocked)
        assert not (fast & ~fine).any()  # never sees what the definition does not
        assert (fast == fine).mean() > 0.95  # its small steps miss the corners that a ray grazes
    assert sight.clear(np.zeros(shape, bool)).all()


def test_what_is_behind_is_unknown_and_unknown_is_never_free(tmp_path):
    result = OccRuntime(write_toy_bundle(tmp_path / 'toy'))(image(), 12.5)
    assert np.array_equal(result.labels, scene()) and result.stamp == 12.5
    assert np.array_equal(result.state == OCCUPIED, scene() > 0)
    assert result.state[5, 3, 2] == FREE  # between the lens and the wall
    assert result.state[2, 2, 1] == FREE
    wall = scene().copy()
    wall[6, :, :] = 3
    hidden = OccRuntime(write_toy_bundle(tmp_path / 'wall', np.where(np.indices(wall.shape)[0] == 7, 0, wall)))(image())
    assert (hidden.state[7, :, 1:] == UNKNOWN).all() and (hidden.labels[7] == 0).all()


def test_what_the_lens_does_not_show_is_unknown(tmp_path):
    runtime = OccRuntime(write_toy_bundle(tmp_path))
    runtime.bundle.tables['seen'][:, :, 2:] = False
    state = runtime(image()).state
    assert (state[:, :, 2:][scene()[:, :, 2:] == 0] == UNKNOWN).all()


def test_the_robot_itself_is_unknown_and_hides_nothing(tmp_path):
    labels = scene()
    labels[3:5, 2:4, 1:3] = 1  # taken for a vehicle
    plain = OccRuntime(write_toy_bundle(tmp_path / 'plain', labels))(image())
    body = [[-0.5, -0.5, -0.5], [0.5, 0.5, 0.5]]
    aware = OccRuntime(write_toy_bundle(tmp_path / 'aware', labels, ego_body=body))(image())
    assert (aware.state[3:5, 2:4, 1:3] == UNKNOWN).all()
    assert (aware.state == FREE).sum() > (plain.state == FREE).sum()
    assert len(aware.points) == len(plain.points) - 8


def test_probability_follows_the_temperature_and_labels_do_not(tmp_path):
    sharp = OccRuntime(write_toy_bundle(tmp_path / 'sharp'))(image(20))
    soft = OccRuntime(write_toy_bundle(tmp_path / 'soft', temperature=3.0))(image(20))
    assert np.array_equal(sharp.labels, soft.labels)
    assert soft.probability.max() < sharp.probability.min()
    assert np.allclose(soft.probabilities.sum(0), 1, atol=1e-6)
    assert np.allclose(soft.probabilities.max(0), soft.probability)


def test_points_are_centres_in_the_ego_frame(tmp_path):
    result = OccRuntime(write_toy_bundle(tmp_path))(image())
    assert result.points.min(0) == pytest.approx((-1.75, -1.25, -0.75))
    assert len(result.points) == (scene() > 0).sum()


def test_box_touches_whole_voxels():
    mask = box_mask((4, 4, 4), np.zeros(3), 1.0, ((0.5, 1.0, 0.0), (1.5, 2.0, 0.5)))
    assert np.argwhere(mask).tolist() == [[0, 1, 0], [1, 1, 0]]
    with pytest.raises(ValueError, match='lower one first'):
        box_mask((4, 4, 4), np.zeros(3), 1.0, ((1, 0, 0), (0, 1, 1)))


@pytest.mark.parametrize(
    'wrong', [np.zeros((5, 5, 3), np.uint8), np.zeros((*SIZE, 3), np.float32), np.zeros((*SIZE, 4), np.uint8)]
)
def test_an_image_of_another_size_or_type_is_refused(tmp_path, wrong):
    runtime = OccRuntime(write_toy_bundle(tmp_path))
    with pytest.raises(ValueError, match=r'expected uint8 \(12, 16, 3\)'):
        runtime(wrong)
    with pytest.raises(ValueError, match="camera 'raw'.*got none"):
        runtime({'front': wrong})


def test_bundles_that_cannot_be_used_are_told_in_one_sentence(tmp_path):
    with pytest.raises(BundleError, match='export.py makes one'):
        Bundle.read(tmp_path / 'nothing')
    folder = write_toy_bundle(tmp_path / 'toy')
    for changes, told in (
        (dict(version=7), 'version 1, got 7: export it anew'),
        (dict(format='other'), "expected 'oneocc-bundle'"),
        (dict(temperature=0), 'temperature'),
        (dict(classes=['a', 'a']), 'classes'),
        (dict(network=dict(file='../x', sha256='')), 'inside its folder'),
        (dict(network=dict(file='gone.onnx', sha256='')), 'gone.onnx'),
    ):
        write_toy_bundle(folder)
        change_card(folder, **changes)
        with pytest.raises(BundleError, match=told) as error:
            Bundle.read(folder)
        assert '\n' not in str(error.value)
    write_toy_bundle(folder)
    change_card(folder, views=dict())
    with open(folder / 'model.onnx', 'ab') as file:
        file.write(b'\0')
    with pytest.raises(BundleError, match='damaged'):
        Bundle.read(folder)


def test_a_provider_that_is_not_there_is_named_with_the_cure(tmp_path, monkeypatch):
    import onnxruntime

    monkeypatch.setattr(onnxruntime, 'get_available_providers', lambda: ['CPUExecutionProvider'])
    with pytest.raises(ProviderError, match='CUDAExecutionProvider.*install onnxruntime-gpu'):
        OccRuntime(write_toy_bundle(tmp_path), provider='cuda')
    with pytest.raises(ProviderError, match="expected one of .*'tensorrt'"):
        choose_providers('tpu')
    both = ['TensorrtExecutionProvider', 'CUDAExecutionProvider', 'CPUExecutionProvider']
    monkeypatch.setattr(onnxruntime, 'get_available_providers', lambda: both)
    assert choose_providers('tensorrt') == both


@pytest.fixture(scope='module')
def bare(tmp_path_factory) -> Path:
    """An interpreter with the built wheel, numpy and onnxruntime."""
    folder = tmp_path_factory.mktemp('bare')
    python = bare_python(folder / 'env')
    install(python, build_wheel(folder / 'wheel'))
    return python


def test_the_wheel_runs_a_bundle_without_torch(bare, tmp_path):
    write_toy_bundle(tmp_path / 'toy')
    np.save(tmp_path / 'frame.npy', image(3))
    code = (
        'import sys, numpy as np; from projects.OneOcc.runtime import OccRuntime; '
        f'r = OccRuntime({str(tmp_path / "toy")!r})(np.load({str(tmp_path / "frame.npy")!r})); '
        f'np.savez({str(tmp_path / "out.npz")!r}, labels=r.labels, probability=r.probability, state=r.state); '
        "print(sorted({m.split('.')[0] for m in sys.modules} & {'torch', 'mmengine', 'mmcv', 'cv2', 'PIL'}))"
    )
    done = subprocess.run([bare, '-I', '-c', code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == '[]'
    here = OccRuntime(tmp_path / 'toy')(image(3))
    with np.load(tmp_path / 'out.npz') as there:
        for name in ('labels', 'probability', 'state'):
            assert np.array_equal(there[name], getattr(here, name)), name


def test_nothing_of_torch_is_even_there(bare):
    done = subprocess.run([bare, '-I', '-c', 'import torch'], capture_output=True, text=True)
    assert 'No module named' in done.stderr


def test_the_command_of_the_wheel(bare, tmp_path):
    write_toy_bundle(tmp_path / 'toy')
    np.save(tmp_path / 'frame.npy', image())
    oneocc = bare.with_name('oneocc')

    def call(*words: str) -> subprocess.CompletedProcess:
        return subprocess.run([oneocc, *words], capture_output=True, text=True, cwd=tmp_path)

    assert json.loads(call('info', 'toy').stdout)['classes'] == list(CLASSES)
    done = call('run', 'toy', 'frame.npy', '--out', 'out')
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)['classes']['vehicle'] == 2
    assert (tmp_path / 'out/frame.npz').is_file()
    folder = tmp_path / 'ride'
    folder.mkdir()
    (tmp_path / 'frame.npy').rename(folder / '0.npy')
    assert call('stream', 'ride', '--source', 'folder', '--bundle', 'toy').stdout.count('\n') == 1
    wrong = call('run', 'nowhere', 'frame.npy')
    assert wrong.returncode == 1 and len(wrong.stderr.splitlines()) == 1


def test_importing_the_runtime_loads_no_torch_here_either():
    code = "import sys, projects.OneOcc.runtime.command_line; print('torch' in sys.modules, 'cv2' in sys.modules)"
    done = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.split() == ['False', 'False'], done.stderr


def test_a_hash_is_that_of_the_content(tmp_path):
    (tmp_path / 'a').write_bytes(b'abc')
    assert file_hash(tmp_path / 'a').startswith('ba7816bf')
