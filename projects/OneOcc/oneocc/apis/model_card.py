"""A model to hand over: a folder with its weights, its config in one file, and a card that says what it is.

<name>/model.safetensors   parameters in float16 (where they fit), buffers as they are
<name>/config.py           flattened: no base files, no paths of the machine that trained it
<name>/card.json           names, classes, grid, lens of the training, metrics, hashes of the two files
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmdet3d.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.utils import get_git_hash
from torch import Tensor, nn

from ...core.formats.atomic_files import read_json, write_atomically, write_bytes, write_json
from ...core.formats.labels import check_classes
from ..engine.checkpoint import CheckpointError, check_state_dict, read_checkpoint
from ..engine.config_files import load_config
from ..engine.errors_in_words import explain_registry_error
from ..engine.safetensors_file import read_safetensors
from ..version import __version__
from .training_lens import TrainingLens, lens_of_dataset

FORMAT, VERSION = 'oneocc-model-card', 1
WEIGHTS, CONFIG, CARD = 'model.safetensors', 'config.py', 'card.json'
ABOUT = ('name', 'summary', 'data', 'schedule', 'license', 'authors', 'url', 'limits', 'ego_height_m')
_METRICS = ('miou', 'iou', 'precision', 'recall', 'class_iou', 'subsets', 'mask_policy', 'frames', 'config', 'commit')
_OF_A_RUN = ('work_dir', 'load_from', 'resume', 'launcher', 'log_file', 'timestamp')
_MERGED = ('data_root', 'train_pipeline', 'val_pipeline', 'test_pipeline')  # copied into the loaders already


class ModelCardError(ValueError):
    """A model folder that cannot be used; the message names the file, the expected and the actual."""


@dataclass(frozen=True)
class ModelCard:
    """What a folder of a model holds; the weights are read when they are asked for.

    Attributes:
        folder: where it lies.
        config: the flattened config.
        content: of card.json.
    """

    folder: Path
    config: Config
    content: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self.content['classes'])

    @property
    def palette(self) -> list[tuple[int, int, int]]:
        return [(int(r), int(g), int(b)) for r, g, b in self.content['palette']]

    @property
    def metrics(self) -> Mapping[str, Any]:
        return self.content['metrics']

    @property
    def lens(self) -> TrainingLens | None:
        """What the training saw through; None where the publisher did not have the set."""
        found = self.content.get('lens')
        return None if found is None else TrainingLens.from_dict(found)

    def state_dict(self) -> dict[str, Tensor]:
        """All entries, floating-point ones as float32."""
        return read_weights(self.folder / WEIGHTS)


def write_model_card(
    folder: str | Path,
    config: str | Path,
    checkpoint: str | Path,
    metrics: Mapping[str, Any],
    about: Mapping[str, Any],
) -> ModelCard:
    """Make the folder of a model; the card comes last, so that a folder with a card is whole.

    Args:
        folder: to write; its last part is the model's name.
        config: config file that the model was trained with.
        checkpoint: of the training, or bare weights.
        metrics: of `metrics.json`, percent; its scalars, class IoUs and subsets are kept.
        about: of the keys `ABOUT`: texts, and `ego_height_m` in metres where the set's labels are not at hand.

    Returns:
        The card as `read_model_card` gives it.

    Raises:
        CheckpointError: the checkpoint does not fit the config's model.
        ModelCardError: an unknown key in `about`, metrics without `miou`, weights that are not finite.
    """
    folder = Path(folder)
    unknown = sorted(set(about) - set(ABOUT))
    if unknown:
        raise ModelCardError(f'about: expected keys among {ABOUT}, got {unknown}')
    if 'miou' not in metrics:
        raise ModelCardError(f"metrics: expected 'miou' as tools/test.py writes it, got {sorted(metrics)}")
    settings = load_config(config)
    model = build_model(settings)
    state = read_checkpoint(checkpoint)['state_dict']
    check_state_dict(model, state, checkpoint)
    identity = identity_of(settings)
    weights = _packed({key: state[key] for key in model.state_dict()}, str(checkpoint))
    text = flattened(settings)
    write_atomically(folder / WEIGHTS, lambda file: file.write(_to_safetensors(weights)))
    write_bytes(folder / CONFIG, text.encode())
    content = dict(
        format=FORMAT,
        version=VERSION,
        oneocc=__version__,
        commit=get_git_hash(fallback='unknown'),
        about=dict(about),
        metrics={key: metrics[key] for key in _METRICS if key in metrics},
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        files={name: _file_entry(folder / name) for name in (WEIGHTS, CONFIG)},
        **identity,
    )
    content['lens'] = _lens(settings, about)
    write_json(folder / CARD, content, indent=1)
    return read_model_card(folder)


def read_model_card(folder: str | Path) -> ModelCard:
    """Read the folder of a model and check that its files are those that the card speaks of.

    Raises:
        FileNotFoundError: no card, or a file that it names is missing.
        ModelCardError: another format or version, a hash or a size that differs, an entry that is missing.
    """
    folder = Path(folder)
    path = folder / CARD
    content = read_json(path, ModelCardError)
    if not isinstance(content, dict) or content.get('format') != FORMAT:
        got = content.get('format') if isinstance(content, dict) else type(content).__name__
        raise ModelCardError(f'{path}: format: expected {FORMAT!r}, got {got!r}')
    if content.get('version') != VERSION:
        raise ModelCardError(f'{path}: version: expected {VERSION}, got {content.get("version")!r}')
    missing = [key for key in ('classes', 'palette', 'grid', 'metrics', 'files') if key not in content]
    if missing:
        raise ModelCardError(f'{path}: expected the entries classes, palette, grid, metrics, files, got no {missing}')
    check_classes(content['classes'], f'{path}: classes', ModelCardError)
    for name in (WEIGHTS, CONFIG):
        _check_file(folder / name, content['files'].get(name), path)
    with warnings.catch_warnings():  # of settings that nobody reads whoever trained the model was told
        warnings.simplefilter('ignore', UserWarning)
        return ModelCard(folder, load_config(folder / CONFIG), content)


def build_model(config: Config) -> nn.Module:
    """The model of a config, untrained, without the files that its backbone would start from."""
    init_default_scope('mmdet3d')
    settings = config.model.copy()
    with explain_registry_error(config):
        return MODELS.build(settings)


def flattened(config: Config) -> str:
    """The text of a config without base files, where data lies below `ONEOCC_DATA`, nothing of the run that used it."""
    plain = config.to_dict()
    for key in (*_OF_A_RUN, *_MERGED):
        plain.pop(key, None)
    return Config(_relocated(plain)).pretty_text


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Entries of a card's weights on the CPU, floating-point ones as float32.

    Raises:
        ModelCardError: not such a file, or cut off; the message names it.
    """
    try:
        return read_safetensors(path)
    except CheckpointError as error:
        raise ModelCardError(str(error)) from error


