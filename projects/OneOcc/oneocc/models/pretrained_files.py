"""Weights that a part starts from must be there before anything is initialised."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import nn


def check_pretrained_files(*modules: nn.Module) -> None:
    """FileNotFoundError where the `init_cfg` of a module names a local file of weights that does not exist."""
    for module in modules:
        configs = getattr(module, 'init_cfg', None) or []
        for config in [configs] if isinstance(configs, Mapping) else configs:
            path = str(config.get('checkpoint', ''))
            if config.get('type') == 'Pretrained' and '://' not in path and not Path(path).is_file():
                raise FileNotFoundError(
                    f'the pretrained weights {path!r} of {type(module).__name__} are not there: put '
                    'the file in place, name another one by init_cfg.checkpoint, or train from '
                    'scratch with init_cfg=None'
                )
