"""A bundle says what its model says: both exporters, every kind of model, other calibrations, lower precisions."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet3d.registry import MODELS, TRANSFORMS
from mmengine.config import Config
from mmengine.registry import init_default_scope

import projects.OneOcc.oneocc  # noqa: F401  registers the parts
from data_converters.synthetic.capture.rigs import pal_camera, pal_mount
from projects.OneOcc.core.geometry import View
from projects.OneOcc.core.ops.view_sample import prefer_implementation, sample_map_grid, view_sample
from projects.OneOcc.oneocc.datasets.views import loading_steps
from projects.OneOcc.oneocc.deploy import ExportOptions, export_bundle, read_calibration, recalibrate
from projects.OneOcc.oneocc.deploy.parity import MOST_ERROR, PARITY, agreement, model_logits
from projects.OneOcc.oneocc.deploy.rig_tables import rig_sample
from projects.OneOcc.oneocc.engine.usage_error import UsageError
from projects.OneOcc.oneocc.structures import OccDataSample
from projects.OneOcc.runtime import Bundle, OccRuntime
from tests.models import tiny_oneocc
from tests.models.two_view_rig import GRID
from tests.scripts import ROOT

VIEWS = dict(raw=dict(height=96, width=128), equi=dict(height=64, width=128, unwrap_from='raw'))
CLASSES = ['a', 'road', 'c']
SIZE = (120, 160)  # (H, W) as recorded
CHAIN = """{name}:
  camera_model: pinhole
  distortion_model: equidistant
  distortion_coeffs: [0.01, 0.0, 0.0, 0.0]
  intrinsics: [200.0, 200.0, 320.0, 240.0]
  resolution: [640, 480]
"""


def rig(turn_deg: float = 0.0) -> dict[str, View]:
    """A lens that looks up, turned about the vertical."""
    turn, angle = np.eye(4), np.deg2rad(turn_deg)
    turn[:2, :2] = ((np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle)))
    return dict(raw=View(pal_camera(SIZE[1], SIZE[0]), pal_mount() @ turn))


def frame(seed: int = 0, size: tuple[int, int] = SIZE) -> np.ndarray:
    """A smooth picture with some noise, (H, W, 3) uint8."""
    rng = np.random.default_rng(seed)
    v, u = np.mgrid[: size[0], : size[1]]
    waves = [np.sin(u / rng.uniform(9, 40) + v / rng.uniform(9, 40) + rng.uniform(0, 6)) for _ in range(3)]
    noise = rng.normal(0, 8, (*size, 3))
    return np.clip(128 + 90 * np.stack(waves, -1) + noise, 0, 255).astype(np.uint8)


def awake(model: torch.nn.Module) -> torch.nn.Module:
    """No parameter at its start of zero, so that every part has a say."""
    for parameter in model.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.02)
    return model.eval()


def settled(model: torch.nn.Module, data: dict) -> torch.nn.Module:
    """Batch norms have the statistics of a frame: a deep network without them multiplies the last digits."""
    norms = [layer for layer in model.modules() if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.momentum = 1.0
        norm.train()
    model_logits(model, data)
    return model.eval()


def steps(views: dict = VIEWS) -> list:
    return [TRANSFORMS.build(step) for step in loading_steps(views)]


def packed(recorded: dict[str, View], image: np.ndarray, views: dict = VIEWS) -> dict:
    """What the plug-in's own pipeline makes of a raw image."""
    results = dict(sample_id='x', cameras=dict(recorded), imgs=dict(raw=image))
    for step in steps(views):
        if type(step).__name__ in ('UnwrapPanorama', 'ResizeView'):
            results = step.transform(results)
    images = {name: torch.from_numpy(picture).permute(2, 0, 1) for name, picture in results['imgs'].items()}
    sample = OccDataSample(metainfo=dict(sample_id='x', cameras=results['cameras']))
    return dict(inputs=dict(imgs=images), data_samples=sample)


def about(grid: dict = GRID, classes: list[str] = CLASSES) -> dict:
    return dict(grid=dict(grid), classes=classes, colours=[[9, 9, 9]] * len(classes), config='x.py', checkpoint='x.pth')


