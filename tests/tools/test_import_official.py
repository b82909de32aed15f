"""import_official.py: every entry mapped or named, and our whole models then compute the official values."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config

from projects.OneOcc.core.geometry import CartesianGrid
from projects.OneOcc.oneocc.baselines.official_weights import BOOK_KEEPING, UNUSED_SHORTCUT, import_official
from projects.OneOcc.oneocc.baselines.official_weights.camera_networks import UNUSED_LAYER, UNUSED_STAGE
from projects.OneOcc.oneocc.baselines.official_weights.monoscene_image import ABSORBED_BIAS, UNUSED_NORM, UNUSED_SCALE
from projects.OneOcc.oneocc.engine import read_checkpoint, read_config
from projects.OneOcc.oneocc.models.layers.active_voxels import ActiveVoxels
from tests import official_monoscene as official
from tests.goldens.frame import DEFAULT_FOLDER, load
from tests.models.small_baseline import build
from tests.scripts import load_script
from tests.tiny_dataset import write_tiny_dataset

BASELINES = Path(__file__).parents[2] / 'configs/baselines'
GOLDENS = {
    'lmscnet': 'LMSCNet_C11_N32_seed1.pt',
    'lmscnet-ss': 'LMSCNet_SS_C11_N32_seed1.pt',
    'sscnet': 'SSCNet_C11_N32_seed1.pt',
    'sscnet-full': 'SSCNet_full_C11_N32_seed1.pt',
}
GRID = dict(shape=(32, 32, 8), voxel_size=0.4, origin=(-6.4, -6.4, -1.2))
LIDAR_OPTIONS = {
    'grid.shape': GRID['shape'],
    'grid.origin': GRID['origin'],
    'model.decode_head.num_classes': 10,
}


def tool(method: str, checkpoint: Path, out: Path, options: dict | None = None, config: Path | None = None) -> int:
    arguments = [method, str(checkpoint), str(out)]
    if config is not None:
        arguments += ['--config', str(config)]
    if options:
        arguments += ['--cfg-options', *(f'{key}={value}'.replace(' ', '') for key, value in options.items())]
    return load_script('tools/model_converters/import_official.py').main(arguments)


def segmentor(config: Path, options: dict, checkpoint: Path):
    """The model of a config with the weights of one of our checkpoints, as tools/test.py loads it."""
    model = build(read_config(config, options).model)
    model.load_state_dict(read_checkpoint(checkpoint)['state_dict'], strict=True)
    return model.eval()


def golden_state(method: str) -> tuple[dict, dict]:
    """Record of a golden file, and its state dict with the trunk that SSCNet-full shares with SSCNet."""
    record = load(DEFAULT_FOLDER / GOLDENS[method])
    state = dict(record['state_fp16'])
    if method == 'sscnet-full':
        trunk = load(DEFAULT_FOLDER / record['trunk_state_in'])['state_fp16']
        state |= {key: value for key, value in trunk.items() if 'classes' not in key}
    return record, state


def scans(record: dict) -> tuple[list[torch.Tensor], tuple[int, ...]]:
    """One point at the centre of every voxel that the golden input marks as occupied."""
    data = load(DEFAULT_FOLDER / record['inputs_file'])
    shape = tuple(data['occupancy_shape'])
    occupancy = np.unpackbits(data['occupancy_packbits'])[: np.prod(shape)].reshape(shape)
    occupancy = torch.from_numpy(occupancy).bool().permute(0, 1, 2, 4, 3)[:, 0]  # stored as (X, Z, Y)
    centres = CartesianGrid(**GRID).centers().float()
    return [torch.nn.functional.pad(centres[mask], (0, 1)) for mask in occupancy], occupancy.shape


@pytest.mark.parametrize('method', GOLDENS)
def test_lidar_weights_give_the_official_logits_from_points(method, tmp_path, capsys):
    record, state = golden_state(method)
    wrapped = dict(
        startEpoch=81,
        model={f'module.{k}': v for k, v in state.items()},
        optimizer={},
        scheduler={},
        config_dict=dict(MODEL=dict(TYPE=method)),
    )
    torch.save(wrapped, tmp_path / 'weights_epoch_080.pth')
    out = tmp_path / 'imported/ours.pth'
    assert tool(method, tmp_path / 'weights_epoch_080.pth', out, LIDAR_OPTIONS) == 0
    printed = capsys.readouterr().out
    assert f'{len(state)} entries taken over' in printed and 'every entry of ours is set' in printed
    assert 'dropped' not in printed
    model = segmentor(BASELINES / f'{method}_quadsim.py', LIDAR_OPTIONS, out)
    points, shape = scans(record)
    with torch.no_grad():
        logits = model(dict(points=points), mode='tensor')
    expected = (
        {1: record['eval_out_coarse_1_4']}
        if method == 'sscnet'
        else {int(key[2:]): value for key, value in record['eval_out'].items()}
    )
    assert set(logits) == set(expected)
    for stride, value in expected.items():
        value = value.float().permute(0, 1, 2, 4, 3)
        if method == 'sscnet':
            value = value.repeat_interleave(4, 2).repeat_interleave(4, 3).repeat_interleave(4, 4)
        stored_as_half = record.get('eval_out', {}).get('1_1', value).dtype == torch.float16
        tolerance = (1e-3 if stored_as_half else 1e-5) * float(value.abs().max())
        torch.testing.assert_close(logits[stride], value, rtol=0, atol=tolerance)


_TEST_CONFIG = """
_base_ = ['{configs}/_base_/models/lmscnet.py', '{configs}/_base_/schedules/tiny.py',
          '{configs}/_base_/tiny_runtime.py']
