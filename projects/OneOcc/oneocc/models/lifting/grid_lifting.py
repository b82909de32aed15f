"""From features of images to one grid of voxels: sample (Eq. 6, 11), weigh the scales (Eq. 7), merge the views.

Shapes: B batch, V views, S scales, N voxels of a grid in C order, C channels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
import torch.nn as nn
from torch import Tensor

from ....core.geometry import View
from ....core.geometry.visibility import seen_by_any
from ....core.ops import scored_view_sample
from .gait_compensation import Features, GaitCorrection
from .voxel_projection import RigProjection, VoxelProjection


def zero_layer(layer: nn.Module) -> None:
    """Set weights and bias to zero."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)


class ScaleScores(nn.ModuleDict):
    """How much each grid wants each feature: a 1x1 convolution a view and scale, one channel a grid.

    Held as convolutions, since a score is linear in the feature: sampling a map of scores would be scoring the samples,
    which is what lifting does.

    Args:
        channels: C.
        num_grids: channels of the scores.
        views: names.
        scales: strides s of the features.
    """

    def __init__(self, channels: int, num_grids: int, views: Sequence[str], scales: Sequence[int]) -> None:
        super().__init__(
            {view: nn.ModuleDict({str(s): nn.Conv2d(channels, num_grids, 1) for s in scales}) for view in views}
        )

    def init_zero(self) -> None:
        """All scales of all views score alike."""
        for view in self:
            for convolution in self._convolutions(view).values():
                zero_layer(convolution)

    def _convolutions(self, view: str) -> dict[str, nn.Conv2d]:
        return cast('dict[str, nn.Conv2d]', dict(self[view].named_children()))

    def stacked(self, view: str) -> tuple[Tensor, Tensor]:
        """Weights (grids, S, C) and biases (grids, S) of a view."""
        layers = list(self._convolutions(view).values())
        weight = torch.stack([layer.weight.flatten(1) for layer in layers], dim=1)
        return weight, torch.stack([layer.bias for layer in layers if layer.bias is not None], dim=1)


def merge_views(
    lifted: Tensor,  # (B, V, N, C)
    seen: Tensor,  # (B, V, N) bool
    logits: Tensor,  # (V, N) or (B, V, N)
) -> tuple[Tensor, Tensor]:
    """Softmax over the views that see a voxel; one view alone has weight one, none gives zero.

    Returns:
        (B, N, C); visible (B, N) bool, seen by any view.
    """
    scores = logits.to(torch.float32).expand(seen.shape).masked_fill(~seen, float('-inf'))
    visible = seen_by_any(seen, dim=1)
    # a row of -inf has no softmax: give it zeros, and mask the answer
    scores = torch.where(visible[:, None], scores, torch.zeros_like(scores))
    weights = scores.softmax(1) * seen
    return (lifted * weights.to(lifted.dtype)[..., None]).sum(1), visible


def drop_views(seen: Tensor, share: float) -> Tensor:
    """Take one view away from a share of the samples, where another one sees the voxel.

    A view that is always at hand beside an easier one is never learned from; this makes the network need each.

    Args:
        seen: (B, V, N) bool.
        share: of the samples, in [0, 1].

    Returns:
        (B, V, N) bool; every voxel that some view sees is still seen by one.
    """
    batch, views, _ = seen.shape
    lost = torch.rand(batch, device=seen.device) < share
    view = torch.randint(views, (batch,), device=seen.device)
    dropped = lost[:, None] & (torch.arange(views, device=seen.device) == view[:, None])  # (B, V)
    left = seen & ~dropped[..., None]
    return torch.where(left.any(1, keepdim=True), left, seen)


