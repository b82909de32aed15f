"""The OneOcc configs: Table 4 is a chain of switches, sizes keep their promises."""

from pathlib import Path

import pytest
from mmdet3d.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from projects.OneOcc.oneocc.datasets.views import whole_pipeline
from projects.OneOcc.oneocc.models.slot_widths import fill_slots

ROOT = Path(__file__).parents[2] / 'configs'
OURS = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ('oneocc/*.py', 'ablations/*.py', 'tiny/oneocc*.py')
    for path in ROOT.glob(pattern)
)


SLOTS = ('backbone', 'view_transformer', 'voxel_encoder', 'neck', 'decode_head')


def model_of(name: str) -> dict:
    return Config.fromfile(ROOT / name).model


def filled(name: str) -> dict:
    """Its slots with what they take from each other."""
    init_default_scope('mmdet3d')
    model = model_of(name)
    return fill_slots({slot: model.get(slot) for slot in SLOTS}, model.grid)


def build(model: dict):
    init_default_scope('mmdet3d')
    return MODELS.build(model)


def millions(module) -> float:
    return sum(p.numel() for p in module.parameters()) / 1e6


def switches(child, parent, path=''):
    """Keys that differ between two model dicts, deepest level named."""
    keys = set(child) | set(parent)
    for key in sorted(keys):
        a, b = child.get(key), parent.get(key)
        if isinstance(a, dict) and isinstance(b, dict) and a.get('type') == b.get('type'):
            yield from switches(a, b, f'{path}{key}.')
        elif a != b:
            yield f'{path}{key}'


@pytest.mark.parametrize('name', OURS)
def test_every_config_names_a_dataset_and_a_schedule(name):
    config = Config.fromfile(ROOT / name)
    for key in ('train_dataloader', 'val_dataloader', 'test_dataloader', 'optim_wrapper', 'train_cfg', 'val_evaluator'):
        assert key in config, key
    lifting = filled(name)['view_transformer']
    views = set(lifting.get('views', (lifting.get('view'),)))
    encoded = {view for view in ('equi', 'raw') if config.model.backbone.get(view)}
    assert encoded == views


@pytest.mark.parametrize('size', ['_quadsim', '-tiny_quadsim-mini'])
def test_table_4_is_a_chain_of_switches(size):
    q = [filled(f'ablations/q{i}{size}.py') for i in range(5)]
    assert list(switches(q[1], q[0])) == ['view_transformer']
    assert list(switches(q[2], q[1])) == ['backbone.raw', 'view_transformer.views']
    assert list(switches(q[3], q[2])) == ['view_transformer.grids', 'view_transformer.injection']
    assert list(switches(q[4], q[3])) == ['neck', 'view_transformer.injection']
    whole = 'oneocc/oneocc_quadsim.py' if size == '_quadsim' else 'tiny/oneocc-tiny_quadsim-mini.py'
    assert list(switches(q[4], filled(whole))) == []


@pytest.mark.parametrize('size', ['_quadsim', '-tiny_quadsim-mini'])
@pytest.mark.parametrize(
    'name, changed',
    [
        ('rotation', ['view_transformer.gait.mode']),
        ('without-ring', ['backbone.ring', 'view_transformer.ring_views']),
        ('without-gdc', ['view_transformer.gait']),
        ('without-dper', ['backbone.raw', 'view_transformer.views']),
        ('without-bgv', ['neck.polar_channels', 'view_transformer.grids']),
        ('without-amoe', ['neck.amoe']),
    ],
)
def test_further_rows_change_one_thing(name, changed, size):
    full = filled(f'ablations/q4{size}.py')
    assert list(switches(filled(f'ablations/{name}{size}.py'), full)) == changed


def test_full_size_keeps_the_parameter_budget():
    """Section 4.5: 101.76 M parameters with both encoders."""
    model = build(model_of('oneocc/oneocc_quadocc.py'))
    assert millions(model) <= 101.76
    assert model.backbone.views == ('equi', 'raw')


def test_light_keeps_its_budget():
    assert millions(build(model_of('oneocc/oneocc-light_quadocc.py'))) <= 20


def test_banded_panorama_keeps_the_angular_resolution():
    for name, rows in (('oneocc/oneocc_quadsim.py', 608), ('oneocc/oneocc-band_quadsim.py', 288)):
        config = Config.fromfile(ROOT / name)
        equi = config.test_dataloader.dataset.views.equi
        low, high = equi.get('elevation_min_deg', -90), equi.get('elevation_max_deg', 90)
        assert equi.height == rows
        assert equi.height / (high - low) == pytest.approx(608 / 180, rel=1e-4)
        assert low <= -27 and high >= 51  # what the lens sees


@pytest.mark.parametrize('name', [name for name in OURS if 'quad' in name])
def test_image_sizes_suit_the_encoders(name):
    """Nothing pads a panorama, so each view's size must be a multiple of the coarsest stride."""
    config = Config.fromfile(ROOT / name)
    divisor = config.model.data_preprocessor.size_divisor
    for loader in (config.train_dataloader, config.test_dataloader):
        sized = [step for step in whole_pipeline(loader.dataset) if 'height' in step]
        assert sized and all(step[side] % divisor == 0 for step in sized for side in ('height', 'width')), sized


def test_light_at_half_size_runs_on_its_own_pipeline(device):
    from tools.analysis_tools import benchmark

    path = ROOT / 'oneocc/oneocc-light-304x608_quadsim.py'
    args = benchmark.parse_args([str(path), '--device', str(device)])
    candidate = benchmark.Candidate(path, args, dict(benchmark.RECORDED))
    candidate.run()
    assert candidate.sizes == dict(raw=[288, 384], equi=[304, 608])
    assert max(max(encoder.strides) for encoder in candidate.model.backbone.encoders.values()) == 16


def test_missing_pretrained_weights_are_named(monkeypatch, tmp_path):
    monkeypatch.setenv('ONEOCC_WEIGHTS', str(tmp_path))
    model = model_of('oneocc/oneocc_quadocc-pretrained.py')
    model.backbone.equi.backbone.arch = 'b0'
    with pytest.raises(FileNotFoundError, match='efficientnet-b7.pth'):
        build(model).init_weights()
