"""Every imported set trains: an iteration or two of a narrow model, by the shipped configs where there are."""

from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import DefaultScope

from data_converters import create_data
from projects.OneOcc.oneocc.datasets import Human360OccDataset, QuadOccDataset
from tests.data_converters.importers.official_twins import as_human360occ, as_quadocc
from tests.data_converters.importers.public_twins import as_kitti360, as_semantickitti, as_tartanground
from tests.scripts import load_script

ROOT = Path(__file__).resolve().parents[3]
TRAIN, VAL = '2024-06-20-20-49-54', '2024-06-20-21-08-40'
TEXT = """
_base_ = ['{base}/tiny_runtime.py', '{base}/schedules/tiny.py']
grid = dict(shape={shape}, voxel_size=0.4, origin={origin})
encoder = dict(type='PanoramaEncoder', decoder_channels=(16, 16, 8, 8, 8), out_channels=8, ring=True)
encoder.update(backbone=dict(type='mmdet.ResNet', depth=18, base_channels=8, stem_channels=8,
                             out_indices=(0, 1, 2, 3), norm_cfg=dict(type='BN'), style='pytorch'))
model = dict(
    type='OccupancySegmentor',
    data_preprocessor=dict(type='OccDataPreprocessor', size_divisor=32),
    backbone=encoder,
    view_transformer=dict(type='FLoSP', grid=grid),
    neck=dict(type='UNet3D', channels=8),
    decode_head=dict(type='SSCHead', num_classes={classes}, in_channels=(8, 16, 32)))
frames = dict(type='PALOccDataset', data_root='{root}', views={views}, grid=grid)
train_dataloader = dict(
    batch_size=2, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(frames, ann_file='infos_{split}.json', pipeline=[dict(type='PackOccInputs')]))
val_dataloader = val_evaluator = val_cfg = test_dataloader = test_evaluator = test_cfg = None
default_hooks = dict(checkpoint=dict(_delete_=True, type='CheckpointHook', interval=1))
train_cfg = dict(max_epochs=1, val_interval=2)
param_scheduler = [dict(type='ConstantLR', factor=1.0, by_epoch=True)]
find_unused_parameters = False
del encoder, frames
"""
EQUI = dict(equi=dict(height=64, width=128))
AHEAD = dict(front=dict(keep=False), equi=dict(height=64, width=128, unwrap_from='front'))
CAR = dict(shape=(128, 128, 16), origin=(0.0, -25.6, -2.2), split='train')
SETS = {
    'kitti360': (as_kitti360, dict(CAR, classes=18, views=EQUI), ['--width', '128']),
    'semantickitti': (as_semantickitti, dict(CAR, classes=19, views=AHEAD), []),
    'tartanground': (
        as_tartanground,
        dict(shape=(64, 64, 8), origin=(-12.8, -12.8, -2.4), split='train', classes=1, views=EQUI),
        ['--width', '128'],
    ),
}


def imported(name, write, folder, *options):
    words = [name, '--root', str(write(folder / 'raw')), '--out', str(folder / name), '--workers', '1', '--quiet']
    assert create_data.main([*words, *options]) == 0
    return folder / name


def train(config: Path, *options: str) -> None:
    work = config.parent / 'run'
    assert load_script('tools/train.py').main([str(config), '--work-dir', str(work), *options]) == 0
    assert (work / 'epoch_1.pth').is_file()


@pytest.mark.parametrize(
    'name', ['tartanground', *(pytest.param(name, marks=pytest.mark.slow) for name in ('kitti360', 'semantickitti'))]
)
def test_a_public_set_trains(name, tmp_path):
    write, settings, options = SETS[name]
    root = imported(name, write, tmp_path, *options)
    config = tmp_path / 'config.py'
    config.write_text(TEXT.format(base=ROOT / 'configs/_base_', root=root, **settings))
    train(config)


@pytest.mark.parametrize('name', ['quadocc', 'human360occ'])
def test_an_official_set_is_read_by_the_shipped_configs_and_trains(name, tmp_path, monkeypatch):
    if name == 'quadocc':
        root = imported(name, lambda raw: as_quadocc(raw, [TRAIN, VAL], 2), tmp_path)
        files, base, kind = ['quadocc'], 'oneocc-tiny_quadsim-mini', QuadOccDataset
    else:
        root = imported(name, lambda raw: as_human360occ(raw, ['a', 'b'], 2), tmp_path)
        files, kind = ['human360occ-within', 'human360occ-cross'], Human360OccDataset
        base = 'oneocc-tiny_humansim-mini-within'
    monkeypatch.setenv('ONEOCC_DATA', str(root.parent))
    for file in files:
        cfg = Config.fromfile(ROOT / f'configs/_base_/datasets/{file}.py')
        for loader in (cfg.val_dataloader,) if name == 'quadocc' else (cfg.train_dataloader, cfg.val_dataloader):
            settings = dict(loader.dataset)
            assert settings.pop('type') == kind.__name__
            with DefaultScope.overwrite_default_scope('mmdet3d'):
                dataset = kind(**settings)
                sample = dataset[0]
            assert len(dataset) == (1 if name == 'quadocc' else 2)  # every fifth of two, or all
            assert tuple(sample['data_samples'].gt_occ.shape) == (64, 64, 8)
            assert dataset.metainfo['unobserved'] == 'empty' and dataset.metainfo['class_counts'][0] > 0
    config = tmp_path / 'config.py'
    config.write_text(f"_base_ = '{ROOT}/configs/tiny/{base}.py'\n")
    here = ['train_cfg.max_epochs=1', 'train_cfg.val_interval=2']
    for part in ('train', 'val'):
        here += [f'{part}_dataloader.dataset.data_root={root}', f'{part}_dataloader.num_workers=0']
        here.append(f'{part}_dataloader.persistent_workers=False')
    train(config, '--cfg-options', *here)
