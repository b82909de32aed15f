"""Models so small that a frame takes milliseconds, published as the shipped ones are."""

from __future__ import annotations

from pathlib import Path

import torch

from projects.OneOcc.oneocc.apis.model_card import ModelCard, build_model, write_model_card
from projects.OneOcc.oneocc.engine import read_config
from tests.micro import write_micro_config
from tests.tiny_dataset import write_tiny_dataset

METRICS = dict(miou=1.5, iou=20.0, class_iou={'road': 1.5}, frames=3, mask_policy='known', confusion=[[1]])
_UNWRAP = "    dict(type='UnwrapPanorama', height=32, width=64),\n    dict(type='PackOccInputs'),\n"


def quad_config(path: Path) -> Path:
    """A model of the panorama that is unwrapped from an annulus, six classes."""
    text = write_micro_config(path).read_text()
    for old, new in (
        ('humansim-mini', 'quadsim-mini'),
        ('num_classes = 10', 'num_classes = 6'),
        ("views=['equi']", "views=['raw']"),
        ("    dict(type='PackOccInputs'),\n", _UNWRAP),
        ('pipeline[2:]', 'pipeline[2:]'),
        ('Human360OccDataset', 'QuadOccDataset'),
    ):
        text = text.replace(old, new)
    path.write_text(text.replace("[dict(type='RandomMirror')] + ", ''))
    return path


def publish(root: Path, kind: str = 'quad', name: str = 'small', **about: object) -> ModelCard:
    """Write config, random weights and card below `root`; the set lies in root/data, where ONEOCC_DATA must point."""
    folder = root / 'data' / ('quadsim-mini' if kind == 'quad' else 'humansim-mini')
    if not folder.exists():
        write_tiny_dataset(folder, kind)
    config = root / f'{kind}.py'
    (quad_config if kind == 'quad' else write_micro_config)(config)
    torch.manual_seed(0)
    model = build_model(read_config(config))
    torch.save(dict(state_dict=model.state_dict(), meta={}), root / f'{kind}.pth')
    return write_model_card(root / 'zoo' / name, config, root / f'{kind}.pth', METRICS, about)
