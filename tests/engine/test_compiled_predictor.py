"""A fixed rig predicts what the model predicts, as one graph without breaks, compiled or packaged."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet3d.registry import MODELS
from mmengine.registry import init_default_scope

from projects.OneOcc.core.geometry import View, unwrap, unwrap_map, unwrapped_view
from projects.OneOcc.oneocc.datasets.transforms.resize import resize_image
from projects.OneOcc.oneocc.engine.compiled_predictor import (
    CompiledPredictor,
    PackagedPredictor,
    _in_order,
    export_package,
)
from projects.OneOcc.oneocc.engine.fixed_rig import FixedRig
from tests.models import small_baseline, tiny_oneocc
from tests.models import two_view_rig as rig

ROOT = Path(__file__).resolve().parents[2]
RECORDED = (144, 192)
VIEWS = dict(raw=dict(height=96, width=128), equi=dict(height=64, width=128, unwrap_from='raw'))


@pytest.fixture
def recorded():
    return dict(raw=torch.randint(0, 256, (1, 3, *RECORDED), dtype=torch.uint8))


def fixed(model, views=None, dtype=None) -> FixedRig:
    sizes = rig.image_sizes() if views is None else dict(raw=RECORDED)
    return FixedRig(model, [as_unwrapped() if views is None else as_recorded()], sizes, views, dtype)


def as_unwrapped():
    """A sample with the views of the model, the panorama blind where the camera is."""
    cameras = rig.cameras()
    recorded = View(rig.raw_camera(RECORDED), cameras['raw'].cam_from_ego)
    return rig.sample({**cameras, 'equi': unwrapped_view(cameras['equi'].camera, recorded)})


def as_recorded():
    """A sample of the camera alone, with the calibration of its own pixels."""
    return rig.sample(dict(raw=View(rig.raw_camera(RECORDED), rig.pose(rig.DOWN))))


def test_raw_images_in_and_the_labels_of_the_pipeline_out(recorded):
    """Unwrapped and normalised on the device against numpy's unwrapping and the data preprocessor."""
    model = tiny_oneocc.build().eval()
    cameras = rig.cameras()
    raw_from_equi = cameras['raw'].cam_from_ego[:3, :3]
    pixels = np.moveaxis(recorded['raw'][0].numpy(), 0, -1)
    equi = unwrap(pixels, unwrap_map(cameras['equi'].camera, rig.raw_camera(RECORDED), raw_from_equi))
    raw = resize_image(pixels, *rig.RAW_SIZE, wrap=False)
    images = {name: torch.from_numpy(image).movedim(-1, 0)[None] for name, image in (('equi', equi), ('raw', raw))}
    made = fixed(model, VIEWS)
    for view, image in made.views.make(recorded, made._tables).items():
        assert torch.equal(image, images[view].float()), view
    with torch.no_grad():
        batch = model.data_preprocessor(dict(inputs=dict(imgs=images), data_samples=[as_unwrapped()]))
        want = model(**batch, mode='predict')[0].pred_occ
        got = made(recorded['raw'])[0]
        assert got.dtype == torch.uint8 and (got == want).float().mean() > 0.999
        assert (fixed(model)(images['equi'], images['raw'])[0] == want).float().mean() > 0.999


def test_a_preprocessor_makes_the_views_on_its_device(recorded, device):
    init_default_scope('mmdet3d')
    preprocessor = MODELS.build(dict(type='OccDataPreprocessor', views=VIEWS)).to(device)
    sample = as_recorded()
    batch = preprocessor(dict(inputs=dict(imgs=dict(raw=[recorded['raw'][0]])), data_samples=[sample]))
    assert {view: tuple(image.shape) for view, image in batch['inputs']['imgs'].items()} == dict(
        raw=(1, 3, *rig.RAW_SIZE), equi=(1, 3, *rig.EQUI_SIZE)
    )
    assert batch['data_samples'][0].cameras['equi'] == as_unwrapped().cameras['equi']
    assert batch['data_samples'][0].cameras['raw'].camera.height == rig.RAW_SIZE[0]
    assert batch['inputs']['imgs']['raw'].std() < 3  # normalised
    with pytest.raises(ValueError, match="got no \\['raw'\\]"):
        preprocessor(dict(inputs=dict(imgs=dict(equi=[recorded['raw'][0]])), data_samples=[sample]))