grid = {grid}
model = dict(voxel_encoder=dict(grid=grid), decode_head=dict(num_classes=10))
val_dataloader = dict(
    batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='Human360OccDataset', data_root='{data}', ann_file='infos_val.json', test_mode=True, pipeline=[
        dict(type='LoadOccupancy', grid=grid), dict(type='LoadLiDARPoints'),
        dict(type='PackOccInputs', keys=('points', 'gt_occ'))]))
test_dataloader = val_dataloader
val_evaluator = dict(type='SSCMetric')
test_evaluator = val_evaluator
train_cfg, optim_wrapper, param_scheduler = None, None, None
"""


def test_the_result_is_tested_by_the_ordinary_tool(tmp_path):
    write_tiny_dataset(tmp_path / 'set', 'human', frames=2, splits=('val',), grid=GRID)
    config = tmp_path / 'config.py'
    config.write_text(_TEST_CONFIG.format(configs=BASELINES.parent, grid=GRID, data=tmp_path / 'set'))
    torch.save(dict(model=golden_state('lmscnet')[1]), tmp_path / 'official.pth')
    assert tool('lmscnet', tmp_path / 'official.pth', tmp_path / 'ours.pth', config=config) == 0
    assert (
        load_script('tools/test.py').main(
            [str(config), str(tmp_path / 'ours.pth'), '--work-dir', str(tmp_path / 'run')]
        )
        == 0
    )
    assert json.loads((tmp_path / 'run/metrics.json').read_text())['frames'] == 2


MONOSCENE = {'unet3d_noCP_seed0.pt': {}, 'unet3d_CP_seed1.pt': dict(shape=(4, 4, 2))}
_CONFIG = """
model = dict(
    type='OccupancySegmentor',
    data_preprocessor=dict(type='OccDataPreprocessor', size_divisor=32),
    backbone=dict(
        type='PanoramaEncoder', decoder_channels=(32, 16, 8, 4, 2), out_channels={width}, scales=(1, 2, 4, 8),
        bottleneck_channels=(64, 64), ring=False,
        backbone=dict(type='mmdet.EfficientNet', arch='b0', out_indices=(1, 2, 3, 4, 5))),
    view_transformer=dict(type='FLoSP', project_scale=2, grid=dict(
        shape={shape}, voxel_size=0.4, origin=(-12.8, -12.8, -1.2))),
    neck=dict(type='UNet3D', channels={width}, project_scale=2, context_prior={prior}),
    decode_head=dict(type='SSCHead', num_classes={classes}, in_channels={half}, strides=(1, ), head='aspp',
                     supervise='known'))
