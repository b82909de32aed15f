"""From an image, a folder, a video or a recording to occupancy: `OccInferencer`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from torch import Tensor

from ...core.geometry import CartesianGrid
from ..engine.usage_error import UsageError
from .calibrations import CameraSetup
from .frames import Frame, Input, frames_of
from .mismatch import mismatches
from .model_card import ModelCard
from .model_sources import find_model, list_models, load_model
from .network_inputs import InputMaker, Packed
from .result import OccupancyResult
from .unseen import unknown_voxels

PRECISIONS = {'fp32': None, 'fp16': torch.float16, 'bf16': torch.bfloat16}


class OccInferencer:
    """Occupancy of whatever a model can be shown, after the habits of mmengine's inferencers.

        inferencer = OccInferencer('oneocc-tiny')
        result = inferencer('photo.jpg', height_m=1.6)[0]
        result.labels, result.probability, result.unknown

    An image is shown to the model through the lens of its training, so that a 360 photo, a fisheye or an annulus of
    another lens all look as the model expects them; what the lens saw and the image does not is black and unknown.

    Args:
        model: a name of `list_models()`, a folder with a card, the folder of a training, a config file or a `Config`.
        weights: checkpoint or safetensors file; needed for a config alone.
        device: of torch; CUDA where it is, by default.
        precision: 'fp32', 'fp16' (CUDA) or 'bf16'; None is fp32.
        lens: 'training' shows images through the training's lens, 'own' with their own calibration as it is.

    Raises:
        UsageError: no such model, device or precision.
        CheckpointError, ModelCardError: weights of another model, or damaged ones.
    """

    def __init__(
        self,
        model: str | Path | Config | ModelCard,
        weights: str | Path | None = None,
        device: str | torch.device | None = None,
        precision: str | None = None,
        lens: str = 'training',
    ) -> None:
        if lens not in ('training', 'own'):
            raise UsageError(f"lens: expected 'training' or 'own', got {lens!r}")
        self.device = _device(device)
        self.dtype = _dtype(precision, self.device)
        self.source = find_model(model, weights)
        identity = self.source.identity
        self.classes = tuple(identity['classes'])
        self.palette = [(int(r), int(g), int(b)) for r, g, b in identity['palette']]
        self.grid = CartesianGrid.from_dict(dict(identity['grid']))
        self.lens = self.source.lens
        self.model: Any = load_model(self.source, self.device)
        shown = self.lens if lens == 'training' else None
        self.input_maker = InputMaker(self.source.config, shown, self.grid, len(self.classes))
        if lens == 'training' and self.lens is None and self.input_maker.views:
            raise UsageError(
                f'{self.source.name}: neither a card nor the set of its config says through which lens it was trained: '
                "publish it where the set is, or give lens='own' and images of the same lens"
            )

    @staticmethod
    def list_models() -> list[str]:
        """Names of the models that are shipped."""
        return list_models()

    def __call__(
        self,
        inputs: Input,
        calib: Any = None,
        batch_size: int = 1,
        out_dir: str | Path | None = None,
        formats: Sequence[str] = ('sheet', 'html', 'npz'),
        stride: int = 1,
        **camera: Any,
    ) -> list[OccupancyResult]:
        """All results at once; `iterate` gives them one by one.

        Args:
            inputs: an image or video file, a folder, a pattern, an array (H, W, 3) uint8 RGB, a folder with
                recording.json, or a sequence of files and arrays.
            calib: calibration file, or a camera; None: see `CameraSetup`.
            batch_size: frames a forward pass.
            out_dir: where to write; None writes nothing.
            formats: what to write, of `outputs.FORMATS`.
            stride: every how many-th frame.
            **camera: further fields of `CameraSetup`, e.g. height_m, tilt_deg, radii.

        Raises:
            InputError, CalibrationError, ImageError: see `frames.frames_of`.
        """
        from .outputs import ResultWriter

        writer = None if out_dir is None else ResultWriter(out_dir, formats, self.source.name)
        results = []
        for result in self.iterate(inputs, CameraSetup(calib=calib, **camera), batch_size, stride):
            if writer is not None:
                writer.add(result)
            results.append(result)
        if writer is not None:
            writer.close()
        return results

    def iterate(
        self, inputs: Input, setup: CameraSetup | None = None, batch_size: int = 1, stride: int = 1
    ) -> Iterator[OccupancyResult]:
        """Results in the order of the frames, each as soon as its batch is done; see `__call__`."""
        if batch_size < 1:
            raise UsageError(f'batch size: expected at least 1, got {batch_size}')
        height = None if self.lens is None else self.lens.ego_height_m
        frames = frames_of(inputs, setup or CameraSetup(), height, stride)
        while batch := list(islice(frames, batch_size)):
            yield from self._batch(batch)

    def _batch(self, frames: Sequence[Frame]) -> list[OccupancyResult]:
        started = time.perf_counter()
        packed = [self.input_maker(frame) for frame in frames]
        logits = self.logits(packed)
        probability, labels = logits.softmax(dim=1).max(dim=1)
        arrays = zip(labels.to(torch.uint8).cpu().numpy(), probability.cpu().numpy())
        seconds = (time.perf_counter() - started) / len(frames)
        return [self._result(frame, sample, *pair, seconds) for frame, sample, pair in zip(frames, packed, arrays)]

    def logits(self, packed: Sequence[Packed]) -> Tensor:
        """Logits (B, C + 1, X, Y, Z) float32 of packed frames."""
        batch = dict(
            inputs=_collated([sample.inputs for sample in packed]), data_samples=[sample.sample for sample in packed]
        )
        with torch.no_grad(), self._autocast():
            data = self.model.data_preprocessor(batch, training=False)
            features, _ = self.model.extract_feat(data['inputs'], data['data_samples'])
            return self.model.decode_head.full_logits(features).float()

    def _autocast(self) -> AbstractContextManager:
        return nullcontext() if self.dtype is None else torch.autocast(self.device.type, self.dtype)

    def _result(
        self, frame: Frame, packed: Packed, labels: np.ndarray, probability: np.ndarray, seconds: float
    ) -> OccupancyResult:
        """Labels (X, Y, Z) uint8 and their probability (X, Y, Z), what the views cannot tell, and the frame."""
        views = {name: view for name, (_, view) in packed.stored.items()} or {'own': frame.view}
        return OccupancyResult(
            frame.id,
            frame.time,
            labels,
            probability,
            unknown_voxels(labels, self.grid, views),
            self.grid,
            self.classes,
            self.palette,
            frame.image,
            frame.view,
            packed.stored,
            frame.assumptions,
            tuple(mismatches(frame, packed, self.lens)),
            frame.guess,
            self.source.name,
            seconds,
            frame.meta,
        )


def _collated(samples: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Inputs by name and view with the samples' tensors in a list, as pseudo_collate gives them."""
    first = samples[0]
    return {
        name: _collated([sample[name] for sample in samples])
        if isinstance(value, dict)
        else [sample[name] for sample in samples]
        for name, value in first.items()
    }


def _device(device: str | torch.device | None) -> torch.device:
    if device is None:
        return torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    try:
        found = torch.device(device)
    except RuntimeError as error:
        raise UsageError(f"device: expected one of torch's, e.g. 'cpu' or 'cuda:0', got {device!r}") from error
    if found.type == 'cuda' and not torch.cuda.is_available():
        raise UsageError(f'device: expected one that is here, got {device}, and torch sees no CUDA device')
    return found


def _dtype(precision: str | None, device: torch.device) -> torch.dtype | None:
    if precision is not None and precision not in PRECISIONS:
        raise UsageError(f'precision: expected one of {sorted(PRECISIONS)}, got {precision!r}')
    if precision == 'fp16' and device.type == 'cpu':
        raise UsageError("precision: expected 'fp32' or 'bf16' on a CPU, got 'fp16'")
    return PRECISIONS[precision or 'fp32']