class GridLifting(nn.Module):
    """Lift all views onto one grid (Eq. 6, 7) and merge the views where they see the voxel.

    The weights of the scales are a softmax of two terms: the sampled score of each scale, and a
    small MLP of the voxel's range and height (no azimuth, so that turning the world turns the
    volume). Views are merged by a softmax over the views that see the voxel, its logits from the
    same MLP and from the lifted feature itself (the paper leaves the merging open). All start at
    zero: every scale and every view begins with an equal share.

    Args:
        centers: (N, 3) voxel centres c of Eq. 5 in the ego frame, metres.
        views: names, in a fixed order.
        num_scales: S.
        index: which channel of the scores is this grid's.
        hidden: width of the MLP.
        channels: C; None merges views by their place alone.
        view_dropout: share of the training samples that one view is taken away from.
        sampling: implementation of `scored_view_sample`; None takes the fastest.
    """

    def __init__(
        self,
        centers: Tensor,
        views: Sequence[str],
        num_scales: int,
        index: int = 0,
        hidden: int = 16,
        channels: int | None = None,
        view_dropout: float = 0.0,
        sampling: str | None = None,
    ) -> None:
        super().__init__()
        self.sampling = sampling
        self.projection = VoxelProjection(centers)
        self.rig: RigProjection | None = None
        self.num_scales, self.index = num_scales, index
        radius = centers[:, :2].norm(dim=-1)
        position = torch.stack((radius, centers[:, 2]), dim=-1)  # (N, 2), metres
        position = position / position.abs().amax(0).clamp(min=1e-6)
        self.register_buffer('position', position.float(), persistent=False)
        self.place = nn.ModuleDict(
            {
                view: nn.Sequential(
                    nn.Linear(2, hidden), nn.GELU(), nn.Linear(hidden, num_scales + int(len(views) > 1))
                )
                for view in views
            }
        )
        self.view_dropout = view_dropout
        self.view_score = None
        if channels is not None and len(views) > 1:
            self.view_score = nn.ModuleDict({view: nn.Linear(channels, 1) for view in views})
        self.init_zero()

    def init_zero(self) -> None:
        """Neither places nor features prefer a scale or a view."""
        for view in self.place:
            zero_layer(self._mlp(view)[-1])
        for layer in () if self.view_score is None else self.view_score.values():
            zero_layer(cast('nn.Linear', layer))

    def _mlp(self, view: str) -> nn.Sequential:
        return cast('nn.Sequential', self.place[view])

    def preferences(self, view: str) -> tuple[Tensor, Tensor | None]:
        """What the place of a voxel says for each scale of a view, and for the view itself.

        Returns:
            (N, S) float32, added to the scores of the scales; (N,) float32 logit of the view, None with a single one.
        """
        mlp = self._mlp(view)
        place = mlp(self.position.to(next(mlp.parameters()).dtype)).float()
        own = place[:, self.num_scales] if place.shape[1] > self.num_scales else None
        return place[:, : self.num_scales], own

    def forward(
        self,
        features: Features,
        scores: Mapping[str, tuple[Tensor, Tensor]],
        views: Mapping[str, Sequence[View]],
        image_sizes: Mapping[str, tuple[int, int]],
        ring_views: Sequence[str],
        correction: GaitCorrection,
    ) -> tuple[Tensor, Tensor]:
        """Lift.

        Args:
            features: {view: {scale: (B, C, Hs, Ws)}}.
            scores: {view: `ScaleScores.stacked`}, of this and the other grids.
            views: {view: B calibrated views}; not read where the rig is fixed.
            image_sizes: {view: (H, W)}.
            ring_views: those whose maps are periodic.
            correction: what gait compensation found.

        Returns:
            volume (B, N, C), zero where no view sees the voxel; visible (B, N) bool, seen by any.
        """
        lifted, seen, logits = [], [], []
        for view, maps in features.items():
            device = next(iter(maps.values())).device
            if self.rig is not None:
                pixels, valid = self.rig(view)
            else:
                pixels, valid = self._project(views[view], device, correction.motion)  # pi_v(c)
            pixels = correction.zoomed(view, pixels, image_sizes[view])
            sampling: dict[str, Any] = dict(image_size=image_sizes[view], wrap=view in ring_views)
            sampling['implementation'] = self.sampling
            if correction.shifts is not None:
                sampling['shifts'] = [correction.shifts[view][s] / s for s in maps]  # Delta_s of Eq. 10, in cells

            weight, bias = scores[view]
            prior, logit = self.preferences(view)
            volume = scored_view_sample(
                list(maps.values()), pixels, valid, weight[self.index], bias[self.index], prior, **sampling
            )
            lifted.append(volume.transpose(1, 2))
            seen.append(valid)
            if logit is not None:
                if self.view_score is not None:
                    logit = logit + self.view_score[view](lifted[-1]).squeeze(-1).float()  # (B, N)
                logits.append(logit)
        if len(lifted) == 1:
            return lifted[0], seen[0]
        shown = torch.stack(seen, 1)
        if self.training and self.view_dropout:
            shown = drop_views(shown, self.view_dropout)
        return merge_views(torch.stack(lifted, 1), shown, torch.stack(logits, -2))

    def fix_rig(self, views: Mapping[str, Sequence[View]], device: torch.device) -> None:
        """From now on lift with these views, B a name, whatever `forward` is given."""
        self.rig = RigProjection({view: self._project(each, device, None) for view, each in views.items()})

    @torch.compiler.disable
    def _project(self, views: Sequence[View], device: torch.device, motion: Tensor | None) -> tuple[Tensor, Tensor]:
        """Pixels (B, N, 2) and valid (B, N) of the centres of the voxels.

        Cameras are objects and their answers are remembered: nothing to compile here.
        """
        with torch.autocast(device_type=device.type, enabled=False):
            return self.projection(views, device, motion)
