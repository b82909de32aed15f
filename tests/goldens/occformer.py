"""OccFormer, block by block: lift, dual-path encoder, pixel decoder, mask decoder, matching and losses."""

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
from projects.OneOcc.oneocc.baselines.occformer.mask_losses import class_loss, mask_losses, query_class_weights
from projects.OneOcc.oneocc.baselines.occformer.mask_matching import assign, matching_costs
from projects.OneOcc.oneocc.baselines.occformer.pixel_decoder import PixelDecoder3D
from projects.OneOcc.oneocc.baselines.occformer.point_sampling import (
    draw_points,
    mask_at_points,
    sampling_weights,
    uncertain_points,
    voxel_weights,
)
from projects.OneOcc.oneocc.baselines.occformer.query_decoder import (
    QueryDecoder,
    occupancy_scores,
    preserve_pooling,
)
from projects.OneOcc.oneocc.baselines.occformer.sine_position import sine_position
from projects.OneOcc.oneocc.baselines.official_weights.occformer import convert_pixel_decoder, convert_query_decoder
from tests.goldens.frame import Golden, family, load
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


def head_of(record: dict) -> QueryDecoder:
    cfg = record['cfg']
    head = QueryDecoder(
        cfg['embed'],
        cfg['num_classes'] + 1,
        cfg['num_queries'],
        cfg['num_layers'],
        cfg['num_heads'],
        ffn_channels=cfg['ffn'],
    ).eval()
    head.load_state_dict(convert_query_decoder(floats(record['state_fp16'])))
    return head


@family('occformer_head_seed*.pt', group='camera')
def check_head(golden: Golden) -> None:
    record = golden.load()
    head = head_of(record)
    golden.close('n_params', count([head]), record['n_params'], 0)
    volumes = [volume.float() for volume in record['voxel_feats_fp16']]
    with torch.no_grad():
        classes, masks = head(volumes)
    golden.close('number of predictions', len(classes), len(record['cls_pred']), 0)
    levels = volumes[:0:-1]
    for index, (found, expected) in enumerate(zip(classes, record['cls_pred'])):
        golden.relative(f'{index}/cls_pred', found, expected, 1e-5)
        stored = record['mask_pred'][index]
        half = stored.dtype == torch.float16
        golden.relative(f'{index}/mask_pred{"_fp16" if half else ""}', masks[index], stored, HALF if half else 1e-5)
        blocked = preserve_pooling(masks[index], levels[index % len(levels)].shape[2:])
        golden.close(f'{index}/attn_mask', blocked, record['attn_mask_before_opening'][index], 0)
        rows = blocked.all(-1).sum()
        golden.close(f'{index}/fully_blocked_rows', rows, record['n_fully_blocked_rows'][index], 0)
    scores = occupancy_scores(classes[-1], masks[-1], record['cfg']['occ_size'])
    golden.relative('output_voxels', scores[0], record['output_voxels_sample0'], 1e-5)
    check_labels(golden, scores, record['output_argmax'])


def check_labels(golden: Golden, scores: Tensor, expected: Tensor) -> None:
    differing = (scores.argmax(1) != expected).double().mean()
    golden.close('share of other labels', differing, 0.0, 1e-3)


@family('occformer_head_loss_seed*.pt', group='camera')
def check_head_loss(golden: Golden) -> None:
    record = golden.load()
    head_record = load(golden.companion(record['head_file']))
    cfg = record['cfg']
    head = head_of(head_record)
    volumes = [volume.float() for volume in head_record['voxel_feats_fp16']]
    volumes[0].requires_grad_()
    classes, masks = head(volumes)

    weights = query_class_weights(record['class_freq'].tolist())
    golden.relative('class_weights', weights, record['class_weight_for_ce'], 1e-6)
    sampling = sampling_weights(record['class_freq'], cfg['gamma'])
    golden.relative('sample_weights', sampling, record['sample_weights'], 1e-6)
    labels = record['gt_occ']
    targets = [sample[sample != 255].unique().long() for sample in labels]
    for b, target in enumerate(targets):
        golden.close(f'{b}/gt_labels', target, record['gt_labels'][b], 0)
        sizes = [(labels[b] == label).sum() for label in target]
        golden.close(f'{b}/gt_mask_sizes', sizes, record['gt_mask_sizes'][b], 0)

    total = torch.zeros(())
    for index, stored in enumerate(record['decoder_outputs']):
        total = total + check_decoder_output(golden, index, stored, classes, masks, labels, targets, weights, cfg)
    golden.relative('total_loss', total, record['total_loss'], 1e-5)
    total.backward()
    check_norms(golden, head, convert_query_decoder(record['grad_norms']))
    norm = record['grad_mask_feature_norm']
    golden.relative('grad_mask_feature_norm', volumes[0].grad.norm(), norm, 1e-3)
    check_sampler(golden, labels[0], sampling, record)


