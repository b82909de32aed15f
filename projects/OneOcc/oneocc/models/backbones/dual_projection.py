"""Dual-projection encoders: the equirectangular view and the raw annulus (section 3.3, Eq. 4).

Shapes: B batch, images (B, 3, H, W), features at scale s (B, C, H / s, W / s).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmdet3d.registry import MODELS
from mmengine.model import BaseModule, ModuleDict
from torch import Tensor


@MODELS.register_module()
class DualProjectionBackbone(BaseModule):
    """DP-ER: one encoder a view, all maps aligned to C channels by GroupNorm and a 1x1 convolution.

    The equirectangular encoder is periodic along its width, so rolling the panorama by a multiple
    of the coarsest stride rolls every map; the annulus is an ordinary image.

    Args:
        equi: config of a PanoramaEncoder without out_channels, scales, view, head_norm and ring, which are
            filled in from here.
        raw: the same for the annulus; None for data that is born equirectangular.
        out_channels: C, common to all views and scales.
        scales: strides s (Eq. 4).
        num_groups: groups of the aligning GroupNorm, fewer where they do not divide a width.
        ring: periodic equirectangular encoder; False only for the ablation.
        channels_last: run in channels-last memory; the same numbers, and lifting then reads whole
            feature vectors without a copy.
    """

    needs = ('imgs',)

    def __init__(
        self,
        equi: Mapping,
        raw: Mapping | None = None,
        out_channels: int = 64,
        scales: Sequence[int] = (1, 4, 8, 16),
        num_groups: int = 8,
        ring: bool = True,
        channels_last: bool = True,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        self.scales, self.out_channels = tuple(scales), out_channels
        # mmengine's dict, because init_weights does not walk through torch's
        self.encoders = ModuleDict()
        for view, config in (('equi', equi), ('raw', raw)):
            if config is None:
                continue
            self.encoders[view] = MODELS.build(
                dict(
                    config,
                    out_channels=out_channels,
                    scales=self.scales,
                    view=view,
                    head_norm=num_groups,
                    ring=ring and view == 'equi',
                    channels_last=channels_last,
                )
            )

    @property
    def views(self) -> tuple[str, ...]:
        """Names of the views that are encoded."""
        return tuple(self.encoders)

    def forward(self, imgs: Mapping[str, Tensor]) -> dict[str, dict[int, Tensor]]:
        """{view: (B, 3, H, W)} -> {view: {scale: (B, C, H / scale, W / scale)}}.

        Views without an encoder are left aside; a missing one is a ValueError.
        """
        missing = set(self.encoders) - set(imgs)
        if missing:
            raise ValueError(f'DualProjectionBackbone: expected the views {list(self.encoders)}, got {sorted(imgs)}')
        return {view: encoder.encode(imgs[view]) for view, encoder in self.encoders.items()}
