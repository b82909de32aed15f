"""SSCNet and SSCNet-full for LiDAR occupancy (Song et al., CVPR 2017, in the PyTorch form that LMSCNet's
authors compare with): a 3D trunk at 1/2 and 1/4, logits at 1/4 repeated or deconvolved to full size.

Shapes: B batch, C channels, volumes (B, C, X, Y, Z).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn as nn
import torch.nn.functional as F
from mmdet3d.registry import MODELS
from mmengine.model import BaseModule
from mmengine.structures import BaseDataElement
from torch import Tensor

from ....core.formats.labels import EMPTY, UNKNOWN
from ...models.heads.occ_head import OccHead
from ...models.losses import voxel_cross_entropy
from ...structures import Levels, Volumes

TRUNK_CHANNELS = 128
COARSE_STRIDE = 4


def _conv(in_channels: int, out_channels: int, kernel: int = 3, dilation: int = 1, stride: int = 1) -> nn.Conv3d:
    return nn.Conv3d(in_channels, out_channels, kernel, stride, padding=dilation * (kernel // 2), dilation=dilation)


@MODELS.register_module()
class SSCNet(BaseModule):
    """The trunk of SSCNet as a neck: occupancy in, 128 channels at a quarter of the size out.

    Convolutions with bias, no normalisation. The skip of a residual pair is the output of its first
    convolution before ReLU, not the input of the pair.
    """

    def __init__(self, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg=init_cfg)
        self.conv1_1 = _conv(1, 16, 7, stride=2)
        self.reduction2_1 = _conv(16, 32, 1)
        self.conv2_1 = _conv(16, 32)
        self.conv2_2 = _conv(32, 32)
        self.conv3_1 = _conv(32, 64)
        self.reduction3_1 = _conv(64, 64, 1)
        self.conv3_2 = _conv(64, 64)
        self.conv3_3, self.conv3_4 = _conv(64, 64), _conv(64, 64)
        self.conv3_5, self.conv3_6 = _conv(64, 64, dilation=2), _conv(64, 64, dilation=2)
        self.conv3_7, self.conv3_8 = _conv(64, 64, dilation=2), _conv(64, 64, dilation=2)
        self.conv4_1 = _conv(3 * 64, TRUNK_CHANNELS, 1)
        self.conv4_2 = _conv(TRUNK_CHANNELS, TRUNK_CHANNELS, 1)

    def forward(self, volumes: Volumes | Mapping) -> Levels:
        """`cartesian`, the occupancy (B, 1, X, Y, Z) -> {4: (B, 128, X/4, Y/4, Z/4)}.

        Raises:
            ValueError: an axis is no multiple of 4; the strided layers would silently lose voxels.
        """
        occupancy = Volumes.of(volumes).cartesian
        if any(size % COARSE_STRIDE for size in occupancy.shape[2:]):
            raise ValueError(f'SSCNet: expected a grid whose axes are multiples of 4, got {tuple(occupancy.shape[2:])}')
        x = torch.relu(self.conv1_1(occupancy))
        x = torch.relu(self.reduction2_1(x) + self.conv2_2(torch.relu(self.conv2_1(x))))
        x = torch.relu(self.conv3_1(F.max_pool3d(x, 2)))
        x = torch.relu(self.reduction3_1(x) + self.conv3_2(x))
        first = self._residual(x, self.conv3_3, self.conv3_4)
        second = self._residual(first, self.conv3_5, self.conv3_6)
        third = self._residual(second, self.conv3_7, self.conv3_8)
        x = torch.cat([third, second, first], dim=1)  # (B, 192, X/4, Y/4, Z/4)
        return Levels({COARSE_STRIDE: torch.relu(self.conv4_2(torch.relu(self.conv4_1(x))))})

    @staticmethod
    def _residual(x: Tensor, first: nn.Module, second: nn.Module) -> Tensor:
        """(B, C, X, Y, Z) -> (B, C, X, Y, Z); the skip is the first layer's output."""
        skip = first(x)
        return torch.relu(skip + second(torch.relu(skip)))


