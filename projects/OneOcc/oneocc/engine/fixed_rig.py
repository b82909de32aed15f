"""One rig's prediction as a single function of tensors: what a compiler or an exporter takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from ...core.ops.recorded_views import ResizeTable, UnwrapTable
from ..models.device_views import DeviceViews
from .graphed_predictor import check_images_alone, frozen


class FixedRig(nn.Module):
    """Images of one rig -> labels, without an object on the way: weights, sizes and calibration are constants.

    Args:
        model: an OccupancySegmentor of images; a copy of it is frozen, with batch norms folded (`frozen`).
        data_samples: B samples with the calibration: of the model's views, or of the recorded ones where `views` is
            given.
        image_sizes: {view: (H, W)} of the images that `forward` takes, in its order.
        views: `DeviceViews`' settings, to take images as recorded, uint8, and make the views here; None takes the
            model's own views, uint8 or grey levels 0..255. They are normalised here either way.
        dtype: of autocast; None for the weights' own.

    Raises:
        ValueError: a model of points or with more inputs than images, gait compensation by rotation, views that
            differ from the model's.
    """

    def __init__(
        self,
        model: nn.Module,
        data_samples: Sequence[BaseDataElement],
        image_sizes: Mapping[str, tuple[int, int]],
        views: Mapping[str, Mapping] | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        check_images_alone(model)
        parts: Any = model  # a segmentor by its slots, which torch does not type
        if not hasattr(parts.view_transformer, 'fix_rig'):
            raise ValueError(
                f'{type(parts.view_transformer).__name__} has no fix_rig(data_samples, image_sizes, device), so its '
                'calibration cannot become a constant of a graph; use the model itself'
            )
        device = next(model.parameters()).device
        self.model: Any = frozen(model, dtype)
        self.mean: Tensor
        self.std: Tensor
        self.image_sizes, self.dtype = {name: (size[0], size[1]) for name, size in image_sizes.items()}, dtype
        self.views = None if views is None else DeviceViews(views)
        self.register_buffer('mean', parts.data_preprocessor.mean.clone().to(device), persistent=False)
        self.register_buffer('std', parts.data_preprocessor.std.clone().to(device), persistent=False)
        samples = list(data_samples)
        self.batch = len(samples)
        self._tables: dict[str, UnwrapTable | ResizeTable] = {}
        if self.views is not None:
            if sorted(self.views.recorded) != sorted(image_sizes):
                raise ValueError(f'images: expected those of {sorted(self.views.recorded)}, got {sorted(image_sizes)}')
            recorded = {name: samples[0].cameras[name] for name in self.views.recorded}
            self._tables = self.views.tables(recorded, device)
            cameras = self.views.cameras(recorded)
            samples = [type(samples[0])(metainfo=dict(sample_id='rig', cameras=cameras)) for _ in samples]
            self.sizes = {name: (view.camera.height, view.camera.width) for name, view in cameras.items()}
        else:
            self.sizes = dict(self.image_sizes)
        lifting: Any = self.model.view_transformer
        lifting.fix_rig(samples, self.sizes, device)

    def forward(self, *images: Tensor) -> Tensor:
        """Images (B, 3, H, W) in the order of `image_sizes` -> labels (B, X, Y, Z) uint8, 0 empty."""
        given = dict(zip(self.image_sizes, images))
        made = given if self.views is None else self.views.make(given, self._tables)
        normal = {view: (image.float() - self.mean) / self.std for view, image in made.items()}
        with torch.autocast(self.mean.device.type, self.dtype or torch.bfloat16, enabled=self.dtype is not None):
            volumes = self.model.view_transformer(self.model.backbone(normal), (), self.sizes)
            logits = self.model.decode_head.full_logits(self.model.neck(volumes))
        return logits.argmax(dim=1).to(torch.uint8)

    def example(self) -> tuple[Tensor, ...]:
        """Black images as `forward` takes them."""
        return tuple(
            torch.zeros(self.batch, 3, *size, dtype=torch.uint8, device=self.mean.device)
            for size in self.image_sizes.values()
        )
