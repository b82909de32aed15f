"""A segmentor as a function of tensors alone: images and projection tables in, logits out."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from mmcv.cnn.utils import fuse_conv_bn
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from ...core.geometry import View
from ...core.ops.view_sample import prefer_implementation
from ..engine.usage_error import UsageError
from ..models.lifting.bigrid import BiGridViewTransformer
from ..models.lifting.flosp import FLoSP
from ..models.lifting.voxel_projection import VoxelProjection
from .static_layers import make_static

Tables = dict[str, Tensor]


class TableProjection:
    """Stands where `VoxelProjection` stood, and answers with tensors that are inputs of the network.

    Args:
        projection: whose answers the tables hold.
        names: of the tables of pixels and of validity, by view.
    """

    def __init__(self, projection: VoxelProjection, names: Mapping[str, tuple[str, str]]) -> None:
        self.projection, self.names = projection, dict(names)
        self.tables: Mapping[str, Tensor] = {}

    def __call__(
        self, views: Sequence[View], device: torch.device, motion: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The tables of the view, pixels (B, N, 2) and valid (B, N); see `VoxelProjection`."""
        assert motion is None  # refused by `check_exportable`
        pixels, valid = self.names[_view_name(views)]
        return self.tables[pixels], self.tables[valid]


class NamedViews(list):
    """Views of a batch that say which of the model's views they are."""

    def __init__(self, views: Sequence[View], name: str) -> None:
        super().__init__(views)
        self.name = name


def _view_name(views: Sequence[View]) -> str:
    assert isinstance(views, NamedViews)
    return views.name


class ExportNetwork(nn.Module):
    """Images as the camera's pipeline leaves them, and tables, to logits (1, C + 1, X, Y, Z).

    Inputs by position, their names in `input_names`: of each view `image_VIEW` (1, H, W, 3) uint8 RGB; of each grid
    and view the pixels (1, N, 2) float32 (whole ones int64 for FLoSP) and their validity (1, N) bool. Nothing of a
    calibration is inside: a new one is a new set of tables.

    Args:
        model: an OccupancySegmentor of images; it is copied, put into eval mode, its batch norms folded.
        sample: one sample of the rig, whose views have the sizes that the network will have.

    Raises:
        UsageError: a model that is not a function of images and constant tables.
    """

    def __init__(self, model: nn.Module, sample: BaseDataElement) -> None:
        super().__init__()
        check_exportable(model)
        self.model = make_static(fuse_conv_bn(copy.deepcopy(model).cpu().float().eval()).requires_grad_(False))
        self.views = image_views(self.model)
        self._projections = _use_tables(self.model)
        self.sample = sample
        cameras = {view: View.of(sample.cameras[view]) for view in self.views}
        self.image_sizes = {view: (seen.camera.height, seen.camera.width) for view, seen in cameras.items()}
        tables = self.tables(sample)
        self.input_names = [f'image_{view}' for view in self.views] + list(tables)

    def tables(self, sample: BaseDataElement) -> Tables:
        """The projection tables of a sample's calibration, by input name."""
        found: Tables = {}
        for projection in self._projections:
            for view, (pixels, valid) in projection.names.items():
                seen = NamedViews([View.of(sample.cameras[view])], view)
                found[pixels], found[valid] = projection.projection(seen, torch.device('cpu'))
        return found

    def example(self) -> tuple[Tensor, ...]:
        """Inputs of the right shapes: grey images (1, H, W, 3) uint8 and the sample's own tables."""
        images = [torch.full((1, *self.image_sizes[view], 3), 127, dtype=torch.uint8) for view in self.views]
        return (*images, *self.tables(self.sample).values())

    def forward(self, *inputs: Tensor) -> Tensor:
        """Tensors in the order of `input_names` -> logits (1, C + 1, X, Y, Z) float32."""
        given = dict(zip(self.input_names, inputs))
        for projection in self._projections:
            projection.tables = given
        model: Any = self.model
        normalise = model.data_preprocessor
        images = {
            view: (given[f'image_{view}'].permute(0, 3, 1, 2).float() - normalise.mean) / normalise.std
            for view in self.views
        }
        with prefer_implementation('grid'):  # the one implementation that is an operator of ONNX
            levels, _ = model.extract_feat({'imgs': images}, [self.sample])
            return model.decode_head.full_logits(levels).float()


def image_views(model: nn.Module) -> tuple[str, ...]:
    """Names of the views that a model lifts, in its order."""
    lifting = cast(Any, model).view_transformer
    return tuple(lifting.views) if isinstance(lifting, BiGridViewTransformer) else (lifting.view,)


def check_exportable(model: nn.Module) -> None:
    """Refuse, by UsageError, what is no function of images and constant tables."""
    lifting = getattr(model, 'view_transformer', None)
    if not isinstance(lifting, (BiGridViewTransformer, FLoSP)):
        raise UsageError(
            'export: expected a model that lifts by BiGridViewTransformer or FLoSP, got '
            f'{"a model of points" if lifting is None else type(lifting).__name__}'
        )
    if getattr(lifting, 'ranges', None) is not None:
        raise UsageError('export: expected lifting without ranges: a bundle has no tables of distances')
    if getattr(getattr(lifting, 'gait', None), 'mode', None) == 'rotation':
        raise UsageError(
            "export: a bundle has constant projection tables: expected gait compensation by mode='shift' or none, got "
            "mode='rotation', which projects the voxels anew for every frame"
        )


def _use_tables(model: nn.Module) -> list[TableProjection]:
    """Put a `TableProjection` into every lifting, and let views say their names."""
    lifting = cast(Any, model).view_transformer
    if isinstance(lifting, FLoSP):
        names = {lifting.view: (f'pixels_{lifting.view}', f'valid_{lifting.view}')}
        table = TableProjection(lifting.projection, names)
        lifting._project = lambda samples, size, device: table(NamedViews([], lifting.view), device)
        return [table]
    tables = []
    for grid, one in lifting.lift.items():
        names = {view: (f'pixels_{view}_{grid}', f'valid_{view}_{grid}') for view in lifting.views}
        own = cast(Any, one)
        table = TableProjection(own.projection, names)
        own._project = table
        tables.append(table)
    calibrated = {view: NamedViews([], view) for view in lifting.views}
    lifting._calibrated = lambda samples, sizes: calibrated
    return tables