def agree(model, bundle: Path, recorded, image, views: dict = VIEWS) -> None:
    """Labels on at least 99.99 % of the voxels that are decided, logits within the stated tolerance."""
    expected, got = model_logits(model, packed(recorded, image, views)), OccRuntime(bundle, threads=1)(image)
    share, decided, error = agreement(expected, got.logits)
    print(f'agreement: {share:.4%}, of the decided {decided:.4%}, logits within {error:.2g}')
    # in a network of random weights some voxels in a thousand are within rounding of a tie
    assert decided >= PARITY and share >= 0.998 and error <= MOST_ERROR
    assert len(np.unique(got.labels)) > 1


def test_a_coin_toss_is_no_disagreement():
    expected = np.zeros((3, 1, 1, 4), np.float32)
    expected[1] = (0.001, 1, 1, 0)
    got = expected.copy()
    got[2] = (0.002, 0, 2, 0)
    share, decided, error = agreement(expected, got)
    assert (share, decided, error) == (0.5, 0.5, 2.0)


@pytest.fixture(scope='module')
def model() -> torch.nn.Module:
    torch.manual_seed(0)
    return awake(tiny_oneocc.build())


@pytest.fixture(scope='module')
def bundle(model, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('export') / 'bundle'
    export_bundle(model, steps(), rig(), folder, about())
    return folder


def test_a_bundle_says_what_its_model_says(model, bundle):
    agree(model, bundle, rig(), frame())


def test_the_network_sees_through_the_views_of_the_pipeline(model):
    """The panorama is blind where its lens is; a bundle that does not know that lifts what was never seen."""
    sample, _, _ = rig_sample(steps(), rig(), ('equi', 'raw'))
    made = packed(rig(), frame())['data_samples'].cameras
    assert sample.cameras['equi'].camera.mask is not None
    assert {name: View.of(view) for name, view in sample.cameras.items()} == {n: View.of(v) for n, v in made.items()}


def test_the_card_says_what_a_robot_has_to_know(bundle):
    card = json.loads((bundle / 'card.json').read_text())
    assert card['views']['equi'] == dict(
        camera='raw',
        method='remap',
        size=[64, 128],
        periodic=True,
        elevation_rad=card['views']['equi']['elevation_rad'],
    )
    assert card['views']['raw']['method'] == 'resize' and card['cameras']['raw']['width'] == SIZE[1]
    assert card['ground_classes'] == ['road'] and card['network']['opset'] <= 20
    assert card['normalisation']['mean'] == pytest.approx([123.675, 116.28, 103.53])
    assert {'commit', 'frames', 'grid', 'colours'} <= set(card)


def test_the_network_has_static_shapes_and_no_volume_samples(bundle):
    import onnx

    found = onnx.load(str(bundle / 'model.onnx'))
    for entry in (*found.graph.input, *found.graph.output):
        assert all(axis.dim_value > 0 for axis in entry.type.tensor_type.shape.dim), entry.name
    shapes = {
        v.name: len(v.type.tensor_type.shape.dim) for v in onnx.shape_inference.infer_shapes(found).graph.value_info
    }
    samples = [node for node in found.graph.node if node.op_type == 'GridSample']
    assert samples and all(shapes.get(node.input[1], 4) == 4 for node in samples)
    assert {entry.domain for entry in found.opset_import} <= {''} and found.opset_import[0].version <= 20


def test_another_calibration_needs_no_export(model, bundle, tmp_path):
    turned = rig(30.0)
    new = recalibrate(model, steps(), turned, bundle, tmp_path / 'turned')
    assert new.card['network']['sha256'] == Bundle.read(bundle).card['network']['sha256']
    assert new.card['tables']['sha256'] != Bundle.read(bundle).card['tables']['sha256']
    agree(model, tmp_path / 'turned', turned, frame(1))


def test_one_view_and_a_band(tmp_path):
    """MonoScene's lifting, whose table holds whole pixels; and a panorama that is only a band."""
    views = dict(
        raw=dict(keep=False),
        equi=dict(height=64, width=128, unwrap_from='raw', elevation_min_deg=-33, elevation_max_deg=57),
    )
    settings = dict(
        type='OccupancySegmentor',
        data_preprocessor=dict(type='OccDataPreprocessor', size_divisor=32),
        backbone=dict(tiny_oneocc.encoder(), out_channels=8, scales=(1, 2, 4, 8), ring=True),
        view_transformer=dict(type='FLoSP', grid=GRID),
        neck=dict(type='UNet3D', channels=8),
        decode_head=dict(type='SSCHead', num_classes=3, in_channels=8, strides=(1,), head='aspp'),
    )
    model = awake(MODELS.build(settings))
    export_bundle(model, steps(views), rig(), tmp_path / 'flosp', about())
    agree(model, tmp_path / 'flosp', rig(), frame(2), views)


@pytest.mark.slow
def test_the_other_exporter_agrees_too(model, tmp_path):
    export_bundle(model, steps(), rig(), tmp_path / 'program', about(), ExportOptions(exporter='program'))
    agree(model, tmp_path / 'program', rig(), frame())
    assert Bundle.read(tmp_path / 'program').card['network']['opset'] == 20


@pytest.mark.slow
def test_compiled_ahead_of_time(model, tmp_path):
    from projects.OneOcc.oneocc.deploy.aoti_export import AotiSession

    made = export_bundle(model, steps(), rig(), tmp_path / 'aoti', about(), ExportOptions(format='aoti'))
    session = AotiSession(made.network, made.card['network']['inputs'])
    expected = model_logits(model, packed(rig(), frame()))
    got = OccRuntime(made.folder, session=session)(frame())
    assert (got.labels == expected.argmax(0)).mean() >= PARITY and np.abs(got.logits - expected).max() <= MOST_ERROR


@pytest.mark.slow
@pytest.mark.parametrize('precision, share', [('fp16', 0.99), ('int8', 0.8)])
def test_lower_precisions_stay_near(precision, share, model, bundle, tmp_path):
    views = packed(rig(), frame())['inputs']['imgs']
    frames = [{name: np.ascontiguousarray(picture.permute(1, 2, 0).numpy()) for name, picture in views.items()}]
    made = export_bundle(
        model, steps(), rig(), tmp_path / precision, about(), ExportOptions(precision=precision), frames
    )
    assert made.card['network']['precision'] == precision
    assert made.network.stat().st_size < Bundle.read(bundle).network.stat().st_size
    expected = model_logits(model, packed(rig(), frame()))
    assert (OccRuntime(made.folder, threads=1)(frame()).labels == expected.argmax(0)).mean() > share


def test_half_precision_leaves_the_coordinates_alone(bundle, tmp_path):
    import onnx

    from projects.OneOcc.oneocc.deploy.lower_precision import coordinate_nodes

    graph = onnx.load(str(bundle / 'model.onnx')).graph
    exact = set(coordinate_nodes(graph))
    samples = [node for node in graph.node if node.op_type == 'GridSample']
    producers = {output: node for node in graph.node for output in node.output}
    assert samples and all(producers[node.input[1]].name in exact for node in samples)
    assert not [node for node in graph.node if node.op_type == 'Conv' and node.name in exact]


@pytest.mark.slow
@pytest.mark.parametrize(
    'path',
    [
        'configs/oneocc/oneocc_quadsim.py',
        'configs/oneocc/oneocc-light_quadsim.py',
        'configs/oneocc/oneocc-band_quadsim.py',
        'configs/tiny/oneocc-tiny_quadsim-mini.py',
        'configs/baselines/monoscene_quadsim.py',
    ],
)
def test_whole_models(path, tmp_path):
    config = Config.fromfile(ROOT / path)
    init_default_scope('mmdet3d')
    settings = config.test_dataloader.dataset
    model = awake(MODELS.build(config.model))
    size = (240, 320) if 'mini' in path else (960, 1280)
    recorded = dict(raw=View(pal_camera(size[1], size[0]), pal_mount()))
    place = about(dict(config.grid), ['vehicle', 'pedestrian', 'road', 'building', 'vegetation', 'terrain'])
    views = {name: dict(view) for name, view in settings.views.items()}
    settled(model, packed(recorded, frame(0, size), views))
    export_bundle(model, steps(views), recorded, tmp_path / 'bundle', place)
    agree(model, tmp_path / 'bundle', recorded, frame(0, size), views)


def test_what_is_no_function_of_images_is_refused(tmp_path):
    turning = awake(tiny_oneocc.build(gait='rotation'))
    with pytest.raises(UsageError, match="mode='rotation'"):
        export_bundle(turning, steps(), rig(), tmp_path / 'x', about())
    assert not list(tmp_path.iterdir())


def test_a_failed_export_leaves_the_old_bundle(model, bundle, tmp_path, monkeypatch):
    with pytest.raises(UsageError, match='frames to calibrate on'):
        export_bundle(model, steps(), rig(), bundle, about(), ExportOptions(precision='int8'))
    before = sorted(path.name for path in bundle.parent.iterdir())
    with pytest.raises(UsageError, match='expected the cameras'):
        export_bundle(model, steps(), {}, bundle, about())
    assert sorted(path.name for path in bundle.parent.iterdir()) == before and Bundle.read(bundle)
    (tmp_path / 'full').mkdir()
    (tmp_path / 'full/thesis.txt').write_text('years of work')
    with pytest.raises(UsageError, match='something else'):
        export_bundle(model, steps(), rig(), tmp_path / 'full', about())
    for wrong in (dict(precision='int4'), dict(format='caffe'), dict(format='aoti', precision='int8')):
        with pytest.raises(UsageError):
            ExportOptions(**wrong)


def test_calibrations_come_from_whatever_holds_one(tmp_path):
    view = rig()['raw']
    entry = dict(view.camera.to_dict(), image='x.png')
    pose = view.cam_from_ego.tolist()
    for name, content in (
        ('infos_val.json', dict(data_list=[dict(cameras=dict(raw=dict(entry, cam_from_ego=pose)))])),
        ('recording.json', dict(rig=dict(cameras=dict(raw=dict(entry, cam_from_body=pose))))),
        ('rig.json', dict(cameras=dict(raw=dict(entry, cam_from_ego=pose)))),
    ):
        (tmp_path / name).write_text(json.dumps(content))
        assert read_calibration(tmp_path / name) == dict(raw=view)
    lens = read_calibration(ROOT / 'data_converters/synthetic/pal_lfvio_1216.txt')['raw']
    pixel, _ = lens.project(torch.tensor([[2.0, 0.0, 0.3]]))
    assert pixel[0, 1] < lens.camera.height / 2  # what is ahead lies above the middle
    (tmp_path / 'lens.json').write_text(json.dumps(view.camera.to_dict()))
    assert read_calibration(tmp_path / 'lens.json')['raw'].camera == view.camera
    (tmp_path / 'chain.yaml').write_text(CHAIN.format(name='cam0'))
    assert read_calibration(tmp_path / 'chain.yaml')['raw'].camera.width == 640
    (tmp_path / 'chain.yaml').write_text(CHAIN.format(name='cam0') + CHAIN.format(name='cam1'))
    with pytest.raises(UsageError, match="'cam0', 'cam1'.*cam_from_ego"):
        read_calibration(tmp_path / 'chain.yaml')
    one = dict(calibration='chain.yaml', camera='cam1', cam_from_ego=pose)
    (tmp_path / 'rig.json').write_text(json.dumps(dict(cameras=dict(raw=one))))
    assert read_calibration(tmp_path / 'rig.json')['raw'].camera.height == 480
    for content, told in (('{', 'not a JSON file'), ('{"cameras": {"raw": {"model": "taylor"}}}', 'cam_from_ego')):
        (tmp_path / 'bad.json').write_text(content)
        with pytest.raises(UsageError, match=told):
            read_calibration(tmp_path / 'bad.json')
    with pytest.raises(UsageError, match='not there'):
        read_calibration(tmp_path / 'gone.json')


def test_a_preferred_implementation_is_taken_where_none_is_named(monkeypatch):
    called = []
    module = importlib.import_module('projects.OneOcc.core.ops.view_sample')
    monkeypatch.setitem(module._IMPLEMENTATIONS, 'grid', lambda *a: called.append('grid') or sample_map_grid(*a))
    maps, pixels = [torch.rand(1, 2, 4, 4)], torch.rand(1, 5, 2) * 4
    with prefer_implementation('grid'):
        inside = view_sample(maps, pixels, image_size=(4, 4))
        view_sample(maps, pixels, image_size=(4, 4), implementation='reference')
    assert called == ['grid']
    assert torch.allclose(inside, view_sample(maps, pixels, image_size=(4, 4)), atol=1e-6)
    with pytest.raises(ValueError, match='implementation'), prefer_implementation('nearest'):
        pass
