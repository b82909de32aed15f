"""The one segmentor of the project: it hands tensors from slot to slot and computes nothing itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmdet3d.registry import MODELS
from mmengine.model import BaseModel
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from ..structures import Levels, Volumes
from .slot_widths import fill_slots

# The transforms of this package that make an input; for others the message says how inputs come about.
MADE_BY = {'imgs': 'LoadPanorama', 'points': 'LoadLiDARPoints', 'depth': 'LoadDepth'}


def _build(name: str, part: Mapping | nn.Module | None) -> nn.Module | None:
    if part is None or isinstance(part, nn.Module):
        return part
    if not isinstance(part, Mapping):
        raise TypeError(f'{name}: expected a config, a module or None, got {type(part).__name__}')
    return MODELS.build(part)


def _is_empty(value: object) -> bool:
    return value is None or (isinstance(value, (Mapping, Sequence)) and not value)


@MODELS.register_module()
class OccupancySegmentor(BaseModel):
    """Semantic occupancy from panoramas or from points.

    Image methods fill `backbone` and `view_transformer`, point methods fill `voxel_encoder`; either way a
    volume reaches the neck. The interfaces of the slots:

    * backbone: {view: (B, 3, H, W)} -> {view: {scale: (B, C, H / scale, W / scale)}}
    * view_transformer: (features, data_samples, {view: (H, W)}) -> Volumes
    * voxel_encoder: list of points (N_i, 4) in the ego frame -> Volumes
    * neck: Volumes -> Levels, (B, C, X / stride, Y / stride, Z / stride) a stride
    * decode_head: an OccHead; `forward` gives {stride: logits}, `loss` a dict of losses, `predict` label grids

    A part says by `needs`, a tuple of names, which of the batch's inputs it reads (what `PackOccInputs` packed and
    `OccDataPreprocessor` collated). The backbone (by default `('imgs',)`) and the voxel_encoder (`('points',)`) get
    them in that order; the view_transformer and the neck (none) get them by keyword, behind the arguments above.

    Args:
        backbone, view_transformer, voxel_encoder, neck, decode_head: configs, or built modules. What follows from
            a neighbour may be left out of a config (`slot_widths.py`).
        grid: the label grid: shape, voxel_size (m), origin (m), for every slot that needs one.
        data_preprocessor: config; usually OccDataPreprocessor.
        train_cfg, test_cfg: None or empty; mmdet3d's `init_model` sets them, and no part has any.
    """

    def __init__(
        self,
        neck: Mapping,
        decode_head: Mapping,
        backbone: Mapping | None = None,
        view_transformer: Mapping | None = None,
        voxel_encoder: Mapping | None = None,
        data_preprocessor: Mapping | nn.Module | None = None,
        grid: Mapping | None = None,
        init_cfg: dict | None = None,
        train_cfg: Mapping | None = None,
        test_cfg: Mapping | None = None,
    ) -> None:
        for name, settings in (('train_cfg', train_cfg), ('test_cfg', test_cfg)):
            if settings:
                raise ValueError(f'{name}: expected nothing, because no part of this model reads it, got {settings}')
        super().__init__(data_preprocessor=_build('data_preprocessor', data_preprocessor), init_cfg=init_cfg)
        image_parts = (backbone is not None, view_transformer is not None)
        if (voxel_encoder is None and image_parts != (True, True)) or (
            voxel_encoder is not None and image_parts != (False, False)
        ):
            raise ValueError(
                'fill either backbone and view_transformer (images) or voxel_encoder '
                f'(points), got backbone={image_parts[0]}, view_transformer='
                f'{image_parts[1]}, voxel_encoder={voxel_encoder is not None}'
            )
        slots = dict(
            backbone=backbone,
            view_transformer=view_transformer,
            voxel_encoder=voxel_encoder,
            neck=neck,
            decode_head=decode_head,
        )
        for name, part in fill_slots(slots, grid).items():
            setattr(self, name, _build(name, part))

    def forward(
        self, inputs: Mapping, data_samples: Sequence[BaseDataElement] | None = None, mode: str = 'tensor'
    ) -> dict | Sequence:
        """Run the model.

        Args:
            inputs: by name, e.g. 'imgs' {view: (B, 3, H, W)}, 'points', a list of (N_i, 4), or what the parts need.
            data_samples: B samples; images need their calibration, the loss their labels.
            mode: 'loss' (dict of losses), 'predict' (the samples with `pred_occ`, uint8 (X, Y, Z)) or
                'tensor' ({stride: logits (B, C + 1, X / stride, ...)}).
        """
        if mode not in ('loss', 'predict', 'tensor'):
            raise ValueError(f"mode: expected 'loss', 'predict' or 'tensor', got {mode!r}")
        if mode == 'tensor':
            return self.decode_head(self.extract_feat(inputs, data_samples)[0])
        if not data_samples:
            raise ValueError(f'mode={mode!r} needs data_samples, got {data_samples!r}')
        return self.loss(inputs, data_samples) if mode == 'loss' else self.predict(inputs, data_samples)

    def lift(self, inputs: Mapping, data_samples: Sequence[BaseDataElement] | None) -> Volumes:
        """The volumes that the neck works on, from images or from points."""
        if self.voxel_encoder is not None:
            given = self._needed('voxel_encoder', inputs, ('points',))
            return Volumes.of(self.voxel_encoder(*given.values()))
        given = self._needed('backbone', inputs, ('imgs',))
        if not data_samples:
            raise ValueError('lifting images needs data_samples: each carries its calibration')
        further = self._needed('view_transformer', inputs)
        sizes = {view: tuple(image.shape[-2:]) for view, image in inputs.get('imgs', {}).items()}
        return Volumes.of(self.view_transformer(self.backbone(*given.values()), data_samples, sizes, **further))

    def _needed(self, slot: str, inputs: Mapping, default: tuple[str, ...] = ()) -> dict[str, Any]:
        """The inputs that the part in a slot needs, in its order; ValueError names the missing ones."""
        part = getattr(self, slot)
        needs = tuple(getattr(part, 'needs', default))
        missing = [name for name in needs if _is_empty(inputs.get(name))]
        if missing:
            cures = [
                f'{name!r} is made by {MADE_BY[name]}' if name in MADE_BY else f'{name!r} by a transform of your own'
                for name in missing
            ]
            raise ValueError(
                f'the {slot} {type(part).__name__} needs the inputs {list(needs)}, got no {missing} (only '
                f'{sorted(inputs)}): {", ".join(cures)} in the pipeline and packed by PackOccInputs(keys=...)'
            )
        return {name: inputs[name] for name in needs}

    def extract_feat(
        self, inputs: Mapping, data_samples: Sequence[BaseDataElement] | None
    ) -> tuple[Levels | Mapping, Tensor | None]:
        """The neck's levels, (B, C, ...) a stride, and the visibility (B, X, Y, Z) of the voxels."""
        volumes = self.lift(inputs, data_samples)
        return self.neck(volumes, **self._needed('neck', inputs)), volumes.visible

    def loss(self, inputs: Mapping, data_samples: Sequence[BaseDataElement]) -> dict[str, Tensor]:
        """Losses by name; every name that contains 'loss' is summed by the runner, others are logged.

        A part that keeps a dict `log_vars` of its last forward pass has it logged, averaged over parts of one kind.
        """
        feats, visible = self.extract_feat(inputs, data_samples)
        losses = self.decode_head.loss(feats, data_samples, visible)
        logged: dict[str, list[Tensor]] = {}
        for part in self.modules():
            for name, value in getattr(part, 'log_vars', {}).items():
                logged.setdefault(name, []).append(value)
        return losses | {name: torch.stack(values).mean() for name, values in logged.items()}

    def predict(self, inputs: Mapping, data_samples: Sequence[BaseDataElement]) -> Sequence[BaseDataElement]:
        """The same samples with `pred_occ`: uint8 (X, Y, Z), 0 empty, 1..C classes."""
        feats, _ = self.extract_feat(inputs, data_samples)
        for sample, labels in zip(data_samples, self.decode_head.predict(feats, data_samples)):
            sample.pred_occ = labels
        return data_samples
