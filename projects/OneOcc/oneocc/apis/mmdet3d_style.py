"""`init_model` and `inference_model`, for people who know them from mmdet3d."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config

from .calibrations import CameraSetup
from .frames import Input
from .inferencer import OccInferencer
from .result import OccupancyResult


def init_model(
    config: str | Path | Config, checkpoint: str | Path | None = None, device: str | torch.device = 'cpu'
) -> OccInferencer:
    """A model that is ready to be asked.

    Args:
        config: a config, or whatever `OccInferencer` takes for a model.
        checkpoint: its weights; a shipped model and the folder of a training bring theirs.
        device: of torch.
    """
    return OccInferencer(config, checkpoint, device)


def inference_model(
    model: OccInferencer, inputs: Input, calib: Any = None, **camera: Any
) -> OccupancyResult | list[OccupancyResult]:
    """The result of one image, or the list of them where `inputs` holds several.

    Args:
        model: of `init_model`.
        inputs, calib, camera: see `OccInferencer.__call__`.
    """
    results = list(model.iterate(inputs, CameraSetup(calib=calib, **camera)))
    return results[0] if len(results) == 1 else results
