"""One panoramic view -> one feature map: a 2D backbone whose levels meet at one stride.

Shapes: B batch, images (B, 3, H, W), features (B, C, H / stride, W / stride).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from mmdet3d.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

from ....core.geometry import make_ring_continuous
from ...models.pretrained_files import check_pretrained_files

_PROBE_SIZE = 64


def _probe(backbone: nn.Module) -> list[tuple[int, int]]:
    """(stride, channels) of a backbone's outputs, found by showing it one black image."""
    training = backbone.training
    backbone.train(False)
    with torch.no_grad():
        outputs = backbone(torch.zeros(1, 3, _PROBE_SIZE, _PROBE_SIZE))
    backbone.train(training)
    return [(_PROBE_SIZE // output.shape[-1], output.shape[1]) for output in outputs]


@MODELS.register_module()
class PanoramaSECONDFPN(BaseModule):
    """2D backbone and SECOND's neck: every level is brought to one stride by one strided layer, and all are joined.

    Args:
        backbone: config of any backbone; several of its outputs may share a stride.
        out_channels: C, divided evenly among the levels.
        scales: one number, the stride.
        view: name of the view that is read.
        ring: make every layer periodic along the width (equirectangular views); weights are the same.
    """

    needs = ('imgs',)

    def __init__(
        self,
        backbone: Mapping,
        out_channels: int = 640,
        scales: Sequence[int] = (16,),
        view: str = 'equi',
        ring: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        if len(scales) != 1:
            raise ValueError(f'scales: expected one stride, got {tuple(scales)}')
        self.view, self.out_channels, self.scales = view, out_channels, tuple(scales)
        self.backbone = MODELS.build(dict(backbone))
        levels = _probe(self.backbone)
        if out_channels % len(levels):
            raise ValueError(f'out_channels: expected a multiple of the {len(levels)} levels, got {out_channels}')
        strides = [stride / scales[0] for stride, _ in levels]
        self.neck = MODELS.build(
            dict(
                type='mmdet3d.SECONDFPN',
                in_channels=[channels for _, channels in levels],
                out_channels=[out_channels // len(levels)] * len(levels),
                upsample_strides=[int(stride) if stride >= 1 else stride for stride in strides],
            )
        )
        self.divisor = max(max(stride for stride, _ in levels), scales[0])
        if ring:
            make_ring_continuous(self, axis=-1)

    def init_weights(self) -> None:
        """Initialise; a pretrained backbone is read from a local file, which must be there."""
        check_pretrained_files(self, self.backbone)
        super().init_weights()

    def forward(self, imgs: Mapping[str, Tensor]) -> dict[str, dict[int, Tensor]]:
        """{view: (B, 3, H, W)} -> {own view: {stride: (B, C, H / stride, W / stride)}}.

        Raises:
            ValueError: the view is missing, or a side is no multiple of the coarsest stride; nothing is padded,
                because padding would put a wall at the seam of a panorama.
        """
        if self.view not in imgs:
            raise ValueError(f'the encoder: expected the view {self.view!r}, got {sorted(imgs)}')
        image = imgs[self.view]
        height, width = image.shape[-2:]
        if height % self.divisor or width % self.divisor:
            raise ValueError(
                f'view {self.view!r}: height and width: expected multiples of {self.divisor} '
                f'(the coarsest stride), got {height} x {width}'
            )
        return {self.view: {self.scales[0]: self.neck(self.backbone(image))[0]}}