def _packed(state: Mapping[str, Tensor], source: str) -> dict[str, Tensor]:
    """Parameters as float16 where that holds them; running statistics and whatever is too large stay float32."""
    packed = {}
    largest = torch.finfo(torch.float16).max
    for key, value in state.items():
        value = value.detach().cpu().contiguous()
        if value.is_floating_point():
            if not bool(torch.isfinite(value).all()):
                raise ModelCardError(f'{source}: {key}: expected finite numbers, got NaN or infinity')
            statistic = key.endswith(('running_mean', 'running_var'))
            fits = value.numel() == 0 or float(value.abs().max()) <= largest
            value = value.half() if fits and not statistic else value.float()
        packed[key] = value.clone()
    return packed


def _to_safetensors(weights: Mapping[str, Tensor]) -> bytes:
    from safetensors.torch import save

    return save(dict(weights), metadata={'format': 'pt'})


def identity_of(config: Config) -> dict[str, Any]:
    """`classes`, `palette` and `grid` of the labels, from the config's data set class and its model."""
    from mmdet3d.registry import DATASETS

    from ..datasets.class_colours import default_palette

    dataset = config.test_dataloader.dataset
    kind = DATASETS.get(dataset.type)
    info = {**(kind.METAINFO if kind is not None else {}), **dict(dataset.get('metainfo') or {})}
    grid = dataset.get('grid') or config.model.get('grid') or config.get('grid')
    if 'classes' not in info or not isinstance(grid, Mapping):
        raise ModelCardError(
            f'{config.filename}: expected test_dataloader.dataset to say its classes (by its type, or metainfo) '
            f'and its grid, got classes {info.get("classes")} and the grid {grid}'
        )
    palette = info.get('palette') or default_palette(len(info['classes']))
    plain_grid = {key: list(value) if isinstance(value, (list, tuple)) else value for key, value in grid.items()}
    return dict(classes=list(info['classes']), palette=[list(colour) for colour in palette], grid=plain_grid)


def _lens(config: Config, about: Mapping[str, Any]) -> dict[str, Any] | None:
    try:
        found = lens_of_dataset(config)
    except FileNotFoundError:
        return None
    height = about.get('ego_height_m', found.ego_height_m)
    return TrainingLens(found.views, height).to_dict()


def _relocated(value: Any) -> Any:
    """The same values, `data_root` as a folder below `ONEOCC_DATA` wherever it stands."""
    if isinstance(value, Mapping):
        return {
            key: '{{$ONEOCC_DATA:data}}/' + os.path.basename(os.path.normpath(item))
            if key == 'data_root' and isinstance(item, str) and item
            else _relocated(item)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return type(value)(_relocated(item) for item in value)
    return value


def _file_entry(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    return dict(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))


def _check_file(path: Path, expected: Mapping[str, Any] | None, card: Path) -> None:
    if not isinstance(expected, Mapping) or not {'sha256', 'bytes'} <= set(expected):
        raise ModelCardError(f'{card}: files: expected sha256 and bytes of {path.name}, got {expected!r}')
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such file, but {card.name} names it')
    found = _file_entry(path)
    if found != dict(expected):
        raise ModelCardError(
            f'{path}: expected the {expected["bytes"]} bytes with SHA-256 {str(expected["sha256"])[:12]}... that '
            f'{card.name} names, got {found["bytes"]} bytes with {found["sha256"][:12]}...: fetch the folder anew'
        )
