"""A network that predicts the radial depth of a panorama: any encoder of one view, and a depth head.

Shapes: B batch, H x W pixels of the view, (h, w) cells of its features.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import torch
from mmdet3d.registry import MODELS
from mmengine.model import BaseModel
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from ...core.geometry import View, make_ring_continuous, ring_interpolate
from ...core.geometry.calibration_cache import CalibrationCache
from ..structures import batch_views

_VARIANCE_SHARE = 0.85


@MODELS.register_module()
class PanoramaDepthEstimator(BaseModel):
    """Monocular depth of a panorama, supervised by whatever depth the pipeline loads: true, or ranges of a LiDAR.

    The head sees, beside the features, how steeply the ray of each cell rises in the ego frame: on level ground that
    and the camera's height are the depth. The depth lies between the bounds, as the sigmoid of a logarithm.

    Args:
        backbone: config of a PanoramaEncoder; its finest scale is read.
        bounds: smallest and largest depth, metres; what is truly outside does not supervise.
        hidden_channels: of the head.
        data_preprocessor: config; usually OccDataPreprocessor.

    Raises:
        ValueError: bounds that are none.
    """

    def __init__(
        self,
        backbone: Mapping,
        bounds: Sequence[float] = (0.3, 60.0),
        hidden_channels: int = 32,
        data_preprocessor: Mapping | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(data_preprocessor=data_preprocessor, init_cfg=init_cfg)
        low, high = bounds
        if not 0 < low < high < math.inf:
            raise ValueError(f'bounds: expected 0 < smallest < largest depth in metres, got {tuple(bounds)}')
        self.bounds = (float(low), float(high))
        self.backbone = MODELS.build(dict(backbone))
        self.view, self.scale = self.backbone.view, min(self.backbone.scales)
        self.head = nn.Sequential(
            nn.Conv2d(self.backbone.out_channels + 1, hidden_channels, 3, padding=1),
            nn.LeakyReLU(0.01),
            nn.Conv2d(hidden_channels, 1, 3, padding=1),
        )
        make_ring_continuous(self.head, axis=-1)
        self._rises: CalibrationCache[Tensor] = CalibrationCache()

    def forward(
        self, inputs: Mapping, data_samples: Sequence[BaseDataElement] | None = None, mode: str = 'tensor'
    ) -> Tensor | dict[str, Tensor] | Sequence[BaseDataElement]:
        """Run the network.

        Args:
            inputs: `imgs` {view: (B, 3, H, W)}; for the loss, and to be judged, `depth` {view: (B, H, W)} in metres,
                0 where unknown.
            data_samples: B samples with `cameras` in their metainfo.
            mode: 'tensor' (depth (B, H, W)), 'loss', or 'predict' (the samples with `pred_depth` and, where there is
                one, `gt_depth`, (H, W) each).
        """
        if mode not in ('loss', 'predict', 'tensor'):
            raise ValueError(f"mode: expected 'loss', 'predict' or 'tensor', got {mode!r}")
        if not data_samples:
            raise ValueError('depth needs data_samples: each carries its calibration')
        predicted = self._depth(inputs['imgs'], data_samples)
        if mode == 'tensor':
            return predicted
        truth = inputs.get('depth', {}).get(self.view)
        if mode == 'loss':
            if truth is None:
                raise ValueError(f'the loss needs `depth` of the view {self.view!r}: LoadDepth makes it')
            return dict(loss_depth=scale_invariant_loss(predicted, truth, self.bounds))
        for number, sample in enumerate(data_samples):
            sample.pred_depth = predicted[number]
            if truth is not None:
                sample.gt_depth = truth[number]
        return data_samples

    def _depth(self, imgs: Mapping[str, Tensor], data_samples: Sequence[BaseDataElement]) -> Tensor:
        """(B, H, W) float32 metres of images {view: (B, 3, H, W)}."""
        image = imgs[self.view]
        features = self.backbone(imgs)[self.view][self.scale]
        height, width = image.shape[-2:]
        views = batch_views(data_samples, self.view, (height, width), ring=True)
        rises = torch.stack([self._rise(view, features.device) for view in views])[:, None]
        logits = ring_interpolate(self.head(torch.cat((features, rises.to(features.dtype)), 1)), (height, width))
        low, high = (math.log(bound) for bound in self.bounds)
        return torch.exp(low + (high - low) * logits[:, 0].float().sigmoid())

    @torch.compiler.disable
    def _rise(self, view: View, device: torch.device) -> Tensor:
        """(h, w) sine of the angle between the ground and the ray of each cell's centre."""
        return self._rises.get((view.key, str(device)), partial(_rise, view, self.scale, device))


def _rise(view: View, stride: int, device: torch.device) -> Tensor:
    """(h, w) float32, one a cell of `stride` pixels; see `PanoramaDepthEstimator._rise`."""
    rows, columns = (
        (torch.arange(size // stride, dtype=torch.float64) + 0.5) * stride
        for size in (view.camera.height, view.camera.width)
    )
    v, u = torch.meshgrid(rows, columns, indexing='ij')
    rays, _ = view.camera.unproject(torch.stack((u, v), dim=-1))
    up_in_camera = torch.from_numpy(np.array(view.cam_from_ego[:3, 2]))
    return (rays @ up_in_camera).float().to(device)


def scale_invariant_loss(predicted: Tensor, truth: Tensor, bounds: Sequence[float]) -> Tensor:
    """10 sqrt(mean(e^2) - 0.85 mean(e)^2), e the difference of the logarithms (Eigen et al., NeurIPS 2014).

    Args:
        predicted, truth: (B, H, W) metres; pixels whose truth is outside the bounds do not count.
        bounds: smallest and largest depth, metres.

    Returns:
        Scalar float32; 0 with a gradient of 0 where nothing is known.
    """
    with torch.autocast(predicted.device.type, enabled=False):
        known = torch.isfinite(truth) & (truth >= bounds[0]) & (truth <= bounds[1])
        error = torch.log(predicted.float()) - torch.log(torch.where(known, truth, torch.ones_like(truth)).float())
        error = torch.where(known, error, torch.zeros_like(error))
        number = known.sum().clamp(min=1)
        mean, square = error.sum() / number, error.square().sum() / number
        return 10 * (square - _VARIANCE_SHARE * mean.square() + 1e-12).sqrt()
