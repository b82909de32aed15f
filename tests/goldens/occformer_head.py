"""OccFormer's mask decoder, its pairing and its losses."""

from __future__ import annotations

import torch
from torch import Tensor

from projects.OneOcc.oneocc.baselines.occformer.mask_losses import class_loss, mask_losses, query_class_weights
from projects.OneOcc.oneocc.baselines.occformer.mask_matching import assign, matching_costs
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
from projects.OneOcc.oneocc.baselines.official_weights.occformer import convert_query_decoder
from tests.goldens.frame import Golden, family, load
from tests.goldens.lidar_networks import count, floats
from tests.goldens.occformer import HALF, check_labels, check_norms


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


def check_decoder_output(
    golden: Golden,
    index: int,
    stored: dict,
    classes: list[Tensor],
    masks: list[Tensor],
    labels: Tensor,
    targets: list[Tensor],
    weights: Tensor,
    cfg: dict,
) -> Tensor:
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