"""


def monoscene_case(name: str, folder: Path) -> tuple[dict, dict, Path]:
    """Golden record, official state dict with a made-up 2D network, config file."""
    record = load(DEFAULT_FOLDER / name)
    width = record['feature']
    prior = dict(type='ContextRelationPrior', **MONOSCENE[name]) if record['context_prior'] else None
    config = folder / 'monoscene.py'
    config.write_text(
        _CONFIG.format(
            width=width,
            half=width // 2,
            shape=tuple(record['full_scene_size']),
            prior=prior,
            classes=record['n_classes'] - 1,
        )
    )
    images = official.random_state(official.shapes('b0', head=64, features=width))
    state = {f'net_rgb.{key}': value for key, value in images.items()}
    state |= {f'net_3d_decoder.{key}': value for key, value in record['state_fp16'].items()}
    return record, state, config


@pytest.fixture
def lightning_callback(monkeypatch):
    """The class that Lightning's checkpoints mention, as if Lightning were there to write one."""
    import sys
    from types import ModuleType

    name = 'pytorch_lightning.callbacks.model_checkpoint'
    for parent in ('pytorch_lightning', 'pytorch_lightning.callbacks', name):
        monkeypatch.setitem(sys.modules, parent, ModuleType(parent))
    callback = type('ModelCheckpoint', (), {'__module__': name})
    sys.modules[name].ModelCheckpoint = callback
    return callback


@pytest.mark.parametrize('name', MONOSCENE)
def test_monoscene_weights_give_the_official_values(name, tmp_path, capsys, lightning_callback):
    record, state, config = monoscene_case(name, tmp_path)
    extra = {'criterion.class_weights': torch.ones(3)}
    torch.save(
        {
            'epoch': 29,
            'state_dict': state | extra,
            'hyper_parameters': {'feature': record['feature']},
            'callbacks': {lightning_callback: {'best_model_path': 'x'}},
        },
        tmp_path / 'monoscene.ckpt',
    )
    out = tmp_path / 'ours.pth'
    assert tool('monoscene', tmp_path / 'monoscene.ckpt', out, config=config) == 0
    content = read_checkpoint(out)
    dropped = content['meta']['dropped']
    printed = capsys.readouterr().out
    assert set(dropped.values()) == {ABSORBED_BIAS, BOOK_KEEPING, UNUSED_NORM, UNUSED_SCALE, UNUSED_SHORTCUT}
    assert all(key in printed and reason in printed for key, reason in dropped.items())
    assert f'{len(state) + 1 - len(dropped)} entries taken over' in printed
    unused = {key.removeprefix('net_3d_decoder.') for key, reason in dropped.items() if reason == UNUSED_SHORTCUT}
    assert set(record['train_no_grad']) <= unused

    model = segmentor(config, {}, out)
    image = torch.randn(1, 3, 64, 128)
    with torch.no_grad():
        levels = model.neck(dict(cartesian=record['x3d_fp16'].float()))
        logits = model.decode_head(levels)[1]
        features = model.backbone.encode(image)
        expected = official.OfficialImageNetwork(
            official.random_state(official.shapes('b0', head=64, features=record['feature'])), 'b0'
        )(image)
    torch.testing.assert_close(logits, record['ssc_logit'], rtol=0, atol=1e-5 * float(record['ssc_logit'].abs().max()))
    if record['context_prior']:
        torch.testing.assert_close(levels.relation_logits, record['P_logits'], rtol=0, atol=1e-4)
    for scale in (1, 2, 4, 8):
        scale_of = float(expected[scale].abs().max())
        torch.testing.assert_close(features[scale], expected[scale], rtol=0, atol=1e-5 * scale_of)