@pytest.mark.parametrize('which', ['oneocc', pytest.param('monoscene', marks=pytest.mark.slow)])
def test_one_graph_without_breaks(which, recorded):
    init_default_scope('mmdet3d')
    if which == 'oneocc':
        module, given = fixed(tiny_oneocc.build().eval(), VIEWS), (recorded['raw'],)
    else:
        model, (inputs, samples) = small_baseline.baseline(), small_baseline.batch(1)
        sizes = {view: tuple(image.shape[-2:]) for view, image in inputs['imgs'].items()}
        module = FixedRig(model.eval(), samples, sizes)
        given = module.example()
    torch._dynamo.reset()
    with torch.no_grad():
        explained = torch._dynamo.explain(module)(*given)
        assert explained.graph_break_count == 0 and explained.graph_count == 1, explained.break_reasons


@pytest.mark.slow
def test_traced_for_a_backend_it_predicts_the_same(recorded):
    module = fixed(tiny_oneocc.build().eval(), VIEWS)
    with torch.no_grad():
        compiled = torch.compile(module, fullgraph=True, backend='aot_eager')
        assert (compiled(recorded['raw']) == module(recorded['raw'])).float().mean() > 0.999


@pytest.mark.slow
@pytest.mark.parametrize('dtype', [None, torch.bfloat16], ids=str)
def test_inductor_predicts_what_eager_mode_does(recorded, dtype):
    model = tiny_oneocc.build().eval()
    predictor = CompiledPredictor(model, [as_recorded()], dict(raw=RECORDED), VIEWS, dtype)
    print(f'compiled in {predictor.compile_seconds:.0f} s')
    with torch.no_grad():
        want = fixed(model, VIEWS, dtype)(recorded['raw'])
    assert (predictor(recorded) == want).float().mean() > (0.999 if dtype is None else 0.97)


@pytest.mark.slow
def test_a_package_runs_without_the_code_of_the_model(recorded, tmp_path):
    model = tiny_oneocc.build().eval()
    module, path = fixed(model, VIEWS), tmp_path / 'rig.pt2'
    says = export_package(module, path)
    print(f'packaged in {says["seconds"]:.0f} s, {path.stat().st_size / 2**20:.1f} MB')
    assert says['inputs'] == {'raw': list(RECORDED)} and [p.name for p in tmp_path.iterdir()] == ['rig.pt2']
    with torch.no_grad():
        want = module(recorded['raw'])
    assert (PackagedPredictor(path)(recorded) == want).float().mean() > 0.999
    torch.save(recorded['raw'], tmp_path / 'image.pt')
    code = (
        'import sys, torch; package = torch._inductor.aoti_load_package(sys.argv[1]);'
        'labels = package(torch.load(sys.argv[2])); torch.save(labels, sys.argv[3]);'
        'assert not [m for m in sys.modules if m.startswith(("projects", "mmdet", "mmcv", "mmengine"))]'
    )
    files = [str(tmp_path / name) for name in ('rig.pt2', 'image.pt', 'labels.pt')]
    environment = {key: value for key, value in os.environ.items() if key != 'PYTHONPATH'}
    subprocess.run([sys.executable, '-c', code, *files], check=True, cwd=tmp_path, env=environment)
    assert (torch.load(tmp_path / 'labels.pt') == want).float().mean() > 0.999


def test_other_images_are_refused(recorded):
    sizes = dict(raw=RECORDED)
    assert _in_order(recorded, sizes, 1)[0] is recorded['raw']
    with pytest.raises(ValueError, match="compiled with 'raw' of .* got None"):
        _in_order({}, sizes, 1)
    with pytest.raises(ValueError, match=r'got \(1, 3, 144, 192\)'):
        _in_order(recorded, sizes, 2)
    with pytest.raises(ValueError, match='as uint8, got torch.float32'):
        _in_order(dict(raw=recorded['raw'].float()), sizes, 1)


def test_what_cannot_be_fixed_is_refused(tmp_path):
    with pytest.raises(ValueError, match='a model of images'):
        FixedRig(torch.nn.Linear(1, 1), [], {})
    with pytest.raises(ValueError, match="got mode='rotation'"):
        fixed(tiny_oneocc.build(gait='rotation'))
    with pytest.raises(ValueError, match='ends in .pt2'):
        export_package(fixed(tiny_oneocc.build()), tmp_path / 'rig.onnx')
    with pytest.raises(FileNotFoundError, match='rig.pt2'):
        PackagedPredictor(tmp_path / 'rig.pt2')
