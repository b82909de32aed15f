"""The one segmentor of the project: it hands tensors from slot to slot and computes nothing itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmdet3d.registry import MODELS
from mmengine.model import BaseModel
from mmengine.structures import BaseDataElement
from torch import Tensor, nn


def _build(name: str, part: Mapping | nn.Module | None) -> nn.Module | None:
    if part is None or isinstance(part, nn.Module):
        return part
    if not isinstance(part, Mapping):
        raise TypeError(f'{name} must be a config, a module or None, but got {type(part).__name__}')
    return MODELS.build(part)


@MODELS.register_module()
class OccupancySegmentor(BaseModel):
    """Semantic occupancy from panoramas or from points.

    Image methods fill `backbone` and `view_transformer`, point methods fill `voxel_encoder`; either way a
    volume reaches the neck. The interfaces of the slots:

    * backbone: {view: (B, 3, H, W)} -> {view: {scale: (B, C, H / scale, W / scale)}}
    * view_transformer: (features, data_samples, {view: (H, W)}) -> volumes
    * voxel_encoder: list of points (N_i, 4) in the ego frame -> volumes
    * neck: volumes -> {stride: (B, C, X / stride, Y / stride, Z / stride)}
    * decode_head: `forward` gives {stride: logits}, `loss` a dict of losses, `predict` label grids

    where volumes = {'cartesian': (B, C, X, Y, Z), 'visible': (B, X, Y, Z) bool, ...}.

    Args:
        backbone, view_transformer, voxel_encoder, neck, decode_head: configs, or built modules.
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
                f'(points), but got backbone={image_parts[0]}, view_transformer='
                f'{image_parts[1]}, voxel_encoder={voxel_encoder is not None}'
            )
        self.backbone = _build('backbone', backbone)
        self.view_transformer = _build('view_transformer', view_transformer)
        self.voxel_encoder = _build('voxel_encoder', voxel_encoder)
        self.neck = _build('neck', neck)
        self.decode_head = _build('decode_head', decode_head)

    def forward(
        self, inputs: Mapping, data_samples: Sequence[BaseDataElement] | None = None, mode: str = 'tensor'
    ) -> dict | list:
        """Run the model.

        Args:
            inputs: 'imgs' {view: (B, 3, H, W)} and/or 'points', a list of (N_i, 4).
            data_samples: B samples; images need their calibration, the loss their labels.
            mode: 'loss' (dict of losses), 'predict' (the samples with `pred_occ`, uint8 (X, Y, Z)) or
                'tensor' ({stride: logits (B, C + 1, X / stride, ...)}).
        """
        if mode not in ('loss', 'predict', 'tensor'):
            raise ValueError(f"mode must be 'loss', 'predict' or 'tensor', but got {mode!r}")
        if mode == 'tensor':
            return self.decode_head(self.extract_feat(inputs, data_samples)[0])
        if not data_samples:
            raise ValueError(f'mode={mode!r} needs data_samples, but got {data_samples!r}')
        return self.loss(inputs, data_samples) if mode == 'loss' else self.predict(inputs, data_samples)

    def lift(self, inputs: Mapping, data_samples: Sequence[BaseDataElement] | None) -> dict:
        """The volumes that the neck works on, from images or from points."""
        if self.voxel_encoder is not None:
            if 'points' not in inputs:
                raise ValueError(
                    "this model works on 'points', but the inputs hold only "
                    f'{sorted(inputs)}: add LoadLiDARPoints to the pipeline'
                )
            return self.voxel_encoder(inputs['points'])
        if not inputs.get('imgs'):
            raise ValueError(
                "this model works on 'imgs', but the inputs hold no image "
                f'(keys {sorted(inputs)}): add LoadPanorama to the pipeline'
            )
        if not data_samples:
            raise ValueError('lifting images needs data_samples: each carries its calibration')
        imgs = inputs['imgs']
        sizes = {view: tuple(image.shape[-2:]) for view, image in imgs.items()}
        return self.view_transformer(self.backbone(imgs), data_samples, sizes)

    def extract_feat(
        self, inputs: Mapping, data_samples: Sequence[BaseDataElement] | None
    ) -> tuple[dict, Tensor | None]:
        """The neck's levels {stride: (B, C, ...)} and the visibility (B, X, Y, Z) of the voxels."""
        volumes = self.lift(inputs, data_samples)
        return self.neck(volumes), volumes.get('visible')

    def loss(self, inputs: Mapping, data_samples: Sequence[BaseDataElement]) -> dict[str, Tensor]:
        """Losses by name; every name that contains 'loss' is summed by the runner."""
        feats, visible = self.extract_feat(inputs, data_samples)
        return self.decode_head.loss(feats, data_samples, visible)

    def predict(self, inputs: Mapping, data_samples: Sequence[BaseDataElement]) -> Sequence[BaseDataElement]:
        """The same samples with `pred_occ`: uint8 (X, Y, Z), 0 empty, 1..C classes."""
        feats, _ = self.extract_feat(inputs, data_samples)
        for sample, labels in zip(data_samples, self.decode_head.predict(feats, data_samples)):
            sample.pred_occ = labels
        return data_samples
