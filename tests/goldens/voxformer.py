"""VoxFormer block by block and end to end (numbers of the official code with random weights)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from projects.OneOcc.core.geometry import CartesianGrid, transform_points
from projects.OneOcc.core.geometry.ego_motion import cam_from_current_ego, past_frames
from projects.OneOcc.oneocc.baselines.official_weights.voxformer import (
    convert_encoder,
    convert_header,
    convert_query_proposals,
    convert_voxformer,
    rename_layer,
)
from projects.OneOcc.oneocc.baselines.voxformer.cross_attention import DeformableCrossAttention
from projects.OneOcc.oneocc.baselines.voxformer.cross_encoder import CrossEncoder
from projects.OneOcc.oneocc.baselines.voxformer.head import UpsampledClassifier, completion_losses
from projects.OneOcc.oneocc.baselines.voxformer.proposed_queries import ProposedQueries, chosen_voxels
from projects.OneOcc.oneocc.baselines.voxformer.query_proposals import (
    QueryProposalNetwork,
    pack_proposals,
    proposal_loss,
    unpack_proposals,
)
from projects.OneOcc.oneocc.baselines.voxformer.self_attention import DeformableSelfAttention
from projects.OneOcc.oneocc.baselines.voxformer.self_encoder import PlanePosition, SelfEncoder
from projects.OneOcc.oneocc.structures import Volumes
from tests.goldens.frame import Golden, family
from tests.goldens.lidar_networks import count, floats, scalars

CLOSE, ROUNDED, GRADIENT = 1e-5, 1e-3, 1e-3  # of the largest value; stored in half precision; norms
NORM_FLOOR = 1e-3  # of the largest norm: below it the summation order decides


def check_norms(golden: Golden, modules: dict[str, nn.Module], norms: dict[str, dict[str, Tensor]]) -> None:
    """Gradient norms of every parameter; `norms` by module under our names."""
    expected = {f'{part}.{name}': float(norm) for part, state in norms.items() for name, norm in state.items()}
    ours = {f'{part}.{name}': p.grad for part, module in modules.items() for name, p in module.named_parameters()}
    golden.holds('the same parameters have gradients', set(ours) == set(expected))
    golden.holds('no parameter is without a gradient', all(gradient is not None for gradient in ours.values()))
    floor = NORM_FLOOR * max(expected.values())
    for name in set(ours) & set(expected):
        norm = expected[name]
        golden.close(f'norm/{name}', ours[name].norm(), norm, GRADIENT, 'gradient norm', scale=max(norm, floor))


def renamed(norms: dict) -> dict[str, Tensor]:
    return {rename_layer(key): value for key, value in scalars(norms).items()}


def pinhole_references(points: Tensor, lidar2img: Tensor, image_size: list[int]) -> tuple[list[Tensor], list[Tensor]]:
    """Official projection: (1, N, 2) shares of the image and (1, N) strictly inside and in front, a view."""
    height, width = image_size
    references, seen = [], []
    for matrix in lidar2img:
        along = transform_points(matrix, points)
        depth = along[:, 2:]
        uv = along[:, :2] / depth.clamp(min=1e-5) / torch.tensor((width, height), dtype=points.dtype)
        inside = (depth[:, 0] > 1e-5) & ((uv > 0) & (uv < 1)).all(1)
        references.append(torch.where(inside[:, None], uv, torch.zeros_like(uv)).float()[None])
        seen.append(inside[None])
    return references, seen


def voxel_centres(cfg: dict) -> Tensor:
    """(N, 3) float64 centres in metres of a grid that fills a range."""
    low = cfg['pc_range'][:3]
    size = (cfg['pc_range'][3] - low[0]) / cfg['grid'][0]
    return CartesianGrid(tuple(cfg['grid']), size, tuple(low)).centers().reshape(-1, 3)


@family('voxformer_cross_attn_seed*.pt', group='camera')
def check_cross_attention(golden: Golden) -> None:
    data, cfg = golden.load(), golden.load()['cfg']
    attention = DeformableCrossAttention(cfg['embed'], cfg['num_heads'], cfg['num_points']).eval()
    golden.close('offset_bias', attention.sampling_offsets.bias, data['official_offset_bias_init'], 1e-6)
    attention.load_state_dict({rename_layer(k): v for k, v in floats(data['state_fp16']).items()})
    queries = data['query_fp16'].float().requires_grad_()
    features = data['feat_fp16'].float().requires_grad_()  # (V, h w, 1, C)
    maps = [view.permute(1, 2, 0).unflatten(2, cfg['feat_hw']) for view in features]
    references = [view[:, :, 0] for view in data['reference_points_cam_uv']]
    seen = [view[..., 0] for view in data['mask']]
    golden.close('n_views', torch.stack(seen).sum(0)[0], data['n_views_per_query'], 0)
    for view, (answer, mask) in enumerate(zip(attention.attend(queries, maps, references), seen)):
        expected = data['rebatched_attention'][view, : int(mask.sum())]
        golden.relative(f'{view}/rebatched_attention', answer[mask], expected, CLOSE)
    out = attention(queries, maps, references, seen)
    golden.relative('out', out, data['out'], CLOSE)
    out.square().mean().backward()
    golden.relative('grad_query', queries.grad, data['grad_query'], CLOSE)
    golden.relative('grad_feat', features.grad, data['grad_feat'], CLOSE)
    check_norms(golden, {'': attention}, {'': renamed(data['grad_norms'])})


@family('voxformer_cross_encoder_seed*.pt', group='camera')
def check_cross_encoder(golden: Golden) -> None:
    data, cfg = golden.load(), golden.load()['cfg']
    encoder = CrossEncoder(
        cfg['embed'], cfg['num_cams'], cfg['num_layers'], cfg['ffn_hidden'], cfg['num_heads'], cfg['num_points']
    ).eval()
    encoder.load_state_dict(convert_encoder(floats(data['state_fp16']), cross=True))
    unused_rows = 3 * cfg['embed']
    golden.close('n_params', count([encoder]) + unused_rows, data['n_params'], 0)
    chosen = chosen_voxels(data['proposal'][None] > 0)
    golden.close('unmasked_idx', chosen.index[0], data['unmasked_idx'], 0)
    points = voxel_centres(cfg)[chosen.index[0]]
    low, high = torch.tensor(cfg['pc_range'], dtype=points.dtype).split(3)
    golden.close('ref_3d', (points - low) / (high - low), data['ref_3d_of_proposals'], 1e-9)
    references, seen = pinhole_references(points, data['lidar2img'], cfg['img_shape_hw'])
    golden.close('mask', torch.stack(seen), data['mask'][..., 0], 0)
    for reference, mask, official in zip(references, seen, data['reference_points_cam_uv']):
        golden.close('reference_points', reference[mask], official[:, :, 0][mask], 1e-5)
    queries = data['queries_fp16'].float()[chosen.index]
    maps = list(data['feats_fp16'].float().transpose(0, 1))
    outputs: list[Tensor] = []
    for layer in encoder.layers:
        layer.register_forward_hook(lambda _, __, out: outputs.append(out))
    with torch.no_grad():
        out = encoder(queries, maps, references, seen)
    for index, expected in enumerate(data['layer_outs']):
        golden.relative(f'{index}/layer_outs', outputs[index], expected, CLOSE)
    golden.relative('out', out, data['out'], CLOSE)


@family('voxformer_self_encoder_seed*.pt', group='camera', carried=False)
def check_self_encoder(golden: Golden) -> None:
    data, cfg = golden.load(), golden.load()['cfg']
    rows, columns = cfg['plane_hw']
    options = dict(num_layers=cfg['num_layers'], hidden_channels=cfg['ffn_hidden'])
    encoder = SelfEncoder(cfg['embed'], (rows, columns, 1), plane=(rows, columns), **options).eval()
    first = encoder.layers[0].attention
    golden.close('offset_bias', first.sampling_offsets.bias, data['official_offset_bias_init'], 1e-6)
    state = convert_encoder(floats(data['state_fp16']), cross=False)
    encoder.layers.load_state_dict({key.removeprefix('layers.'): value for key, value in state.items()})
    embeddings = sum(data['state_fp16'][key].numel() for key in ('level_embeds', 'cams_embeds'))
    golden.close('n_params', count([encoder.layers]) + embeddings, data['n_params'], 0)
    cells = data['x_fp16'].float().requires_grad_()
    position = data['pos_fp16'].float().flatten(2).transpose(1, 2)
    attended: list[Tensor] = []
    first.register_forward_hook(lambda _, __, out: attended.append(out))
    out = cells[None]
    for layer in encoder.layers:
        out = layer(out, position)
    golden.relative('attn_layer0_out', attended[0], data['attn_layer0_out'], CLOSE)
    golden.relative('out', out, data['out'], CLOSE)
    out.square().mean().backward()
    golden.relative('grad_x', cells.grad[:, :8], data['grad_x_first_8ch'], CLOSE)
    norms = {key.removeprefix('layers.'): norm for key, norm in renamed(data['grad_norms']).items()}
    check_norms(golden, {'': encoder.layers}, {'': norms})


@family('voxformer_self3d_seed*.pt', group='camera')
def check_self_attention_3d(golden: Golden) -> None:
    data, cfg = golden.load(), golden.load()['cfg']
    attention = DeformableSelfAttention(cfg['embed'], cfg['grid'], cfg['num_heads'], cfg['num_points']).eval()
    golden.close('offset_bias', attention.sampling_offsets.bias, data['official_offset_bias_init'], 1e-6)
    attention.load_state_dict(floats(data['state_fp16']))
    z, y, x = attention.references.unbind(-1)
    golden.close('reference_points', torch.stack((y, x, z), -1), data['reference_points'][0, :, 0], 1e-6)
    with torch.no_grad():
        out = attention(data['x_fp16'].float(), data['pos_fp16'].float())
    golden.relative('out', out, data['out'], CLOSE)


@family('voxformer_qpn_seed*.pt', group='camera')
def check_query_proposals(golden: Golden) -> None:
    data = golden.load()
    network = QueryProposalNetwork(data['cfg']['Z_in']).eval()
    network.load_state_dict(convert_query_proposals(floats(data['state_fp16'])))
    unused = sum(data['state_fp16'][name].numel() for name in data['no_grad'])
    golden.close('n_params', count([network]) + unused, data['n_params'], 0)
    shape = data['occupancy_shape']
    bits = np.unpackbits(data['occupancy_packbits'].numpy())[: np.prod(shape)].reshape(shape)
    occupancy = torch.from_numpy(bits.astype(np.float32))[:, None]
    logits = network(Volumes(occupancy))[2]
    golden.relative('logits', logits, data['logits'], CLOSE)
    proposals = network.propose(occupancy)
    golden.close('pred', proposals, data['pred'], 0)
    golden.close('pred_packed', pack_proposals(proposals[0]), data['pred_sample0_packed'], 0)
    loss = proposal_loss(logits, data['target_1_2'])
    golden.relative('loss', loss, data['loss'], CLOSE)
    loss.backward()
    check_norms(golden, {'': network}, {'': convert_query_proposals(scalars(data['grad_norms']))})
    with torch.no_grad():
        golden.relative('train_logits', network.train()(Volumes(occupancy))[2], data['train_logits'], CLOSE)
    after = convert_query_proposals({**data['state_fp16'], **data['bn_after_one_train_step']})
    for key in (key for key in after if 'running' in key):
        golden.relative(f'{key}/batch norm', network.state_dict()[key], after[key], CLOSE)


@family('voxformer_header_losses_seed*.pt', group='camera')
def check_header_and_losses(golden: Golden) -> None:
    data, cfg = golden.load(), golden.load()['cfg']
    head = UpsampledClassifier(cfg['embed'], cfg['n_classes'])
    head.load_state_dict(convert_header(floats(data['state_fp16'])))
    voxels = data['x_fp16'].float().requires_grad_()
    logits = head(voxels)
    golden.relative('ssc_logit', logits, data['ssc_logit'], CLOSE)
    target = data['target'][None]
    terms = completion_losses(logits, target, data['class_weights'])
    for name, value in terms.items():
        golden.relative(name, value, data[name], CLOSE, 'loss')
    golden.relative('bce_alpha054', proposal_loss(logits, target), data['bce_alpha054'], CLOSE, 'loss')
    sum(terms.values()).backward()
    golden.relative('grad_x', voxels.grad, data['grad_x'], CLOSE)
    check_norms(golden, {'': head}, {'': convert_header(scalars(data['grad_norms']))})


@family('voxformer_head_seed*.pt', group='camera', carried=False)
def check_end_to_end(golden: Golden) -> None:
    data, cfg = golden.load(), golden.load()['cfg']
    grid, width = cfg['grid'], cfg['embed']
    modules = {
        'queries': ProposedQueries(int(np.prod(grid)), width),
        'cross': CrossEncoder(width, cfg['num_cams']),
        'self': SelfEncoder(width, grid, plane=cfg['plane_hw']),
        'head': UpsampledClassifier(width, cfg['n_classes']),
    }
    parts = convert_voxformer(floats(data['state_fp16']))
    for name, module in modules.items():
        module.load_state_dict(parts[name])
        module.eval()
    unused = (3 + 4 + cfg['num_cams']) * width
    golden.close('n_params', count(modules.values()) + unused, data['n_params'], 0)
    chosen = chosen_voxels(unpack_proposals(data['proposal_packed'].numpy(), grid).flatten()[None])
    references, seen = pinhole_references(voxel_centres(cfg)[chosen.index[0]], data['lidar2img'], cfg['img_shape_hw'])
    queries = modules['queries'].queries(chosen)
    answers = modules['cross'](queries, list(data['feats_fp16'].float().transpose(0, 1)), references, seen)
    golden.relative(*_stored('seed_feats', answers, data['seed_feats']))
    plane = modules['self'].position().transpose(1, 2)[0, [0, -1]].unflatten(1, cfg['plane_hw'])
    golden.relative('pos_plane', plane, data['pos_plane_channel0_and_last'].float(), 0)
    voxels = modules['self'](modules['queries'].fill(answers, chosen))
    golden.relative(*_stored('diffused', voxels[0, :512], data['diffused_first_512']))
    logits = modules['head'](voxels.transpose(1, 2).unflatten(2, grid))
    a, b, c = cfg['sub_stride_xyz']
    golden.relative('ssc_logit_sub', logits[:, :, ::a, ::b, ::c], data['ssc_logit_sub'], CLOSE)
    differing = (logits.argmax(1) != data['pred_argmax']).float().mean()
    golden.close('argmax', differing, 0.0, 1e-3)
    losses = completion_losses(logits, data['target'][None], data['class_weights_x10'])
    names = dict(ce='loss_ssc', sem_scal='loss_sem_scal', geo_scal='loss_geo_scal')
    for name, value in losses.items():
        golden.relative(name, value, data['losses'][names[name]], CLOSE, 'loss')
    total = sum(losses.values())
    golden.relative('total', total, data['total'], CLOSE, 'loss')
    total.backward()
    norms = convert_voxformer(scalars(data['grad_norms']))
    check_norms(golden, modules, norms)


def _stored(name: str, ours: Tensor, official: Tensor) -> tuple[str, Tensor, Tensor, float]:
    return name, ours, official.float(), ROUNDED if official.dtype == torch.float16 else CLOSE


@family('voxformer_temporal_proposals_seed*.pt', group='camera')
def check_temporal(golden: Golden) -> None:
    data = golden.load()
    frames = past_frames(data['frame'], data['offsets'], data['n_poses'])
    golden.close('image_index', frames, data['image_index'], 0)
    poses = data['poses_lidar_to_world'].numpy()
    cameras = [cam_from_current_ego(data['lidar2cam'].numpy(), poses[k], poses[data['frame']]) for k in frames]
    golden.close('lidar2cam_all', np.stack(cameras), data['lidar2cam_all'], 1e-9)
    projection = np.eye(4)
    projection[:3, :3] = data['P2'].numpy()[:, :3]  # the official code drops the fourth column
    golden.relative('lidar2img_all', projection @ np.stack(cameras), data['lidar2img_all'], 1e-9)
    shape = (128, 128, 16)
    proposals = unpack_proposals(data['proposal_packed'].numpy(), shape)
    golden.close('proposal_packed', pack_proposals(proposals), data['proposal_packed'], 0)
    chosen = chosen_voxels(proposals.flatten()[None])
    golden.close('n_proposals', len(chosen.index[0]), data['n_proposals'], 0)
    golden.close('first_64_indices', chosen.index[0, :64], data['first_64_indices'], 0)
    flat = data['checked_flat_ids']
    x, y, z = np.unravel_index(flat.numpy(), shape)
    golden.close('vox_coords', np.stack([x, y, z, flat.numpy()], 1), data['vox_coords_at'], 0)
    centres = CartesianGrid(shape, 1.0, (0.0, 0.0, 0.0)).centers().reshape(-1, 3)[flat]
    golden.close('ref_3d', centres / torch.tensor(shape, dtype=torch.float64), data['ref_3d_at'], 1e-9)


@family('voxformer_param_counts_seed*.pt', group='camera')
def check_parameter_counts(golden: Golden) -> None:
    data = golden.load()
    grid, width, classes = (128, 128, 16), 128, 20
    with torch.device('meta'):
        queries, head = ProposedQueries(int(np.prod(grid)), width), UpsampledClassifier(width, classes)
        # the references of the fold are not needed for counting
        self_layers = SelfEncoder(width, (2, 2, 1)).layers
        position = PlanePosition(512, 512, width)
        crosses = {'S': CrossEncoder(width, 1), 'T': CrossEncoder(width, 5)}
        networks = {height: QueryProposalNetwork(height) for height in (32, 8)}
    official = data if 'S.head' in data else data['counts']
    for name, cross in crosses.items():
        views = len(cross.view_embeddings)
        expected = {key.removeprefix(f'{name}.'): number for key, number in official.items() if key.startswith(name)}
        golden.close(f'{name}/bev_embed', queries.embedding.weight.numel(), expected['head.bev_embed'], 0)
        golden.close(f'{name}/mask_embed', queries.mask_token.numel(), expected['head.mask_embed'], 0)
        golden.close(f'{name}/position', count([position]), expected['head.positional_encoding'], 0)
        golden.close(f'{name}/cross', count([cross]) + 3 * width, expected['head.cross_transformer'], 0)
        golden.close(f'{name}/self', count([self_layers]) + (4 + views) * width, expected['head.self_transformer'], 0)
        golden.close(f'{name}/header', count([head]), expected['head.header'], 0)
        golden.close(f'{name}/cross_layer', count([cross.layers[0]]), expected['cross_layer'], 0)
        golden.close(f'{name}/self_layer', count([self_layers[0]]), expected['self_layer'], 0)
    for height, network in networks.items():
        finer = sum(n * n * s * s + n for n, s in ((height // 8, 8), (height // 4, 4)))  # deconvolutions without use
        golden.close(f'qpn_{height}', count([network]) + finer, official[f'qpn_Z{height}_C2'], 0)
