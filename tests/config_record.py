"""What a config comes to: the shapes of its network, its grids, its pipelines, and the settings around them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from mmdet3d.registry import MODELS
from mmengine.config import Config
from torch import nn

SETTINGS = (
    'auto_scale_lr custom_hooks custom_imports default_hooks default_scope env_cfg load_from log_level log_processor '
    'optim_wrapper param_scheduler randomness resume runner_type test_cfg test_evaluator train_cfg val_cfg '
    'val_evaluator'
).split()
LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')


def plain(value: Any) -> Any:
    """Configs, tuples and numbers as JSON knows them."""
    return json.loads(json.dumps(value, default=lambda other: other.tolist()))


def digest(value: Any) -> str:
    """Twelve hex digits of a value's JSON."""
    return hashlib.sha256(json.dumps(plain(value), sort_keys=True).encode()).hexdigest()[:12]


def grids_of(model: nn.Module) -> Iterator[tuple[str, dict]]:
    """Every grid of a network by the place where it is kept, `view_transformer.polar_grid`."""
    for name, module in model.named_modules():
        for key, value in vars(module).items():
            if type(value).__name__ in ('CartesianGrid', 'CylindricalGrid'):
                yield f'{name}.{key}', value.to_dict()


@cache
def model_record(settings: str) -> dict:
    """Digest of the state's keys and shapes, parameters, and grids of a model's settings, as JSON."""
    with ExitStack() as stack:  # weights are not drawn, which would take most of the time
        for draw in ('uniform_', 'normal_'):
            stack.enter_context(patch.object(torch.Tensor, draw, lambda tensor, *args, **options: tensor))
        model = MODELS.build(json.loads(settings))
    shapes = {key: list(value.shape) for key, value in model.state_dict().items()}
    numbers = sum(value.numel() for value in model.parameters())
    return dict(entries=len(shapes), parameters=numbers, state=digest(shapes), grids=plain(dict(grids_of(model))))


def data_record(loader: Mapping, whole_pipeline: Callable[[Mapping], list]) -> dict:
    """A loader, its set, and every transform between a frame on disk and a batch."""
    dataset = dict(loader['dataset'])
    pipeline = whole_pipeline(dataset)
    own = {
        key: dataset[key]
        for key in dataset
        if key not in ('pipeline', 'views', 'points', 'grid', 'body_pose', 'unobserved')
    }
    return plain(dict(loader, dataset=own, pipeline=pipeline))


def config_record(
    path: Path, whole_pipeline: Callable[[Mapping], list], change: Callable[[Config], None] = lambda cfg: None
) -> dict:
    """All of it for one config file, after `change` was made to the config."""
    cfg = Config.fromfile(path)
    change(cfg)
    parts = {loader: data_record(cfg[loader], whole_pipeline) for loader in LOADERS}
    return dict(
        parts, model=model_record(json.dumps(plain(cfg.model))), settings=plain({key: cfg.get(key) for key in SETTINGS})
    )
