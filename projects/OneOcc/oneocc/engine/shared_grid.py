"""One setting, `grid` at the top of a config, for the labels that are read and the volumes that are lifted.

A config file pastes it where it is needed when it is read, which is before `--cfg-options` and before a child config
changes one number of it. So whoever builds from a config lets the copies follow first.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log

from ...core.geometry import CartesianGrid

_LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
_KEYS = {'shape', 'voxel_size', 'origin'}


def share_data_root(cfg: Config, before: str | None) -> bool:
    """Let the data sets that lay at `before` follow the config's `data_root`, in place; whether one does."""
    follow = False
    for name in _LOADERS:
        dataset = (cfg.get(name) or {}).get('dataset') or {}
        if before is not None and dataset.get('data_root') == before:
            dataset['data_root'] = cfg.data_root
            follow = True
    return follow


def share_grid(cfg: Config) -> Config:
    """Give the config's `grid` to its model and its data sets, in place; a config without one stays as it is.

    Where all copies agree with each other and not with `grid`, `grid` was changed and they follow. A model without a
    grid gets it, if none of its slots names one.

    Raises:
        ValueError: one copy was changed alone; the message names it, the expected and the actual value.
    """
    grid = cfg.get('grid')
    if not _is_grid(grid):
        return cfg
    holders = dict(_holders(cfg))
    model = cfg.get('model') or {}
    own = [name for name, part in model.items() if isinstance(part, Mapping) and part.get('grid') is not None]
    if holders and 'grid' not in model and not own and model.get('type', '').endswith('OccupancySegmentor'):
        model['grid'] = dict(grid)
    wanted = CartesianGrid(**grid)
    copies = {place: CartesianGrid(**holder['grid']) for place, holder in holders.items()}
    odd = {place: copy for place, copy in copies.items() if copy != wanted}
    if not odd:
        return cfg
    if len(odd) < len(copies) or len(set(copies.values())) > 1:
        place, got = next(iter(odd.items()))
        raise ValueError(
            f"{place}: expected the config's grid {wanted.to_dict()}, got {got.to_dict()}; change `grid` alone, all "
            'that needs it follows'
        )
    for holder in holders.values():
        holder['grid'] = dict(grid)
    print_log(f'grid: {", ".join(holders)} follow {wanted.to_dict()}', logger='current', level=logging.INFO)
    return cfg


def _is_grid(value: Any) -> bool:
    return isinstance(value, Mapping) and set(value) == _KEYS


def _holders(cfg: Config) -> Iterator[tuple[str, dict]]:
    """The dicts of a config that hold a copy of its grid, by the name of the copy."""
    if _is_grid((cfg.get('model') or {}).get('grid')):
        yield 'model.grid', cfg['model']
    for name in _LOADERS:
        loader = cfg.get(name)
        if isinstance(loader, Mapping) and isinstance(loader.get('dataset'), Mapping):
            yield from _datasets(f'{name}.dataset', loader['dataset'])


def _datasets(place: str, dataset: Mapping) -> Iterator[tuple[str, dict]]:
    """A data set that names its grid, and those that it wraps or joins."""
    if _is_grid(dataset.get('grid')):
        yield f'{place}.grid', dataset
    if isinstance(dataset.get('dataset'), Mapping):
        yield from _datasets(f'{place}.dataset', dataset['dataset'])
    for index, part in enumerate(dataset.get('datasets') or ()):
        if isinstance(part, Mapping):
            yield from _datasets(f'{place}.datasets.{index}', part)
