"""A model, a dataset and a metric that train in milliseconds, for tests of everything around them."""

from __future__ import annotations

import random
from types import SimpleNamespace

import numpy as np
import torch
from mmdet3d.registry import DATASETS, METRICS, MODELS
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from torch import nn
from torch.nn import functional as F

from projects.OneOcc.oneocc.models import OccHead

FEATURES, CLASSES = 6, 3


@DATASETS.register_module()
class ToyDataset:
    """Points of three blobs, augmented with noise from all three CPU generators."""

    def __init__(self, length: int = 10, nan_at: int = -1) -> None:
        self.nan_at = nan_at
        self.labels = torch.arange(length) % CLASSES
        centres = torch.eye(CLASSES, FEATURES) * 2
        self.points = centres[self.labels] + 0.1 * torch.arange(length)[:, None]
        self.metainfo = {'classes': ('a', 'b', 'c'), 'class_counts': [4, 3, 2, 1]}

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> dict:
        noise = 0.1 * torch.randn(FEATURES) + random.random() + np.random.rand()  # noqa: NPY002
        point = self.points[index] + noise
        if index == self.nan_at:
            point = point * float('nan')
        sample = SimpleNamespace(sample_id=f'toy/{index:06d}', label=int(self.labels[index]))
        return {'inputs': point, 'data_samples': sample}


class ToyHead(OccHead):
    def __init__(self, width: int) -> None:
        super().__init__(CLASSES)
        self.linear = nn.Linear(width, CLASSES)
        self.class_counts = None

    def set_class_counts(self, counts) -> None:
        super().set_class_counts(counts)
        self.class_counts = list(counts)

    def forward(self, feats):
        return {1: self.linear(feats)}

    def loss(self, feats, data_samples, visible=None):
        labels = torch.tensor([sample.label for sample in data_samples])
        return {'loss_ce': F.cross_entropy(self(feats)[1].float(), labels)}


@MODELS.register_module()
class ToyModel(BaseModel):
    """Linear, batch norm, dropout, linear; `ballast` megabytes make its checkpoints slow to write."""

    def __init__(self, width: int = 8, ballast: float = 0.0) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(FEATURES, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(0.3))
        self.decode_head = ToyHead(width)
        self.register_buffer('ballast', torch.zeros(int(ballast * 250_000)))

    def forward(self, inputs: list, data_samples: list, mode: str = 'tensor'):
        feats = self.trunk(torch.stack(list(inputs)).float())
        if mode == 'loss':
            return self.decode_head.loss(feats, data_samples)
        logits = self.decode_head(feats)[1]
        return [
            {'sample_id': s.sample_id, 'label': s.label, 'pred': int(row.argmax())}
            for s, row in zip(data_samples, logits)
        ]


@METRICS.register_module()
class ToyAccuracy(BaseMetric):
    default_prefix = 'toy'

    def process(self, data_batch, data_samples) -> None:
        self.results += [(s['label'] == s['pred'], s['label']) for s in data_samples]

    def compute_metrics(self, results: list) -> dict:
        return {'accuracy': 100 * sum(hit for hit, _ in results) / len(results), 'samples': len(results)}


def toy_config(work_dir, **changes) -> Config:
    """A config of the toy parts under the runner and hooks of configs/_base_/default_runtime.py."""

    def loader(shuffle: bool, batch_size: int) -> dict:
        return dict(
            batch_size=batch_size,
            num_workers=0,
            dataset=dict(type='ToyDataset'),
            sampler=dict(type='DefaultSampler', shuffle=shuffle),
        )

    cfg = Config(
        dict(
            default_scope='mmdet3d',
            runner_type='mmdet3d.OneOccRunner',
            custom_imports=dict(imports=['projects.OneOcc.oneocc', 'tests.engine.toy'], allow_failed_imports=False),
            work_dir=str(work_dir),
            model=dict(type='ToyModel'),
            train_dataloader=loader(True, 4),
            val_dataloader=loader(False, 1),
            test_dataloader=loader(False, 1),
            val_evaluator=dict(type='ToyAccuracy'),
            test_evaluator=dict(type='ToyAccuracy'),
            train_cfg=dict(type='ResumableEpochLoop', max_epochs=4, val_interval=1),
            val_cfg=dict(type='ValLoop'),
            test_cfg=dict(type='TestLoop'),
            optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=0.02)),
            param_scheduler=[dict(type='CosineAnnealingLR', by_epoch=True, T_max=4, convert_to_iter_based=True)],
            default_hooks=dict(
                logger=dict(type='LoggerHook', interval=1),
                checkpoint=dict(type='OneOccCheckpointHook', interval=1, max_keep_ckpts=2),
            ),
            custom_hooks=[dict(type='ClassCountsHook'), dict(type='NonFiniteLossHook')],
            env_cfg=dict(dist_cfg=dict(backend='nccl')),
            randomness=dict(seed=3),
            log_level='WARNING',
        )
    )
    cfg.merge_from_dict(changes)
    return cfg