def test_the_layout_for_nyu_has_other_names(tmp_path):
    record, state, _ = monoscene_case('unet3d_noCP_seed0.pt', tmp_path)
    names = {
        'process_l1.': 'process_1_4.',
        'process_l2.': 'process_1_8.',
        'up_13_l2.': 'up_1_16_1_8.',
        'up_12_l1.': 'up_1_8_1_4.',
        'ssc_head.': 'ssc_head_1_4.',
    }
    nyu = {}
    for key, value in state.items():
        for kitti, other in names.items():
            key = key.replace(f'net_3d_decoder.{kitti}', f'net_3d_decoder.{other}')
        if 'up_l1_lfull' not in key:
            nyu[key] = value
    ours, theirs = (set(import_official('monoscene', weights).state_dict) for weights in (state, nyu))
    assert theirs == {key for key in ours if not key.startswith('neck.up_full.')}


@pytest.mark.slow
def test_every_shape_of_the_full_monoscene_fits():
    """EfficientNet-B7 and 64 features against the shipped config, with the shapes alone."""
    model = build(Config.fromfile(BASELINES / 'monoscene_quadsim.py').model)
    shapes = official.shapes('b7', head=2560, features=64)
    encoder = {
        key: torch.Size(shape)
        for key, shape in shapes.items()
        if key.startswith('encoder.') and not key.endswith(('running_mean', 'running_var', 'num_batches_tracked'))
    }
    assert round(sum(shape.numel() for shape in encoder.values()) / 1e6, 2) == 63.79
    state = {f'net_rgb.{key}': torch.zeros(()).expand(shape) for key, shape in shapes.items()}
    state['net_3d_decoder.ssc_head_1_4.conv_classes.bias'] = torch.zeros(7)
    imported = import_official('monoscene', state).state_dict
    expected = {key: value.shape for key, value in model.state_dict().items() if key.startswith('backbone.')}
    assert {key: value.shape for key, value in imported.items() if key.startswith('backbone.')} == expected


@pytest.mark.parametrize(
    'method, options, expected',
    [
        ('lmscnet', 'model.neck.height=32 model.decode_head.num_classes=19', 393_128),
        # the official head without its scale selections and LMSCNet's transposed convolutions that nothing uses
        (
            'sgn-s',
            'grid.shape=(256,256,32) grid.voxel_size=0.2 grid.origin=(0,-25.6,-2) model.decode_head.num_classes=19',
            4_370_691 - 66_320 - 2_060,
        ),
        ('sscnet-full', 'model.decode_head.num_classes=19', 1_086_772),
        # 3D network and head, less what the official ones own and never use
        pytest.param(
            'monoscene-crp',
            'model.neck.project_scale=2 model.neck.context_prior.shape=(32,32,4) '
            'model.view_transformer.project_scale=2 model.decode_head.in_channels=32 '
            'model.decode_head.num_classes=19',
            16_885_844 - 12_384 - 12_672,
            marks=pytest.mark.slow,
        ),
    ],
)
def test_options_of_the_page_make_models_for_semantickitti(method, options, expected):
    assert options in (BASELINES.parents[1] / 'docs/official_weights.md').read_text()
    arguments = load_script('tools/model_converters/import_official.py').parse_args(
        ['sscnet', 'in', 'out', '--cfg-options', *options.split()]
    )
    cfg = read_config(BASELINES / f'{method}_quadsim.py', arguments.cfg_options)
    model = build(cfg.model)
    assert sum(p.numel() for part in (model.neck, model.decode_head) for p in part.parameters()) == expected


SGN_OPTIONS = {
    'model.backbone.backbone.depth': 18,
    'model.backbone.backbone.base_channels': 8,
    'model.backbone.backbone.stem_channels': 8,
    'model.backbone.bottleneck_channels': 16,
    'model.backbone.out_channels': 16,
    'model.neck.base_channels': 8,
    'model.decode_head.num_classes': 10,
}


