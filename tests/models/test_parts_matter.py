"""Each part of the method on a task that needs it: with the part it is solved, without it cannot be.

What a part is worth on a data set depends on the data. Whether it can carry a signal at all does not: here the
signal is built in, and a part that is wired wrongly, starts saturated or loses its gradient fails.
"""

from __future__ import annotations

import math

import pytest
import torch
from mmdet3d.registry import MODELS
from torch import nn
from torch.nn import functional as F

import projects.OneOcc.oneocc  # noqa: F401  registers the parts
from projects.OneOcc.oneocc.models.necks.moe_fuse3d import MoEFuse3D, grad_energy3d
from tests.models import two_view_rig as rig

pytestmark = pytest.mark.slow
CHANNELS = 8
LIFTING = dict(type='BiGridViewTransformer', grid=rig.GRID, channels=CHANNELS, scales=(1, 4))


def train(model: nn.Module, make_batch, steps: int, device, lr: float = 2e-2) -> float:
    """Train on fresh batches, then the balanced accuracy on more of them, in (0, 1)."""
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    torch.manual_seed(0)
    for _ in range(steps):
        given, target = make_batch(device)
        optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(model(*given)[target >= 0], target[target >= 0].float()).backward()
        optimizer.step()
        schedule.step()
    model.eval()
    hits = {0: [], 1: []}
    with torch.no_grad():
        for _ in range(8):
            given, target = make_batch(device)
            found = model(*given) > 0
            for value in hits:
                hits[value].append((found == bool(value))[target == value].float().mean())
    return float(sum(torch.stack(values).mean() for values in hits.values()) / 2)


class Lifted(nn.Module):
    """A lifting and one 1x1x1 convolution on its volume."""

    def __init__(self, **changes) -> None:
        super().__init__()
        self.lifting = MODELS.build(dict(LIFTING, grids=('cartesian',), **changes))
        self.classify = nn.Conv3d(CHANNELS, 1, 1)

    def forward(self, features, samples):
        return self.classify(self.lifting(features, samples, rig.image_sizes()).cartesian)[:, 0]


def sampled(image: torch.Tensor, view: str) -> tuple[torch.Tensor, torch.Tensor]:
    """An image (B, H, W) at the pixels of the voxels, nearest: (B, X, Y, Z) and which are seen (X, Y, Z)."""
    grid = rig.sample().grid
    pixels, seen = rig.cameras()[view].project(grid.centers())
    u, v = pixels.long().unbind(-1)
    return image[:, v.clamp(0, image.shape[1] - 1), u.clamp(0, image.shape[2] - 1)], seen


