"""Metrics and voxel losses (MonoScene's and LMSCNet's own numbers), with gradients."""

from __future__ import annotations

import numpy as np
import torch

from projects.OneOcc.oneocc.evaluation.ssc_counts import confusion_matrix, scores
from projects.OneOcc.oneocc.models.losses import (
    class_weights_from_counts,
    geometric_scal,
    semantic_scal,
    voxel_cross_entropy,
)
from tests.goldens.frame import Golden, family

LMSCNET_EPSILON = 1e-15
RATIO = 1e-12


@family('metrics_losses_C*_seed*.npz')
def check_metrics_losses(golden: Golden) -> None:
    data = golden.load()
    pred = data['pred']
    argmax = torch.from_numpy(data['logits']).float().argmax(dim=1).numpy()
    golden.close('pred', argmax, pred, 0)
    weights = class_weights_from_counts(data['class_freq'].tolist())
    golden.relative('class_weights', weights, data['class_weights'], RATIO)
    confusions = {}
    for variant in data['variants'].tolist():
        confusions[variant] = _check_counts(golden, data, variant, pred)
        _check_losses(golden, data, variant, weights)
    pooled = sum(confusions[variant] for variant in data['accum/variants'].tolist())
    _check_monoscene_scores(golden, data, 'accum', scores(pooled))
    _check_masked(golden, data, pred)


def _check_counts(golden: Golden, data: dict, variant: str, pred: np.ndarray) -> np.ndarray:
    """Counts and scores of one label variant in both conventions; returns the confusion."""
    num_classes = data['logits'].shape[1] - 1
    confusion = confusion_matrix(pred, data[f'{variant}/labels'], num_classes)
    counts = confusion.astype(np.int64)
    golden.close(f'{variant}/lm_conf_pred_by_gt', counts.T, data[f'{variant}/lm_conf_pred_by_gt'], 0)
    completion = [counts[1:, 1:].sum(), counts[0, 1:].sum(), counts[1:, 0].sum()]
    golden.close(f'{variant}/ms_comp_tp_fp_fn', completion, data[f'{variant}/ms_comp_tp_fp_fn'], 0)
    hits = counts.diagonal()
    per_class = [hits, counts.sum(axis=0) - hits, counts.sum(axis=1) - hits]
    golden.close(f'{variant}/ms_tps_fps_fns', np.stack(per_class), data[f'{variant}/ms_tps_fps_fns'], 0)

    _check_monoscene_scores(golden, data, variant, scores(confusion))
    ours = scores(confusion, epsilon=LMSCNET_EPSILON)
    golden.close(f'{variant}/lm_iou_class', ours['class_iou'], data[f'{variant}/lm_iou_class'], RATIO)
    golden.close(f'{variant}/lm_miou', ours['miou'], data[f'{variant}/lm_miou'], RATIO)
    golden.close(
        f'{variant}/lm_prec_rec_iou',
        [ours['precision'], ours['recall'], ours['iou']],
        data[f'{variant}/lm_prec_rec_iou_f1'][:3],
        RATIO,
    )
    return confusion


def _check_monoscene_scores(golden: Golden, data: dict, prefix: str, ours: dict) -> None:
    golden.close(
        f'{prefix}/ms_prec_rec_iou',
        [ours['precision'], ours['recall'], ours['iou']],
        data[f'{prefix}/ms_prec_rec_iou'],
        RATIO,
    )
    golden.close(f'{prefix}/ms_iou_ssc', ours['class_iou'], data[f'{prefix}/ms_iou_ssc'], RATIO)
    golden.close(f'{prefix}/ms_miou', ours['miou'], data[f'{prefix}/ms_miou'], RATIO)


def _check_masked(golden: Golden, data: dict, pred: np.ndarray) -> None:
    """`nonempty` restricts everything, `nonsurface` the completion only."""
    labels, num_classes = data['ignore/labels'], data['logits'].shape[1] - 1
    masks = [
        np.unpackbits(data[f'masked/{name}'])[: labels.size].reshape(labels.shape).astype(bool)
        for name in ('nonempty', 'nonsurface')
    ]
    confusion = confusion_matrix(pred, labels, num_classes, masks[0])
    completion = confusion_matrix(pred, labels, num_classes, masks[0] & masks[1])
    _check_monoscene_scores(golden, data, 'masked', scores(confusion, completion))


def _check_losses(golden: Golden, data: dict, variant: str, weights: torch.Tensor) -> None:
    """Values and gradients where the official loss is defined; finite where it is not."""
    labels = torch.from_numpy(data[f'{variant}/labels'])
    losses = dict(
        ce_weighted=lambda x: voxel_cross_entropy(x, labels, weights),
        ce_plain=lambda x: voxel_cross_entropy(x, labels),
        sem_scal=lambda x: semantic_scal(x, labels),
        geo_scal=lambda x: geometric_scal(x, labels),
    )
    for name, loss in losses.items():
        key = f'{variant}/{name}'
        for suffix, dtype, tolerance in (('f32', torch.float32, 2e-6), ('f64', torch.float64, 1e-10)):
            logits = torch.from_numpy(data['logits']).to(dtype).requires_grad_()
            value = loss(logits)
            golden.holds(f'{key}: dtype {value.dtype}, expected {dtype}', value.dtype == dtype)
            (gradient,) = torch.autograd.grad(value, logits)
            if str(data[f'{key}_status']) != 'ok':
                golden.holds(
                    f'{key}: not finite where the official loss fails',
                    bool(value.isfinite()) and bool(gradient.isfinite().all()),
                )
                continue
            golden.relative(f'{key}_{suffix}', value, data[f'{key}_{suffix}'], tolerance)
            _check_gradient(golden, data, key, gradient)


def _check_gradient(golden: Golden, data: dict, key: str, gradient: torch.Tensor) -> None:
    norm = float(data[f'{key}_gradnorm_f64'])
    precise = gradient.dtype == torch.float64
    golden.relative(
        f'{key}_gradnorm_f64',
        gradient.double().norm(),
        norm,
        1e-10 if precise else 1e-5,
        kind=None if precise else f'{key.rsplit("/", 1)[-1]}_gradnorm_f32',
    )
    sample = data[f'{key}_grad_sub_f32']
    if sample.size:
        ours = gradient.flatten()[:: int(data['grad_stride'])]
        golden.close(f'{key}_grad_sub_f32', ours, sample, 1e-5, scale=norm)