def balance_mask(
    labels: Tensor, generator: torch.Generator | None = None, ratio: int = 2, ignore_index: int = UNKNOWN
) -> Tensor:
    """Voxels that SSCNet's loss counts: all N occupied ones and `ratio` * N drawn empty ones, per sample.

    Empty voxels are drawn with replacement from the whole scene, so fewer than ratio * N distinct ones count.

    Args:
        labels: (B, X, Y, Z) with 255 = unknown.
        generator: random state of the draw.

    Returns:
        (B, X, Y, Z) bool; a sample without occupied voxels counts nothing, one without empty ones only
        its occupied voxels.
    """
    samples = labels.flatten(1)
    mask = (samples != EMPTY) & (samples != ignore_index)
    for selected, sample in zip(mask, samples):
        empty = torch.nonzero(sample == EMPTY).squeeze(1)
        draws = ratio * int(selected.sum())
        if len(empty) and draws:
            picked = torch.randint(len(empty), (draws,), generator=generator, device='cpu').to(empty.device)
            selected[empty[picked]] = True
    return mask.view(labels.shape)


def balanced_cross_entropy(
    logits: Tensor, labels: Tensor, mask: Tensor, legacy_norm: bool = False, ignore_index: int = UNKNOWN
) -> Tensor:
    """Cross entropy summed over the balance mask, divided by the number of voxels in it.

    Args:
        logits: (B, C+1, X, Y, Z).
        labels: (B, X, Y, Z).
        mask: (B, X, Y, Z) bool, voxels that count.
        legacy_norm: divide by the known voxels that are NOT in the mask, as the public code does.

    Returns:
        Scalar; 0 where the divisor is 0.
    """
    chosen = torch.where(mask, labels, torch.full_like(labels, ignore_index))
    mean = voxel_cross_entropy(logits, chosen, ignore_index=ignore_index)
    if not legacy_norm:
        return mean
    selected = (mask & (labels != ignore_index)).sum()
    unselected = ((labels != ignore_index) & ~mask).sum()
    return mean * selected / unselected.clamp(min=1) * (unselected > 0)


@MODELS.register_module()
class SSCNetHead(OccHead):
    """Logits from the trunk at 1/4: nearest repetition (SSCNet) or a learned 4x4x4 deconvolution (full).

    Args:
        num_classes: C, without the empty class; C + 1 logits come out.
        full: SSCNet-full.
        legacy_norm: the public code's divisor (see `balanced_cross_entropy`).
        extra_losses: losses of one's own, beside this; see `OccHead`.
    """

    def __init__(
        self,
        num_classes: int,
        full: bool = False,
        in_channels: int = TRUNK_CHANNELS,
        legacy_norm: bool = False,
        extra_losses: Sequence[Mapping] | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(num_classes, extra_losses=extra_losses, taken=('ce',), init_cfg=init_cfg)
        self.full, self.legacy_norm = full, legacy_norm
        if full:
            self.deconv_classes = nn.ConvTranspose3d(in_channels, num_classes + 1, COARSE_STRIDE, COARSE_STRIDE)
        else:
            self.conv_classes = nn.Conv3d(in_channels, num_classes + 1, 1)

    def forward(self, feats: Levels | Mapping) -> dict[int, Tensor]:
        """{4: (B, 128, X/4, Y/4, Z/4)} -> {1: logits (B, C+1, X, Y, Z)}."""
        coarse = Levels.of(feats).at(COARSE_STRIDE)
        if self.full:
            return {1: self.deconv_classes(coarse)}
        return {1: F.interpolate(self.conv_classes(coarse), scale_factor=COARSE_STRIDE, mode='nearest')}

    def loss(
        self, feats: Levels | Mapping, data_samples: Sequence[BaseDataElement], visible: Tensor | None = None
    ) -> dict[str, Tensor]:
        """2N-balanced cross entropy against `gt_occ` (X, Y, Z), and the extra losses.

        Its mask balances: class weights and `visible` are not used.
        """
        logits = self(feats)[1]
        labels = self._labels(data_samples, visible, logits.device).long()
        own = self.own_losses(logits, labels)
        return {'loss_ce': balanced_cross_entropy(logits, labels, balance_mask(labels), self.legacy_norm), **own}
