"""SGN block by block and end to end (numbers of the official code with random weights)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from projects.OneOcc.core.geometry import CartesianGrid
from projects.OneOcc.core.geometry.ego_motion import cam_from_current_ego, past_frames, points_in_current_ego
from projects.OneOcc.oneocc.baselines.official_weights.sgn import (
    convert_diffusion,
    convert_geometry,
    convert_guidance_block,
    convert_sgn,
    is_unused,
)
from projects.OneOcc.oneocc.baselines.sgn.diffusion import SemanticDiffusionBlock
from projects.OneOcc.oneocc.baselines.sgn.head import SGNHead, occupancy_loss, seed_loss
from projects.OneOcc.oneocc.baselines.sgn.lifting import mean_of_views
from projects.OneOcc.oneocc.baselines.sgn.neck import SGNNeck
from projects.OneOcc.oneocc.baselines.sgn.proposals import GeometryGuidance, point_features
from projects.OneOcc.oneocc.baselines.sgn.seeds import SemanticGuidanceBlock, chosen_seeds
from projects.OneOcc.oneocc.baselines.voxformer.head import completion_losses
from projects.OneOcc.oneocc.models.layers.active_voxels import ActiveVoxels
from projects.OneOcc.oneocc.models.losses import lovasz_softmax, voxel_cross_entropy
from projects.OneOcc.oneocc.structures import Volumes
from tests.goldens.flosp import pinhole_pixels
from tests.goldens.frame import Golden, family
from tests.goldens.lidar_networks import count, floats, scalars
from tests.goldens.voxformer import CLOSE, ROUNDED, check_norms

LOSSES = dict(
    ce='loss_ssc',
    sem_scal='loss_sem_scal',
    geo_scal='loss_geo_scal',
    seeds='loss_sem',
    occupancy='loss_occ',
    proposals='loss_pts',
)


def grid_of(shape: list[int], low: list[float], high: float) -> CartesianGrid:
    """The grid of cubes between the lowest corner and the highest x (metres)."""
    return CartesianGrid(tuple(shape), (high - low[0]) / shape[0], tuple(low))


def bits(packed: Tensor, shape: tuple[int, ...]) -> Tensor:
    return torch.from_numpy(np.unpackbits(packed.numpy())[: np.prod(shape)].reshape(shape).astype(bool))


def sizes(state: dict) -> int:
    """Parameters of the official state that its network never uses."""
    return sum(value.numel() for key, value in state.items() if is_unused(key))


@family('sgn_lift_seed*.pt', group='camera')
def check_lift(golden: Golden) -> None:
    data, cfg = golden.load(), golden.load()['cfg']
    frames = past_frames(cfg['frame'], cfg['offsets'], len(data['poses_lidar_to_world']))
    poses = data['poses_lidar_to_world'].numpy()
    now = poses[cfg['frame']]
    cameras = [cam_from_current_ego(data['lidar2cam'][0].numpy(), poses[k], now) for k in frames]
    golden.close('lidar2cam', np.stack(cameras), data['lidar2cam'], 1e-9)
    grid = CartesianGrid(tuple(cfg['grid']), cfg['voxel'], tuple(cfg['vox_origin']))
    height, width = cfg['img_hw']
    pixels, seen = [], []
    for view, camera in enumerate(data['lidar2cam']):
        where, fov, _ = pinhole_pixels(grid.centers().reshape(-1, 3), data['K'], camera, (width, height))
        golden.close(f'{view}/fov', fov, data['fov'][view], 0)
        golden.close(f'{view}/pixels', where[fov], data['pix_uv_inside_fov'][view][fov], 0)
        pixels.append(where[None])
        seen.append(fov[None])
    features = data['feats_fp16'].float().requires_grad_()
    lifted = mean_of_views(list(features.transpose(0, 1)), pixels, seen, cfg['stride'])
    golden.relative('x3d', lifted, data['x3d'], CLOSE)
    (lifted * data['upstream_fp16'].float()).sum().backward()
    golden.relative('grad_feats', features.grad, data['grad_feats'], CLOSE)
    clouds = data['points_per_frame']
    merged = [points_in_current_ego(cloud.numpy(), poses[k], now) for cloud, k in zip(clouds, frames)]
    golden.close('points_merged', np.concatenate(merged), data['points_merged'], 1e-6)


@family('sgn_sgb_seed*.pt', group='camera')
def check_guidance_block(golden: Golden) -> None:
    data, cfg = golden.load(), golden.load()['cfg']
    block = SemanticGuidanceBlock(cfg['channels']).eval()
    block.load_state_dict(convert_guidance_block(floats(data['state_fp16'])))
    golden.close('n_params', count([block]) + sizes(data['state_fp16']), data['n_params'], 0)
    rows = data['feats_fp16'].float().requires_grad_()
    coords = torch.nn.functional.pad(data['coords_xyz'].long(), (1, 0))
    seeds = ActiveVoxels(coords, rows, tuple(cfg['sizes_xyz']), 1)
    golden.close('n_coarse', len(seeds.cells(2)[0]), data['n_coarse'], 0)
    encoded = block.fine(seeds)
    golden.relative('sfe_out', encoded, data['sfe_out'], CLOSE)
    golden.relative('sgfe_out', block.fine_context(seeds, encoded), data['sgfe_out'], CLOSE)
    out = block(seeds)
    golden.relative('out', out, data['out'], CLOSE)
    out.square().mean().backward()
    golden.relative('grad_x', rows.grad, data['grad_x'], CLOSE)
    check_norms(golden, {'': block}, {'': convert_guidance_block(scalars(data['grad_norms']))})
    with torch.no_grad():
        golden.relative('train_out', block.train()(seeds), data['train_out'], CLOSE)
    after = convert_guidance_block({**data['state_fp16'], **data['bn_after_one_train_step']})
    for key in (key for key in after if 'running' in key):
        golden.relative(f'{key}/batch norm', block.state_dict()[key], after[key], CLOSE)


@family('sgn_proposal_net_seed*.pt', group='camera')
def check_proposals(golden: Golden) -> None:
    data, cfg = golden.load(), golden.load()['cfg']
    low, high = cfg['point_cloud_range'][:3], cfg['point_cloud_range'][3]
    grid = grid_of(cfg['spatial_shape_xyz'], low, high)
    network = GeometryGuidance(grid.downsampled(2)).eval()
    network.load_state_dict(convert_geometry(floats(data['state_fp16'])))
    golden.close('n_params', count([network]) + sizes(data['state_fp16']), data['n_params'], 0)
    points = [data['points']]
    features, coords, _ = point_features(points, grid)
    golden.close('n_points_inside', len(features), data['n_points_inside'], 0)
    golden.relative('point_features', features, data['point_features_9'], CLOSE)
    golden.close('voxel_coords', coords, data['voxel_coords_bxyz'], 0)
    occupancy = network.occupancy
    with torch.no_grad():
        voxels = occupancy.encode(points)
        soft = occupancy(points)
    golden.relative('sfe_features', voxels.feats, data['sfe_features'], CLOSE)
    golden.relative('soft_occupancy', voxels.rows(soft)[:, 0], data['soft_occupancy_at_voxels'], CLOSE)
    golden.close('soft_occupancy_nonzero', (soft != 0).sum(), data['soft_occupancy_nonzero'], 0)
    proposals = network(points)
    golden.relative('occ_logit', proposals.logits, data['occ_logit'][:, 0], CLOSE)
    golden.relative('guidance', proposals.guidance, data['guidance'], CLOSE)
    golden.close('seeds', chosen_seeds(proposals.logits), data['seeds'], 0)
    loss = occupancy_loss(proposals.logits, data['target_1_2'][None])
    golden.relative('loss_pts', loss, data['loss_pts'], CLOSE, 'loss')
    (loss + proposals.guidance.square().mean()).backward()
    norms = convert_geometry(scalars(data['grad_norms_of_loss_pts_plus_mean_square_guidance']))
    check_norms(golden, {'': network}, {'': norms})


@family('sgn_sdb_seed*.pt', group='camera')
def check_diffusion(golden: Golden) -> None:
    data, cfg = golden.load(), golden.load()['cfg']
    block = SemanticDiffusionBlock(cfg['in_channels'], cfg['channels'], cfg['depth']).eval()
    block.load_state_dict(convert_diffusion(floats(data['state_fp16'])))
    golden.close('n_params', count([block]), data['n_params'], 0)
    volume = data['x_fp16'].float().requires_grad_()
    reduced = block.reduce(volume)
    golden.relative('act_conv_in', reduced, data['act_conv_in'], CLOSE)
    golden.relative('act_mpac0', block.blocks[0](reduced), data['act_mpac0'], CLOSE)
    golden.relative('act_after_blocks', block.blocks(reduced), data['act_after_blocks'], CLOSE)
    out = block(volume)
    golden.relative('out', out, data['out'], CLOSE)
    out.square().mean().backward()
    golden.relative('grad_x', volume.grad, data['grad_x'], CLOSE)
    check_norms(golden, {'': block}, {'': convert_diffusion(scalars(data['grad_norms']))})


@family('sgn_losses_C*.pt', group='camera')
def check_losses(golden: Golden) -> None:
    data = golden.load()
    names = ('ssc', 'sem', 'occ', 'pts_occ')
    leaves = [data[f'{name}_logit_fp16'].float().requires_grad_() for name in names]
    logits, seeds, occupancy, proposals = leaves
    at_seeds = data['target_1_2'][tuple(data['seed_coords'].long().unbind(1))]
    golden.relative('lovasz part', lovasz_softmax(seeds, at_seeds), data['loss_sem_lovasz_part'], CLOSE, 'loss')
    golden.relative('ce part', voxel_cross_entropy(seeds, at_seeds), data['loss_sem_ce_part'], CLOSE, 'loss')
    check_terms(golden, data, logits, (seeds, at_seeds), occupancy, proposals)
    for leaf, name in zip(leaves, names):
        golden.relative(f'grad_{name}', leaf.grad, data[f'grad_{name}'], CLOSE, 'gradient')


def check_terms(
    golden: Golden, data: dict, logits: Tensor, seeds: tuple[Tensor, Tensor], occupancy: Tensor, proposals: Tensor
) -> None:
    """Six terms and their sum, which is then differentiated; `seeds` are their logits and labels."""
    coarse = data['target_1_2'][None]
    terms = completion_losses(logits, data['target'][None], data['class_weights_x10'])
    terms |= dict(
        seeds=seed_loss(*seeds),
        occupancy=occupancy_loss(occupancy, coarse),
        proposals=occupancy_loss(proposals, coarse),
    )
    for ours, official in LOSSES.items():
        golden.relative(official, terms[ours], data['losses'][official], CLOSE, 'loss')
    total = sum(terms.values())
    golden.relative('total', total, data['total'], CLOSE, 'loss')
    total.backward()


@family('sgn_head_seed*.pt', group='camera', carried=False)
def check_end_to_end(golden: Golden) -> None:
    data, cfg = golden.load(), golden.load()['cfg']
    width, classes, shape = cfg['embed'], cfg['n_classes'] - 1, tuple(cfg['grid'])
    grid = grid_of(cfg['grid'], cfg['point_cloud_range'][:3], cfg['point_cloud_range'][3])
    neck = SGNNeck(grid.to_dict(), width, depth=cfg['depth']).eval()
    head = SGNHead(classes, neck.out_channels[1], width).eval()
    parts = convert_sgn(floats(data['state_fp16']))
    neck.load_state_dict(parts['neck'])
    head.load_state_dict(parts['head'])
    golden.close('n_params', count([neck, head]) + sizes(data['state_fp16']), data['n_params'], 0)
    maps = list(data['feats_fp16'].float().transpose(0, 1))
    pixels, seen = data['pix_uv_inside_fov'].long(), data['fov']
    lifted = mean_of_views(maps, list(pixels[:, None]), list(seen[:, None]), cfg['stride']).unflatten(2, shape)
    levels = neck(Volumes(lifted, points=[data['points_fp16'].float()]))
    golden.relative('pts_occ', levels.proposal_logits, data['pts_occ'], CLOSE)
    golden.close('seeds', levels.seeds[0], bits(data['seeds_packbits'], shape), 0)
    golden.close('n_seeds', levels.seeds.sum(), data['n_seeds'], 0)
    occupancy = head.occupancy(levels.voxels)[:, 0]
    golden.relative('occ', occupancy, data['occ'], CLOSE)
    of_seeds = head.seed_classifier(levels.seed_features)
    golden.relative('sem_logit', of_seeds[:256], data['sem_logit_first_256'].float(), ROUNDED)
    logits = head(levels)[1]
    golden.relative('ssc_logit_sub', logits[:, :, ::4, ::4, ::2], data['ssc_logit_sub'], CLOSE)
    golden.close('argmax', (logits.argmax(1) != data['pred_argmax']).float().mean(), 0.0, 1e-3)
    at_seeds = data['target_1_2'][levels.seeds[0]]
    check_terms(golden, data, logits, (of_seeds, at_seeds), occupancy, levels.proposal_logits)
    check_norms(golden, dict(neck=neck, head=head), convert_sgn(scalars(data['grad_norms'])))


@family('sgn_param_counts_seed*.pt', group='camera')
def check_parameter_counts(golden: Golden) -> None:
    data = golden.load()
    grid, classes = CartesianGrid((128, 128, 16), 0.4, (0.0, -25.6, -2.0)), 19
    for name, channels, depth in (('S_and_T', 128, 3), ('L', 64, 1)):
        expected = {key.removeprefix(f'{name}.'): number for key, number in data.items() if key.startswith(f'{name}.')}
        with torch.device('meta'):
            neck = SGNNeck(grid.to_dict(), channels, depth=depth)
            head = SGNHead(classes, channels // 2, channels)
        # owned and never used: a linear layer c -> 2c in each context, two transposed convolutions of LMSCNet
        contexts = [2 * c * c + c for c in (channels, channels, 16)]
        finer = sum(n * n * s * s + n for n, s in ((32 // 8, 8), (32 // 4, 4)))
        golden.close(f'{name}/scale_selection', sum(contexts), expected['unused_scale_selection'], 0)
        golden.close(f'{name}/bottleneck', count([neck.bottleneck]), expected['bottleneck'], 0)
        golden.close(f'{name}/sgb', count([neck.semantics]) + sum(contexts[:2]), expected['sgb'], 0)
        golden.close(f'{name}/mlp_prior', count([neck.prior]), expected['mlp_prior'], 0)
        golden.close(f'{name}/sdb', count([neck.diffusion]), expected['sdb'], 0)
        golden.close(f'{name}/occ_header', count([head.occupancy]), expected['occ_header'], 0)
        golden.close(f'{name}/sem_header', count([head.seed_classifier]), expected['sem_header'], 0)
        golden.close(f'{name}/ssc_header', count([head.classifier]), expected['ssc_header'], 0)
        points = count([neck.geometry.occupancy]) + contexts[2]
        golden.close(f'{name}/voxelize', points, expected['pts_header.voxelize'], 0)
        golden.close(f'{name}/pts_header', count([neck.geometry]) + contexts[2] + finer, expected['pts_header'], 0)
        ours = count([neck, head]) + sum(contexts) + finer
        golden.close(f'{name}/head', ours, expected['head'], 0)
        images = expected['backbone'] + expected['fpn']
        golden.close(f'{name}/total', ours + images, expected['total'], 0)
