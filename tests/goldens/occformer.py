"""OccFormer, block by block: lift, dual-path encoder, pixel decoder, all in a row; its head: occformer_head.py."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from projects.OneOcc.oneocc.baselines.occformer.deformable_layer import VolumeDeformableAttention, reference_points
from projects.OneOcc.oneocc.baselines.occformer.depth_loss import BACKGROUND, depth_labels, depth_loss
from projects.OneOcc.oneocc.baselines.occformer.depth_net import DepthNet, lift_inputs
from projects.OneOcc.oneocc.baselines.occformer.dual_path import DualPathBlock, DualPathEncoder
from projects.OneOcc.oneocc.baselines.occformer.frustum import (
    camera_vector,
    depth_bins,
    pinhole_frustum,
    pinhole_points,
)
from projects.OneOcc.oneocc.baselines.occformer.lift_splat import lift_splat, voxel_ids
from projects.OneOcc.oneocc.baselines.occformer.pixel_decoder import PixelDecoder3D
from projects.OneOcc.oneocc.baselines.occformer.query_decoder import (
    QueryDecoder,
    occupancy_scores,
)
from projects.OneOcc.oneocc.baselines.occformer.sine_position import sine_position
from projects.OneOcc.oneocc.baselines.official_weights.occformer import convert_pixel_decoder, convert_query_decoder
from tests.goldens.frame import Golden, family
from tests.goldens.lidar_networks import count, floats

NORM_FLOOR = 1e-3  # of the largest norm: below it the summation order decides
HALF = 1e-3  # for what is stored in half precision


def check_norms(golden: Golden, module: nn.Module, norms: dict[str, float]) -> None:
    """Gradient norms under our names; the same parameters have some."""
    ours = {name: parameter.grad for name, parameter in module.named_parameters() if parameter.grad is not None}
    golden.holds(f'the same parameters have gradients, {sorted(set(ours) ^ set(norms))}', set(ours) == set(norms))
    floor = NORM_FLOOR * max(norms.values())
    for name in set(ours) & set(norms):
        golden.close(
            f'grad_norm/{name}', ours[name].norm(), norms[name], 1e-3, 'gradient norm', max(norms[name], floor)
        )


def flat_ids(index: Tensor, kept: Tensor, shape: list[int]) -> Tensor:
    """Stored voxel indices (..., 3) as flat ids, -1 where not kept."""
    x, y, z = index.long().unbind(-1)
    return torch.where(kept, (x * shape[1] + y) * shape[2] + z, -1)


@family('occformer_lss_seed*.pt', group='camera')
def check_lss(golden: Golden) -> None:
    record = golden.load()
    meta, grid = record['meta'], record['meta']['grid_config']
    shape = meta['nx']
    cameras = [record[key] for key in ('rots', 'trans', 'intrins_3x4', 'post_rots', 'post_trans', 'bda')]
    golden.close('mlp_input', camera_vector(*cameras), record['mlp_input'], 0)
    bins = depth_bins(grid['dbound'])
    golden.close('bins', bins, meta['bins'], 0)
    frustum = pinhole_frustum(bins, meta['input_HW'], tuple(record['frustum'].shape[1:3]))
    golden.close('frustum', frustum, record['frustum'], 0)
    golden.relative('geom', pinhole_points(record['frustum'], *cameras), record['geom'], 1e-5)

    bounds = [grid[f'{axis}bound'] for axis in 'xyz']
    ours = voxel_ids(record['geom'], [b[0] for b in bounds], [b[2] for b in bounds], shape)
    official = flat_ids(record['voxel_index_trunc'], record['kept'], shape)
    golden.close('voxel index where we keep the point', official[ours >= 0], ours[ours >= 0], 0, 'voxel index')
    extra = ((official >= 0) & (ours < 0)).sum()
    golden.close('points kept by truncation alone', extra, record['n_points_trunc_minus_floor'], 0, 'voxel index')

    lift = record['lift']
    logits = lift['depth_logits_fp16'].float().requires_grad_()
    context = lift['context_fp16'].float().requires_grad_()
    depth, split = lift_inputs(logits, context, meta['N'])
    golden.relative('depth_prob', depth.flatten(0, 1), lift['depth_prob'], 1e-5)
    volume = lift_splat(depth, split, official, shape)
    golden.relative('voxel_feat', volume, lift['voxel_feat'], 1e-5)
    (volume * lift['upstream_fp16'].float()).sum().backward()
    golden.relative('grad_depth_logits', logits.grad, lift['grad_depth_logits'], 1e-5)
    golden.relative('grad_context', context.grad, lift['grad_context'], 1e-5)
    check_depth_loss(golden, record)
    check_depth_net(golden, record, official)


def check_depth_loss(golden: Golden, record: dict) -> None:
    data, meta = record['depth_loss'], record['meta']
    depth = data['gt_depth_fp16'].float().flatten(0, 1)
    bins = torch.tensor(meta['bins'])
    labels = depth_labels(depth, bins, meta['downsample'], upstream_shift=True)
    one_hot = (labels.flatten()[:, None] == torch.arange(meta['D'])).float()
    golden.close('onehot_labels_bool', one_hot, data['onehot_labels_bool'], 0)
    golden.close('n_foreground', (labels != BACKGROUND).sum(), data['n_foreground'], 0)
    golden.relative('depth_loss', depth_loss(record['lift']['depth_prob'], labels), data['loss'], 1e-6)


def check_depth_net(golden: Golden, record: dict, ids: Tensor) -> None:
    data, meta = record['depthnet'], record['meta']
    x = data['x_fp16'].float()
    net = DepthNet(x.shape[2], x.shape[2], meta['C'], meta['D'], record['mlp_input'].shape[-1]).eval()
    net.load_state_dict(floats(data['state_fp16']))
    golden.close('n_params', count([net]), data['n_params'], 0)
    with torch.no_grad():
        logits, context = net(x.flatten(0, 1), record['mlp_input'].flatten(0, 1))
        depth, split = lift_inputs(logits, context, meta['N'])
        volume = lift_splat(depth, split, ids, meta['nx'])
    golden.relative('depthnet/depth_logits', logits, data['depth_logits'], 1e-5)
    golden.relative('depthnet/context', context, data['context'], 1e-5)
    golden.relative('depthnet/depth_prob', depth.flatten(0, 1), data['depth_prob'], 1e-5)
    golden.relative('depthnet/voxel_feat_sample0', volume[0], data['voxel_feat_sample0'], 1e-5)


@family('occformer_dualpath_*_seed*.pt', group='camera')
def check_dual_path(golden: Golden) -> None:
    record = golden.load()
    cfg = record['cfg']
    block = DualPathBlock(
        cfg['in_channels'],
        cfg['channels'],
        cfg['stride'],
        shift=cfg['layer_index'] % 2 == 1,
        num_groups=cfg['num_groups'],
        window_size=cfg['window_size'],
    ).eval()
    block.load_state_dict(floats(record['state_fp16']))
    golden.close('n_params', count([block]), record['n_params'], 0)
    x = record['x_fp16'].float().requires_grad_()
    with torch.no_grad():
        volume, bev = block.shared_attention(block.input_conv(x))
        found = {
            'act_swin_bev': bev,
            'act_aspp': block.aspp(bev),
            'act_coeff_sigmoid': block.combine_coeff(volume).sigmoid(),
        }
    activations = {key: value for key, value in record.items() if key.startswith('act_')}
    golden.holds('activations that we know', {key.removesuffix('_fp16') for key in activations} <= set(found))
    for key, stored in activations.items():
        tolerance = HALF if stored.dtype == torch.float16 else 1e-5
        golden.relative(key, found[key.removesuffix('_fp16')], stored, tolerance)
    out = block(x)
    golden.relative('out', out, record['out'], 1e-5)
    if 'grad_x' in record:  # the widest block is stored without gradients
        out.square().mean().backward()
        golden.relative('grad_x', x.grad[:, : record['grad_x'].shape[1]], record['grad_x'], 1e-5)
        check_norms(golden, block, record['grad_norms'])


@family('occformer_encoder_seed*.pt', group='camera', carried=False)
def check_encoder(golden: Golden) -> None:
    record = golden.load()
    cfg = record['cfg']
    encoder = DualPathEncoder(
        cfg['in_channels'], cfg['block_numbers'], cfg['block_inplanes'], cfg['block_strides'], cfg['num_groups']
    ).eval()
    encoder.load_state_dict(floats(record['state_fp16']))
    golden.close('n_params', count([encoder]), record['n_params'], 0)
    shifts = [block.bev_encoder.attn.shift_size for stage in encoder.layers for block in stage]
    golden.close('shift_per_block', shifts, cfg['shift_per_block'], 0)
    with torch.no_grad():
        outs = encoder(record['x_fp16'].float())
    golden.close('number of outputs', len(outs), len(record['outs']), 0)
    for index, (ours, expected) in enumerate(zip(outs, record['outs'])):
        golden.relative(f'{index}/outs', ours, expected, 1e-5)


@family('occformer_pixel_decoder_seed*.pt', group='camera')
def check_pixel_decoder(golden: Golden) -> None:
    record = golden.load()
    cfg = record['cfg']
    decoder = PixelDecoder3D(
        cfg['in_channels'],
        cfg['embed'],
        cfg['num_layers'],
        cfg['num_heads'],
        cfg['num_points'],
        cfg['ffn'],
        cfg['num_groups'],
    ).eval()
    fresh = VolumeDeformableAttention(cfg['embed'], cfg['num_heads'], cfg['num_levels'], cfg['num_points'])
    golden.close('offset_bias_init', fresh.sampling_offsets.bias, record['official_offset_bias_init'], 1e-6)
    decoder.load_state_dict(convert_pixel_decoder(floats(record['state_fp16'])))
    golden.close('n_params', count([decoder]), record['n_params'], 0)

    shape = record['sine_pos_shape0'].shape[2:]
    golden.relative('sine_pos', sine_position(shape, cfg['embed'])[None], record['sine_pos_shape0'], 1e-6)
    golden.relative('sine_pos_192', sine_position((8, 8, 1), 192)[None], record['sine_pos_64feats_8x8x1'], 1e-6)
    points = reference_points(cfg['shapes_fine_to_coarse'][:0:-1])
    stored = record['reference_points_zyx']
    golden.close('reference_points', points[None, :, None].expand_as(stored), stored, 1e-6)

    volumes = [volume.float() for volume in record['feats_fp16']]
    with torch.no_grad():
        tokens, position, points, shapes = decoder.tokens(volumes)
        golden.relative('enc_query', tokens.transpose(0, 1), record['enc_query'], 1e-5)
        golden.relative('enc_query_pos', position[:, None], record['enc_query_pos'], 1e-5)
        attended = decoder.layers[0].attention(tokens, position, points, shapes)
        golden.relative('enc_layer0_attn_out', attended.transpose(0, 1), record['enc_layer0_attn_out'], 1e-5)
        for layer in decoder.layers:
            tokens = layer(tokens, position, points, shapes)
        golden.relative('enc_memory', tokens.transpose(0, 1), record['enc_memory'], 1e-5)
    outs = decoder(volumes)
    golden.close('number of outputs', len(outs), len(record['outs_fine_to_coarse']), 0)
    for index, (ours, expected) in enumerate(zip(outs, record['outs_fine_to_coarse'])):
        golden.relative(f'{index}/outs', ours, expected, 1e-5)
    sum(out.square().mean() for out in outs).backward()
    check_norms(golden, decoder, convert_pixel_decoder(record['grad_norms']))


def check_labels(golden: Golden, scores: Tensor, expected: Tensor) -> None:
    differing = (scores.argmax(1) != expected).double().mean()
    golden.close('share of other labels', differing, 0.0, 1e-3)


@family('occformer_chain_seed*.pt', group='camera', carried=False)
def check_chain(golden: Golden) -> None:
    record = golden.load()
    cfg = record['cfg']
    widths = cfg['block_inplanes']
    encoder = DualPathEncoder(
        cfg['in_channels'], cfg['block_numbers'], widths, cfg['block_strides'], cfg['encoder_groups']
    ).eval()
    decoder = PixelDecoder3D(
        widths,
        cfg['embed'],
        cfg['pixel_decoder_layers'],
        cfg['pixel_decoder_heads'],
        num_groups=cfg['pixel_decoder_groups'],
    ).eval()
    head = QueryDecoder(
        cfg['embed'], cfg['num_classes'] + 1, cfg['num_queries'], cfg['decoder_layers'], cfg['decoder_heads']
    ).eval()
    state = floats(record['state_fp16'])

    def part(name: str) -> dict[str, Tensor]:
        return {key.removeprefix(name): value for key, value in state.items() if key.startswith(name)}

    encoder.load_state_dict(part('backbone.'))
    decoder.load_state_dict(convert_pixel_decoder(part('neck.')))
    head.load_state_dict(convert_query_decoder(part('head.')))
    golden.close('n_params', count([encoder, decoder, head]), record['n_params'], 0)
    x = record['x_fp16'].float().requires_grad_()
    classes, masks = head(decoder(encoder(x)))
    golden.relative('cls_last', classes[-1], record['cls_last'], 5e-5)
    scores = occupancy_scores(classes[-1], masks[-1], cfg['occ_size'])
    golden.relative('output_voxels', scores, record['output_voxels'], 5e-5)
    check_labels(golden, scores, record['output_argmax'])
    scores.square().mean().backward()
    golden.relative('grad_x_norm', x.grad.norm(), record['grad_x_norm'], 1e-3)


@family('occformer_param_counts_seed*.pt', group='camera')
def check_parameter_counts(golden: Golden) -> None:
    record = golden.load()
    with torch.device('meta'):
        encoder = DualPathEncoder()
        decoder = PixelDecoder3D((128, 256, 512, 1024))
        heads = {number: QueryDecoder(192, number + 1) for number in (20, 7, 11)}
        depth_net = DepthNet(640, 640, 128, record['D'], 33)
    golden.close('encoder', count([encoder]), record['encoder'], 0, 'n_params')
    for index, stage in enumerate(encoder.layers):
        golden.close(f'stage{index}', count([stage]), record[f'encoder.stage{index}'], 0, 'n_params')
        blocks = [count([block]) for block in stage]
        golden.close(f'blocks{index}', blocks, record[f'encoder.stage{index}.blocks'], 0, 'n_params')
    golden.close('pixel_decoder', count([decoder]), record['pixel_decoder'], 0, 'n_params')
    layer = record['pixel_decoder.encoder_layer']
    golden.close('encoder_layer', count([decoder.layers[0]]), layer, 0, 'n_params')
    for number, head in heads.items():
        golden.close(f'head_C{number}', count([head]), record[f'head_C{number}'], 0, 'n_params')
    layer = record['head.decoder_layer']
    golden.close('decoder_layer', count([heads[7].transformer_decoder.layers[0]]), layer, 0, 'n_params')
    golden.close('depth_net', count([depth_net]), record['depth_net'], 0, 'n_params')