def sgn_state() -> dict[str, torch.Tensor]:
    """Names and shapes of a whole official SGN of 16 channels and 11 logits on 64x64x8 voxels."""
    files = ('sgn_sgb_seed0.pt', 'sgn_proposal_net_seed0.pt', 'sgn_sdb_seed1.pt')
    seeds, points, diffusion = (load(DEFAULT_FOLDER / name)['state_fp16'] for name in files)
    one_block = {key: value for key, value in diffusion.items() if not key.startswith(('diffusion.1', 'diffusion.2'))}
    parts = {
        'sgb.': seeds,
        'pts_header.': points,
        'sdb.': diffusion | {'conv_in.weight': torch.randn(8, 16 + 8, 3, 3, 3)},
        'occ_header.0.': one_block | {'conv_in.weight': torch.randn(8, 16, 3, 3, 3)},
    }
    state = {prefix + key: value for prefix, part in parts.items() for key, value in part.items()}
    for name, *shapes in [
        ('bottleneck', (16, 16, 3, 3, 3), (16,)),
        ('mlp_prior.0', (8, 16), (8,)),
        ('mlp_prior.1', (8,), (8,)),
        ('mlp_prior.3', (16, 8), (16,)),
        ('occ_header.1', (1, 8, 3, 3, 3), (1,)),
        ('sem_header.mlp_head.0', (16,), (16,)),
        ('sem_header.mlp_head.1', (11, 16), (11,)),
        ('ssc_header.mlp_head.0', (8,), (8,)),
        ('ssc_header.mlp_head.1', (11, 8), (11,)),
    ]:
        state |= {f'{name}.{kind}': torch.randn(shape) for kind, shape in zip(('weight', 'bias'), shapes)}
    resnet = build(dict(type='mmdet.ResNet', depth=18, base_channels=8, stem_channels=8)).state_dict()
    images = {f'img_backbone.{key}': value for key, value in resnet.items()}
    images |= {
        'img_neck.lateral_convs.0.conv.weight': torch.randn(16, 32, 1, 1),
        'img_neck.lateral_convs.0.conv.bias': torch.randn(16),
        'img_neck.fpn_convs.0.conv.weight': torch.randn(16, 16, 3, 3),
        'img_neck.fpn_convs.0.conv.bias': torch.randn(16),
    }
    return images | {f'pts_bbox_head.{key}': value for key, value in state.items()}


