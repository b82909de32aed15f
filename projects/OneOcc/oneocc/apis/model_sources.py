"""Models by name: a folder with a card, one of those shipped in zoo/, the folder of a training, a config."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from torch import nn

from ..engine.checkpoint import check_state_dict, latest_checkpoint, read_checkpoint
from ..engine.config_files import load_config
from ..engine.usage_error import UsageError
from .model_card import CARD, ModelCard, build_model, identity_of, read_model_card
from .training_lens import TrainingLens, lens_of_dataset

ZOO = Path(__file__).resolve().parents[2] / 'zoo'


@dataclass(frozen=True)
class ModelSource:
    """A config, where its weights lie, and what the training saw through.

    Attributes:
        name: for messages and files.
        config: of the model and of its test data.
        weights: a checkpoint or a safetensors file; None: the model is untrained.
        card: where the model has one.
    """

    name: str
    config: Config
    weights: Path | None
    card: ModelCard | None = None

    @property
    def identity(self) -> dict[str, Any]:
        """`classes`, `palette`, `grid` of the labels."""
        if self.card is not None:
            return {key: self.card.content[key] for key in ('classes', 'palette', 'grid')}
        return identity_of(self.config)

    @property
    def lens(self) -> TrainingLens | None:
        """Of the card, or of the config's set where that is here."""
        if self.card is not None and self.card.lens is not None:
            return self.card.lens
        try:
            return lens_of_dataset(self.config)
        except FileNotFoundError:
            return None


def list_models(zoo: str | Path | None = None) -> list[str]:
    """Names of the models in a folder, by default of those that are shipped with the package."""
    zoo = ZOO if zoo is None else Path(zoo)
    return sorted(path.parent.name for path in zoo.glob(f'*/{CARD}')) if zoo.is_dir() else []


def find_model(
    model: str | Path | Config | ModelCard, weights: str | Path | None = None, zoo: str | Path | None = None
) -> ModelSource:
    """What a model's name stands for.

    Args:
        model: a name of `list_models()`; a folder with a card; the folder of a training; a config file; a `Config`.
        weights: a checkpoint or safetensors file instead of what comes with the model; needed for a config.
        zoo: folder of models with names; by default the shipped ones.

    Raises:
        UsageError: nothing of that name, a folder without a model, or a config without weights.
    """
    if isinstance(model, ModelCard):
        return _with(ModelSource(model.name, model.config, model.folder / 'model.safetensors', model), weights)
    if isinstance(model, Config):
        return _with(ModelSource(Path(model.filename or 'model').stem, model, None), weights)
    path = Path(model)
    shipped = (ZOO if zoo is None else Path(zoo)) / str(model)
    if str(model) in list_models(zoo):
        path = shipped
    if (path / CARD).is_file():
        card = read_model_card(path)
        return _with(ModelSource(card.name, card.config, path / 'model.safetensors', card), weights)
    if path.is_dir():
        return _with(_of_run(path, weights), weights)
    if path.is_file():
        return _with(ModelSource(path.stem, load_config(path), None), weights)
    raise UsageError(
        f'{model}: expected a shipped model ({", ".join(list_models(zoo)) or "none here"}), a folder with {CARD}, the '
        'folder of a training, or a config file, got nothing of that name'
    )


def load_model(source: ModelSource, device: str | torch.device = 'cpu') -> nn.Module:
    """The model with its weights in eval mode, every entry checked against what was built.

    Raises:
        CheckpointError: weights of another model, or a file that cannot be read.
    """
    model = build_model(source.config)
    if source.weights is not None:
        state = read_checkpoint(source.weights)['state_dict']
        check_state_dict(model, state, source.weights)
        model.load_state_dict(state)
    return model.to(device).eval().requires_grad_(False)


def _of_run(folder: Path, weights: str | Path | None) -> ModelSource:
    """The folder that tools/train.py wrote: one config, and the best or the latest checkpoint."""
    configs = sorted(folder.glob('*.py'))
    if len(configs) != 1:
        raise UsageError(
            f'{folder}: expected a folder with {CARD} or a training with one config, got {len(configs)} configs'
        )
    best = sorted(folder.glob('best_*.pth'), key=lambda path: path.stat().st_mtime)
    found = best[-1] if best else latest_checkpoint(folder)[0]
    if found is None and weights is None:
        raise UsageError(f'{folder}: expected a checkpoint of the training, got none')
    return ModelSource(folder.name, load_config(configs[0]), found)


def _with(source: ModelSource, weights: str | Path | None) -> ModelSource:
    if weights is None:
        if source.weights is None:
            raise UsageError(f'{source.name}: a config has no weights of its own: expected a checkpoint beside it')
        return source
    path = Path(weights)
    if not path.is_file():
        raise UsageError(f'{path}: expected a checkpoint or a safetensors file, got nothing')
    return ModelSource(source.name, source.config, path, source.card)
