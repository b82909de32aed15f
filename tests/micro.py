"""A config of the project's real parts, so small that it trains in a second, and data for it."""

from __future__ import annotations

from pathlib import Path

from tests.tiny_dataset import write_tiny_dataset

ROOT = Path(__file__).resolve().parents[1]
TRAIN_FRAMES, VAL_FRAMES = 4, 3  # an odd number, so that two processes have to share unevenly

_TEXT = """
_base_ = ['{base}/tiny_runtime.py', '{base}/schedules/tiny.py']

data_root = '{{{{$ONEOCC_DATA:data}}}}/humansim-mini'
num_classes = 10
grid = dict(shape=(16, 16, 4), voxel_size=0.8, origin=(-6.4, -6.4, -1.2))
pipeline = [
    dict(type='LoadPanorama', views=['equi']),
    dict(type='LoadOccupancy', grid=grid),
    dict(type='PackOccInputs'),
]
train_pipeline = pipeline[:2] + [dict(type='RandomMirror')] + pipeline[2:]

model = dict(
    type='OccupancySegmentor',
    data_preprocessor=dict(type='OccDataPreprocessor', size_divisor=32),
    backbone=dict(
        type='PanoramaEncoder',
        backbone=dict(type='mmdet.ResNet', depth=18, base_channels=8, stem_channels=8,
                      out_indices=(0, 1, 2, 3), norm_cfg=dict(type='BN'), style='pytorch'),
        decoder_channels=(16, 16, 8, 8, 8), out_channels=8, ring=True),
    view_transformer=dict(type='FLoSP', grid=grid),
    neck=dict(type='UNet3D', channels=8),
    decode_head=dict(type='SSCHead', num_classes=num_classes, in_channels=(8, 16, 32)))

train_dataloader = dict(
    batch_size=2, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(type='Human360OccDataset', data_root=data_root, ann_file='infos_train.json',
                 pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='Human360OccDataset', data_root=data_root, ann_file='infos_val.json',
                 pipeline=pipeline, test_mode=True))
test_dataloader = val_dataloader
val_evaluator = dict(type='SSCMetric')
test_evaluator = val_evaluator

train_cfg = dict(max_epochs=2, val_interval=2)
param_scheduler = [dict(type='ConstantLR', factor=1.0, by_epoch=True)]
find_unused_parameters = False
"""


def write_micro_config(path: Path, base: str | Path = ROOT / 'configs/_base_') -> Path:
    """Writes the config; `base` is where its bases are, relative to it or absolute."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_TEXT.format(base=base))
    return path


def write_micro_data(root: Path) -> Path:
    """Writes the data root that ONEOCC_DATA is to name."""
    write_tiny_dataset(root / 'humansim-mini', 'human', frames=TRAIN_FRAMES, splits=('train',))
    write_tiny_dataset(root / 'humansim-mini', 'human', frames=VAL_FRAMES, splits=('val',), seed=1)
    return root