def test_sgn_weights_fit_entry_for_entry(tmp_path, capsys):
    state, out = sgn_state(), tmp_path / 'ours.pth'
    torch.save(dict(state_dict=state), tmp_path / 'official.pth')
    assert tool('sgn', tmp_path / 'official.pth', out, SGN_OPTIONS) == 0
    printed = capsys.readouterr().out
    dropped = read_checkpoint(out)['meta']['dropped']
    assert f'{len(state) - len(dropped)} entries taken over' in printed and 'every entry of ours is set' in printed
    assert {key for key, reason in dropped.items() if reason == UNUSED_STAGE} == {k for k in state if 'layer4' in k}
    unused = {key for key, reason in dropped.items() if reason == UNUSED_LAYER}
    assert len(unused) == 10 and all('scale_selection' in key or 'deconv_1_' in key for key in unused)
    model = segmentor(BASELINES / 'sgn-s_quadsim.py', SGN_OPTIONS, out)
    record = load(DEFAULT_FOLDER / 'sgn_sgb_seed0.pt')
    coords = torch.nn.functional.pad(record['coords_xyz'].long(), (1, 0))
    seeds = ActiveVoxels(coords, record['feats_fp16'].float(), tuple(record['cfg']['sizes_xyz']), 1)
    with torch.no_grad():
        torch.testing.assert_close(model.neck.semantics(seeds), record['out'], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(
        model.backbone.heads['16'].weight, state['img_neck.fpn_convs.0.conv.weight'], rtol=0, atol=0
    )


class TestBadInput:
    """One sentence, an exit code, and no file."""

    def refused(self, capfd, tmp_path, method, content, options=LIDAR_OPTIONS) -> str:
        torch.save(content, tmp_path / 'given.pth')
        assert tool(method, tmp_path / 'given.pth', tmp_path / 'out.pth', options) == 1
        assert list(tmp_path.glob('out*')) == []
        error = capfd.readouterr().err.strip().splitlines()
        assert len(error) == 1 and error[0].startswith('import_official.py: error: ')
        return error[0]

    def test_code_is_not_run(self, capfd, tmp_path):
        marker = tmp_path / 'ran'

        class Trap:
            def __reduce__(self):
                return Path.touch, (marker,)

        error = self.refused(capfd, tmp_path, 'lmscnet', dict(model=golden_state('lmscnet')[1], epoch=Trap()))
        assert 'holds Python objects or code' in error and 'nothing of it was run' in error and not marker.exists()

    def test_weights_of_another_method(self, capfd, tmp_path):
        state = golden_state('lmscnet-ss')[1]
        error = self.refused(capfd, tmp_path, 'lmscnet', state)
        assert 'lmscnet has heads at the strides [1, 2, 4, 8], but these weights have them at [1]' in error
        assert "ends with 'deconv_classes', but these weights end with ['conv_classes']" in self.refused(
            capfd, tmp_path, 'sscnet-full', golden_state('sscnet')[1]
        )
        assert 'expected the parameters of LMSCNet' in self.refused(
            capfd, tmp_path, 'lmscnet', golden_state('sscnet')[1]
        )
        assert "holds 'net_rgb.*' and 'net_3d_decoder.*'" in self.refused(capfd, tmp_path, 'monoscene', state, None)

    def test_another_network_is_no_sgn(self, capfd, tmp_path):
        state = sgn_state()
        strange = state | {'pts_bbox_head.bev_embed.weight': torch.zeros(1)}
        assert "expected the parameters of SGN, got ['bev_embed.weight']" in self.refused(
            capfd, tmp_path, 'sgn', strange, SGN_OPTIONS
        )
        head = {key: value for key, value in state.items() if key.startswith('pts_bbox_head.')}
        assert "expected the parts ('img_backbone'" in self.refused(capfd, tmp_path, 'sgn', head, SGN_OPTIONS)

    def test_weights_of_another_size(self, capfd, tmp_path):
        error = self.refused(capfd, tmp_path, 'sscnet', golden_state('sscnet')[1], None)
        assert 'decode_head.conv_classes.weight expected (7, 128, 1, 1, 1), got (11, 128, 1, 1, 1)' in error

    def test_missing_entries(self, capfd, tmp_path):
        state = golden_state('lmscnet')[1]
        del state['Encoder_block1.0.weight']
        assert '1 missing: neck.encoder.0.0.weight (8, 8, 3, 3)' in self.refused(capfd, tmp_path, 'lmscnet', state)

    def test_no_state_dict(self, capfd, tmp_path):
        assert 'expected a state dict' in self.refused(capfd, tmp_path, 'lmscnet', dict(model=dict(a=1)))
        assert tool('lmscnet', tmp_path / 'absent.pth', tmp_path / 'out.pth') == 1
        assert 'found nothing' in capfd.readouterr().err

    def test_counters_of_old_files_are_named(self, tmp_path, capsys):
        state = {k: v for k, v in golden_state('lmscnet')[1].items() if not k.endswith('num_batches_tracked')}
        torch.save(state, tmp_path / 'old.pth')
        assert tool('lmscnet', tmp_path / 'old.pth', tmp_path / 'out.pth', LIDAR_OPTIONS) == 0
        first = 'decode_head.classifiers.1.context.branches.0.1.num_batches_tracked'
        assert f'not set by the file, left at zero:\n  {first}' in capsys.readouterr().out
