"""VoxFormer's lifting: voxels that depth or LiDAR proposes look into the panoramas, a mask token fills the others.

Shapes: B batch, C channels, N = X * Y * Z voxels in C order, P proposals of a sample, V views.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from mmdet3d.registry import MODELS
from mmengine.model import BaseModule
from mmengine.structures import BaseDataElement
from torch import Tensor

from ....core.geometry import CartesianGrid
from ....core.geometry.depth_points import depth_points
from ...models.lifting.voxel_projection import VoxelProjection
from ...models.pretrained_files import check_pretrained_files
from ...structures import Volumes, batch_views
from ..lidar.point_occupancy import PointOccupancyEncoder
from .cross_encoder import CrossEncoder
from .proposed_queries import ProposedQueries, chosen_voxels
from .query_proposals import STRIDE, QueryProposalNetwork

SOURCES = ('points', 'depth', 'all')


@MODELS.register_module()
class VoxFormerLifting(BaseModule):
    """Deformable cross-attention from the proposed voxels to one or several views.

    A sample without any proposal takes all voxels as queries: with none the images would count for nothing.

    Args:
        grid: shape, voxel_size, origin of the lifted grid (CartesianGrid).
        channels: C of the features and of the queries.
        proposals: 'points' (LiDAR, input `points`), 'depth' (radial depth of the first view, input `depth`) or 'all'
            voxels.
        proposal_network: config of a QueryProposalNetwork on the occupancy at twice the resolution, frozen; None
            proposes the occupied voxels themselves.
        proposal_weights: checkpoint of a stage 1 (`QueryProposalNetwork` as a neck) that the network starts from; a
            local file, which must be there when weights are initialised. None leaves that to the network's init_cfg.
        views: the views that are looked into, the current frame first; a past frame is a view whose calibration holds
            the ego motion.
        scale: stride of the features.
        wrap: the views are panoramas that go round; locations beyond the seam come in on the other side.
        num_layers, hidden_channels, num_heads, num_points, dropout: of `CrossEncoder`.
        attention_op: 'torch', or 'mmcv' for its compiled kernel on a GPU; the same numbers up to rounding.

    Raises:
        ValueError: a source of proposals that is none.
    """

    keeps_channels = True

    def __init__(
        self,
        grid: Mapping,
        channels: int,
        proposals: str = 'points',
        proposal_network: Mapping | None = None,
        views: Sequence[str] = ('equi',),
        scale: int = 16,
        wrap: bool = True,
        num_layers: int = 3,
        hidden_channels: int | None = None,
        num_heads: int = 8,
        num_points: int = 8,
        dropout: float = 0.1,
        proposal_weights: str | None = None,
        attention_op: str = 'torch',
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        if proposals not in SOURCES:
            raise ValueError(f'proposals: expected one of {SOURCES}, got {proposals!r}')
        if proposals == 'all' and proposal_network is not None:
            raise ValueError("proposal_network: expected None with proposals='all', got a network")
        if proposal_network is None and proposal_weights is not None:
            raise ValueError(f'proposal_weights: expected None without a proposal_network, got {proposal_weights!r}')
        self.source, self.needs = proposals, () if proposals == 'all' else (proposals,)
        self.grid, self.views, self.scale, self.wrap = CartesianGrid(**grid), tuple(views), scale, wrap
        self.queries = ProposedQueries(self.grid.centers()[..., 0].numel(), channels)
        self.encoder = CrossEncoder(
            channels, len(self.views), num_layers, hidden_channels, num_heads, num_points, dropout, wrap, attention_op
        )
        self.proposal_network = None if proposal_network is None else self._frozen(proposal_network, proposal_weights)
        finer = self.grid if proposal_network is None else self.grid.refined(STRIDE)
        self.occupancy = PointOccupancyEncoder(finer.to_dict())
        self.projection = VoxelProjection(self.grid.centers().reshape(-1, 3))

    def _frozen(self, settings: Mapping, weights: str | None) -> QueryProposalNetwork:
        settings = dict(dict(height=STRIDE * self.grid.shape[2]), **settings)
        if weights is not None:
            settings['init_cfg'] = dict(type='Pretrained', checkpoint=weights, prefix='neck.')
        network = MODELS.build(settings)
        return network.requires_grad_(False).eval()

    def init_weights(self) -> None:
        """Initialise; the weights of the proposal network are read from a local file, which must be there."""
        if self.proposal_network is not None:
            check_pretrained_files(self.proposal_network)
        super().init_weights()

    def train(self, mode: bool = True) -> VoxFormerLifting:
        """The frozen proposal network stays in evaluation mode."""
        super().train(mode)
        if self.proposal_network is not None:
            self.proposal_network.eval()
        return self

    def forward(
        self,
        features: Mapping[str, Mapping[int, Tensor]],
        data_samples: Sequence[BaseDataElement],
        image_sizes: Mapping[str, tuple[int, int]],
        points: Sequence[Tensor] | None = None,
        depth: Mapping[str, Tensor] | None = None,
    ) -> Volumes:
        """Lift the views.

        Args:
            features: {view: {scale: (B, C, H / scale, W / scale)}}.
            data_samples: B samples with `cameras` in their metainfo.
            image_sizes: {view: (H, W)}.
            points: per sample (N_i, 3 or more) in the ego frame in metres.
            depth: {view: (B, H, W)} radial depth in metres, of the first view.

        Returns:
            `cartesian` (B, C, X, Y, Z) and `visible` (B, X, Y, Z) bool, seen by any view.
        """
        missing = [view for view in self.views if self.scale not in features.get(view, {})]
        if missing:
            raise ValueError(
                f'VoxFormerLifting needs the scale {self.scale} of the views {self.views}, got none of {missing}'
            )
        maps = [features[view][self.scale] for view in self.views]
        with torch.no_grad():
            proposals = self.propose(data_samples, image_sizes, maps[0].device, points, depth)
            chosen = chosen_voxels(proposals.flatten(1))
            located = [self._project(data_samples, view, image_sizes[view], maps[0].device) for view in self.views]
        references = [shares.gather(1, chosen.index[..., None].expand(-1, -1, 2)) for shares, _ in located]
        seen = [visible.gather(1, chosen.index) for _, visible in located]
        answers = self.encoder(self.queries.queries(chosen), maps, references, seen)
        voxels = self.queries.fill(answers, chosen)
        visible = torch.stack([visible for _, visible in located]).any(0)
        shape = tuple(self.grid.shape)
        return Volumes(voxels.transpose(1, 2).unflatten(2, shape), visible.unflatten(1, shape))

    def propose(
        self,
        data_samples: Sequence[BaseDataElement],
        image_sizes: Mapping[str, tuple[int, int]],
        device: torch.device,
        points: Sequence[Tensor] | None = None,
        depth: Mapping[str, Tensor] | None = None,
    ) -> Tensor:
        """Which voxels become queries, (B, X, Y, Z) bool; all of a sample for which nothing is proposed.

        Arguments as in `forward`; `device` of the result.
        """
        if self.source == 'all':
            return torch.ones(len(data_samples), *self.grid.shape, dtype=torch.bool, device=device)
        if self.source == 'depth':
            points = self._depth_points(data_samples, depth, image_sizes)
        if points is None:
            raise ValueError("proposals='points' needs the points of every sample, got None")
        occupancy = self.occupancy([cloud.to(device) for cloud in points]).cartesian
        if self.proposal_network is None:
            proposals = occupancy[:, 0] > 0
        else:
            proposals = self.proposal_network.propose(occupancy)
        return proposals | ~proposals.flatten(1).any(1)[:, None, None, None]

    @torch.compiler.disable
    def _depth_points(
        self,
        data_samples: Sequence[BaseDataElement],
        depth: Mapping[str, Tensor] | None,
        image_sizes: Mapping[str, tuple[int, int]],
    ) -> list[Tensor]:
        """Points (N_i, 3) of every sample from the depth of the first view."""
        name = self.views[0]
        if depth is None or name not in depth:
            raise ValueError(f"proposals='depth' needs the depth of the view {name!r}, got {sorted(depth or ())}")
        views = batch_views(data_samples, name, image_sizes[name], ring=self.wrap)
        return [depth_points(of_sample, view) for of_sample, view in zip(depth[name], views)]

    @torch.compiler.disable
    def _project(
        self, data_samples: Sequence[BaseDataElement], view: str, image_size: tuple[int, int], device: torch.device
    ) -> tuple[Tensor, Tensor]:
        """Shares (B, N, 2) of width and height where each voxel falls, 0 where it does not, and seen (B, N)."""
        pixels, seen = self.projection(batch_views(data_samples, view, image_size, ring=self.wrap), device)
        height, width = image_size
        shares = pixels / pixels.new_tensor((width, height))
        return torch.where(seen[..., None], shares, torch.zeros_like(shares)), seen
