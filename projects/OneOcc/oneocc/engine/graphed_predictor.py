"""Prediction as CUDA graphs, for a robot: one rig, one batch size, no kernel that waits for Python."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from mmcv.cnn.utils import fuse_conv_bn
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

STAGES = ('encoders', 'lifting', 'neck', 'head')
GRAPHED_SLOTS = ('backbone', 'view_transformer', 'neck')


def frozen(model: nn.Module, dtype: torch.dtype | None = None) -> nn.Module:
    """A copy in eval mode with folded batch norms, the backbone's 2D convolutions in `dtype` for autocast."""
    model = fuse_conv_bn(copy.deepcopy(model).eval()).requires_grad_(False)
    if dtype is not None:
        for layer in model.get_submodule('backbone').modules():
            if isinstance(layer, nn.Conv2d):
                layer.to(dtype)
    return model


def check_images_alone(model: nn.Module) -> None:
    """Refuse, by ValueError, a model of points or one that reads more than images."""
    if getattr(model, 'view_transformer', None) is None:
        raise ValueError(
            'a graph has fixed sizes: expected a model of images, got one of points '
            f'({type(model).__name__} without view_transformer)'
        )
    parts = [getattr(model, slot, None) for slot in GRAPHED_SLOTS]
    further = {name for part in parts for name in getattr(part, 'needs', ()) if name != 'imgs'}
    if further:
        raise ValueError(f'a graph reads images alone, but the model also needs {sorted(further)}')


class GraphedPredictor:
    """`predict` of an image model, captured once and replayed for every frame.

    A panoramic network has thousands of small kernels, and on a large GPU half of an eager forward pass goes by in
    launching them. A graph launches them all at once. What it replays is frozen: the weights, the sizes of the
    images, the batch and the calibration (so also the projected voxels). Batch norms are folded into the
    convolutions before them, and under a half `dtype` the encoders' convolutions are kept in it, so that no
    frame casts them again; this is done to a copy, the model stays as it is.

        predictor = GraphedPredictor(model, imgs, data_samples, dtype=torch.float16)
        labels = predictor(imgs)  # (B, X, Y, Z) uint8

    Args:
        model: an OccupancySegmentor with backbone and view_transformer, on a CUDA device.
        imgs: {view: (B, 3, H, W)} on that device, as the model's data preprocessor returns them.
        data_samples: B samples that carry the calibration.
        dtype: of autocast; None for the weights' own.
        warmup: forward passes before the capture, in which libraries choose kernels and the calibration's
            tables are made.

    Raises:
        ValueError: a model of points (their number changes) or of more inputs than images, gait compensation by
            rotation, images that are not on a CUDA device, or, when called, images of another shape than those
            captured.
    """

    def __init__(
        self,
        model: nn.Module,
        imgs: Mapping[str, Tensor],
        data_samples: Sequence[BaseDataElement],
        dtype: torch.dtype | None = None,
        warmup: int = 3,
    ) -> None:
        check_images_alone(model)
        if getattr(getattr(model.view_transformer, 'gait', None), 'mode', None) == 'rotation':
            raise ValueError(
                "a graph has fixed voxels: expected gait compensation by mode='shift' or none, got "
                "mode='rotation', which projects them anew for every frame"
            )
        devices = {image.device.type for image in imgs.values()}
        if devices != {'cuda'}:
            raise ValueError(f'CUDA graphs need images on a CUDA device, got {sorted(devices)}')
        self._model, self._samples, self._dtype = frozen(model, dtype), list(data_samples), dtype
        self._imgs = {view: image.clone() for view, image in imgs.items()}
        self._sizes = {view: tuple(image.shape[-2:]) for view, image in imgs.items()}
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(warmup):
                self._run(lambda stage, value: stage(value))
        torch.cuda.current_stream().wait_stream(stream)
        self.graphs: list[tuple[str, torch.cuda.CUDAGraph]] = []
        pool = torch.cuda.graph_pool_handle()  # one memory for all, as they are replayed in order

        def capture(stage: Callable, value: Any) -> Any:
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, pool=pool):
                value = stage(value)
            self.graphs.append((STAGES[len(self.graphs)], graph))
            self._kept.append(value)  # what a later graph reads must not be given away
            return value

        self._kept: list[object] = []
        self._labels = self._run(capture)

    def _stages(self) -> tuple[Callable, ...]:
        """Images to labels in the steps of `STAGES`, each taking what the one before returned."""
        model: Any = self._model  # a segmentor by its slots, which torch does not type
        samples = self._samples
        return (
            lambda _: model.backbone(self._imgs),
            lambda features: model.view_transformer(features, samples, self._sizes),
            model.neck,
            lambda levels: torch.stack(model.decode_head.predict(levels, samples)),
        )

    def _run(self, through: Callable[[Callable, Any], Any]) -> Any:
        """Hand every stage to `through` with the value before it; the last value."""
        value = None
        with torch.no_grad(), self._precision():
            for stage in self._stages():
                value = through(stage, value)
        return value

    def _precision(self) -> AbstractContextManager:
        # a cast that is remembered from an earlier stage would not be part of this stage's graph
        return torch.autocast(
            'cuda', self._dtype or torch.float16, enabled=self._dtype is not None, cache_enabled=False
        )

    def load(self, imgs: Mapping[str, Tensor]) -> None:
        """Put new images where the graphs read them."""
        for view, own in self._imgs.items():
            if view not in imgs or imgs[view].shape != own.shape:
                got = tuple(imgs[view].shape) if view in imgs else None
                raise ValueError(f'the graph was captured with {view!r} of {tuple(own.shape)}, got {got}')
            own.copy_(imgs[view])

    def __call__(self, imgs: Mapping[str, Tensor]) -> Tensor:
        """{view: (B, 3, H, W)} -> labels (B, X, Y, Z) uint8, 0 empty."""
        self.load(imgs)
        for _, graph in self.graphs:
            graph.replay()
        return self._labels.clone()