def check_decoder_output(golden, index, stored, classes, masks, labels, targets, weights, cfg) -> Tensor:
    """Costs, pairing and the three losses of one prediction; returns their sum."""
    shape = labels.shape[1:]
    no_object = len(weights) - 1
    query_targets = torch.full(classes[index].shape[:2], no_object)
    paired_logits, paired_masks, paired_weights, first = [], [], [], 0
    for b, match in enumerate(stored['match']):
        points = match['point_indices'].long()
        at_points = mask_at_points(masks[index][b], points, shape)
        if 'mask_logits_at_points' in match:
            golden.relative(f'{index}/mask_logits_at_points', at_points, match['mask_logits_at_points'], 1e-5)
        truth = labels[b].flatten() == targets[b][:, None]
        costs = matching_costs(classes[index][b], at_points, targets[b], truth[:, points], cfg['cost_weights'])
        for name, cost in zip(('cls', 'mask', 'dice', 'total'), (*costs, sum(costs))):
            golden.relative(f'{index}/{b}/cost_{name}', cost, match[name], 1e-5)
        queries, paired = assign(sum(costs))
        assigned = torch.zeros(len(at_points), dtype=torch.long)
        assigned[queries] = paired + 1
        golden.close(f'{index}/{b}/assigned', assigned, match['assigned_gt_1based'], 0)
        query_targets[b, queries] = targets[b][paired]

        rows = slice(first, first + len(queries))
        first += len(queries)
        ids = stored['loss_point_indices'][rows].long()
        own = masks[index][b, queries]
        paired_logits.append(mask_at_points(own, ids, shape))
        paired_masks.append(truth[paired].gather(1, ids))
        paired_weights.append(weights[targets[b][paired]])
        candidates = stored['oversampled_candidate_indices']
        if candidates is not None:
            number = int(cfg['importance_sample_ratio'] * cfg['num_points'])
            pool = candidates[rows].long()
            chosen = uncertain_points(mask_at_points(own, pool, shape).detach(), pool, number)
            golden.close(f'{index}/{b}/uncertain', chosen.sort().values, ids[:, :number].sort().values, 0)
    values = [class_loss(classes[index], query_targets, weights)]
    values += mask_losses(torch.cat(paired_logits), torch.cat(paired_masks), torch.cat(paired_weights))
    losses = [factor * value for factor, value in zip(cfg['loss_weights'], values)]
    for name, value in zip(('loss_cls', 'loss_mask', 'loss_dice'), losses):
        golden.relative(f'{index}/{name}', value, stored[name], 1e-5)
    return sum(losses)


def check_sampler(golden: Golden, labels: Tensor, sampling: Tensor, record: dict) -> None:
    """Shares of the classes among drawn points, against those of the official sampler."""
    weights = voxel_weights(labels, sampling).flatten()
    generator = torch.Generator().manual_seed(0)
    drawn = torch.cat([draw_points(weights, record['cfg']['num_points'], generator) for _ in range(400)])
    shares = torch.bincount(labels.flatten()[drawn].long(), minlength=len(sampling)) / len(drawn)
    expected = record['mean_class_share_of_matching_points_sample0_400_draws']
    golden.close('class shares of drawn points', shares, expected, 0.01)


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