def smooth(batch: int, size: tuple[int, int], device, factor: int = 8) -> torch.Tensor:
    """Blobs (B, H, W) of about `factor` pixels."""
    noise = torch.randn(batch, 1, size[0] // factor, size[1] // factor, device=device)
    return F.interpolate(noise, size=size, mode='bilinear')[:, 0]


def swaying_images(device):
    """The world's picture moved up or down by up to 6 pixels a frame; its horizon tells by how much."""
    batch, (height, width) = 4, rig.EQUI_SIZE
    still = smooth(batch, (height, width), device, factor=4)
    sway = (torch.rand(batch, device=device) * 12 - 6).round().long()
    rows = torch.arange(height, device=device)
    picture = torch.stack([image.roll(int(by), 0) for image, by in zip(still, sway)])
    sky = (rows < height // 2 + sway[:, None]).float()[..., None].expand(batch, height, width)
    full = torch.zeros(batch, CHANNELS, height, width, device=device)
    full[:, 0], full[:, 1] = picture, 8 * sky
    features = {'equi': {s: F.avg_pool2d(full, s) for s in (1, 4)}}
    value, seen = sampled(still, 'equi')
    return (features, [rig.sample() for _ in range(batch)]), torch.where(seen, (value > 0).long(), -1)


def test_gait_compensation_undoes_a_sway(device):
    scores = {}
    for name, gait in (('with', dict(type='GaitDisplacementCompensation', max_shift=0.15)), ('without', None)):
        torch.manual_seed(0)
        model = Lifted(views=('equi',), gait=gait).to(device)
        scores[name] = train(model, swaying_images, 250, device)
    assert scores['with'] > scores['without'] + 0.06, scores


def fine_texture(device):
    """Stripes of 2 pixels that only the annulus resolves: the panorama has their mean."""
    batch = 2
    fine = torch.randn(batch, rig.RAW_SIZE[0] // 2, rig.RAW_SIZE[1] // 2, device=device).sign()
    fine = fine.repeat_interleave(2, 1).repeat_interleave(2, 2)
    raw = torch.zeros(batch, CHANNELS, *rig.RAW_SIZE, device=device)
    equi = torch.zeros(batch, CHANNELS, *rig.EQUI_SIZE, device=device)
    raw[:, 0] = fine
    equi[:, 0] = smooth(batch, rig.EQUI_SIZE, device)
    features = {view: {s: F.avg_pool2d(full, s) for s in (1, 4)} for view, full in (('equi', equi), ('raw', raw))}
    value, seen = sampled(fine, 'raw')
    return (features, [rig.sample() for _ in range(batch)]), torch.where(seen, (value > 0).long(), -1)


def test_dual_projection_reads_what_only_the_annulus_resolves(device):
    class OneView(Lifted):
        def forward(self, features, samples):
            return super().forward({'equi': features['equi']}, samples)

    torch.manual_seed(0)
    both = train(Lifted(view_dropout=0.1).to(device), fine_texture, 150, device)
    alone = train(OneView(views=('equi',)).to(device), fine_texture, 150, device)
    assert both > alone + 0.25 and alone < 0.6, (both, alone)


class WithNeck(nn.Module):
    """Both grids, or one, under the decoder of the method without its gates and experts."""

    def __init__(self, grids) -> None:
        super().__init__()
        two = 'cylindrical' in grids
        self.lifting = MODELS.build(dict(LIFTING, grids=grids, cylinder=rig.CYLINDER, views=('equi',)))
        self.neck = MODELS.build(
            dict(
                type='AMoE3DNeck',
                in_channels=CHANNELS,
                polar_channels=CHANNELS if two else None,
                channels=(8, 8, 8),
                depths=(1, 1, 1),
                amoe=False,
            )
        )
        self.classify = nn.Conv3d(8, 1, 1)

    def forward(self, features, samples):
        volumes = self.lifting(features, samples, rig.image_sizes())
        return self.classify(self.neck(volumes).features[1])[:, 0]


def shadows(device):
    """A voxel is in shadow where a mark lies nearer on its own ray: one has to look along rays, whatever their azimuth.

    Marks live on the ground, so that a pixel row is a distance.
    """
    batch, (height, width) = 2, rig.EQUI_SIZE
    lifting_grid = rig.sample().grid
    centers = lifting_grid.centers().to(device)
    radius, azimuth = centers[..., :2].norm(dim=-1), torch.atan2(-centers[..., 1], centers[..., 0])
    sectors = 32
    sector = ((azimuth + math.pi) / (2 * math.pi) * sectors).long() % sectors
    mark = torch.rand(batch, sectors, device=device) * 6 + 1.5  # distance of a sector's mark, metres
    marked = torch.rand(batch, sectors, device=device) < 0.6
    rows = torch.arange(height, device=device) + 0.5
    elevation = math.pi / 2 - rows / height * math.pi
    ground = torch.where(elevation < -0.05, 1.5 / torch.tan((-elevation).clamp(min=0.05)), torch.inf)
    near = (ground[None, :, None] - mark[:, None]).abs() < 0.7  # (B, H, sectors)
    image = (near & marked[:, None]).float().repeat_interleave(width // sectors, 2)
    full = torch.zeros(batch, CHANNELS, height, width, device=device)
    full[:, 0] = image
    full[:, 1] = elevation[:, None].expand(height, width)
    shadow = marked[:, sector] & (radius > mark[:, sector]) & (radius < mark[:, sector] + 3)
    on_ground = (centers[..., 2] < -1) & (radius < 8)
    target = torch.where(on_ground, shadow.long(), -1)
    features = {'equi': {s: F.avg_pool2d(full, s) for s in (1, 4)}}
    return (features, [rig.sample() for _ in range(batch)]), target


def test_the_cylindrical_grid_looks_along_rays(device):
    scores = {}
    for grids in (('cartesian', 'cylindrical'), ('cartesian',)):
        torch.manual_seed(0)
        scores[len(grids)] = train(WithNeck(grids).to(device), shadows, 400, device, lr=1e-2)
    assert scores[2] > scores[1] + 0.05, scores


class Fused(nn.Module):
    """A mixture, or experts of the same number and width that are always alike."""

    def __init__(self, gated: bool) -> None:
        super().__init__()
        self.experts = MoEFuse3D(4, num_experts=4, expansion=2.0)
        if not gated:
            self.experts.weights = lambda volume: torch.full(
                (len(volume), 4, *volume.shape[2:]), 0.25, device=volume.device
            )
        self.classify = nn.Conv3d(4, 1, 1)

    def forward(self, volume):
        return self.classify(self.experts(volume))[:, 0]


def two_textures(device):
    """What counts in smooth places is one channel, in rough places another one; each voxel alone cannot tell."""
    volume = torch.randn(2, 4, 16, 16, 8, device=device)
    rough = (F.interpolate(torch.randn(2, 1, 4, 4, 2, device=device), scale_factor=4, mode='nearest') > 0).float()
    volume = torch.cat(
        [volume[:, :2].sign() * (0.5 + 0.5 * torch.rand_like(volume[:, :2])), volume[:, 2:] * 3 * rough], 1
    )
    energy = grad_energy3d(volume)
    decided = energy > energy.median()
    return (volume,), torch.where(decided[:, 0], volume[:, 0] > 0, volume[:, 1] > 0).long()


def test_experts_are_chosen_by_the_texture(device):
    scores = {}
    for gated in (True, False):
        torch.manual_seed(0)
        scores[gated] = train(Fused(gated).to(device), two_textures, 300, device, lr=1e-2)
    assert scores[True] > scores[False] + 0.05, scores
