"""Frustum assignment, frustum proportion loss, relation matrix and loss (MonoScene's numbers)."""

from __future__ import annotations

import numpy as np
import torch

from projects.OneOcc.core.geometry.frustums import frustum_ids_from_pixels
from projects.OneOcc.oneocc.models.losses import (
    class_weights_from_counts,
    frustum_proportion,
    geometric_scal,
    proportion_kl,
    relation,
    relation_matrix,
    semantic_scal,
    voxel_cross_entropy,
)
from tests.goldens.frame import Golden, family, load

VARIANTS = ('full', 'ignore', 'absent2', 'all_empty', 'first_sample_ignored')


@family('frustum_relation_C*_seed*.npz')
def check_frustum_relation(golden: Golden) -> None:
    data = golden.load()
    base = load(golden.companion(str(data['logits_file'])))
    for tag in ('pano8', 'pano4'):
        _check_frustums(golden, data, base, tag)
    golden.relative(
        'kl/value',
        proportion_kl(torch.from_numpy(data['kl/p']), torch.from_numpy(data['kl/target'])),
        data['kl/value'],
        1e-10,
    )
    _check_total(golden, data, base)
    _check_relation(golden, data)


def _check_frustums(golden: Golden, data: dict, base: dict, tag: str) -> None:
    size = int(data[f'{tag}/size'])
    pixels = torch.from_numpy(data[f'{tag}/pix'].astype(np.int64))
    ids = frustum_ids_from_pixels(pixels, data[f'{tag}/img_WH'].tolist(), size, size)
    ids = torch.where(torch.from_numpy(data[f'{tag}/range']) > 0, ids, -1)
    for variant in VARIANTS:
        key = f'{tag}/{variant}'
        labels = torch.from_numpy(base[f'{variant}/labels'])
        grid_ids = ids.view(labels.shape[1:])
        shown = torch.where(labels != 255, grid_ids, -1)
        golden.close(f'{key}/frustum_idx', shown, data[f'{key}/frustum_idx'], 0)
        golden.close(
            f'{key}/class_dists',
            _class_counts(shown, labels, size * size, base['logits'].shape[1]),
            data[f'{key}/class_dists'],
            0,
        )
        for dtype, name, tolerance in ((torch.float32, 'fp_f32', 1e-6), (torch.float64, 'fp_logits64', 1e-7)):
            logits = torch.from_numpy(base['logits']).to(dtype).requires_grad_()
            loss = frustum_proportion(logits, labels, grid_ids, size * size)
            golden.relative(f'{key}/{name}', loss, data[f'{key}/{name}'], tolerance)
            (gradient,) = torch.autograd.grad(loss, logits)
            norm = float(data[f'{key}/gradnorm'])
            golden.relative(f'{key}/gradnorm', gradient.double().norm(), norm, 1e-5)
            sample = data[f'{key}/grad_sub']
            golden.close(f'{key}/grad_sub', gradient.flatten()[::389][: sample.size], sample, 1e-5, scale=norm)


def _class_counts(ids: torch.Tensor, labels: torch.Tensor, frustums: int, classes: int) -> torch.Tensor:
    """(B, K, C+1) label counts per sample and frustum, counted plainly."""
    counts = torch.zeros(len(labels), frustums, classes, dtype=torch.int64)
    for sample in range(len(labels)):
        inside = ids[sample] >= 0
        counts[sample].index_put_(
            (ids[sample][inside].long(), labels[sample][inside].long()), torch.tensor(1), accumulate=True
        )
    return counts


def _check_total(golden: Golden, data: dict, base: dict) -> None:
    """The whole training loss of the OneOcc baseline: all factors 1."""
    logits = torch.from_numpy(base['logits']).float()
    labels = torch.from_numpy(base['ignore/labels'])
    pixels = torch.from_numpy(data['pano8/pix'].astype(np.int64))
    ids = frustum_ids_from_pixels(pixels, data['pano8/img_WH'].tolist(), 8, 8)
    total = (
        voxel_cross_entropy(logits, labels, class_weights_from_counts(base['class_freq']))
        + semantic_scal(logits, labels)
        + geometric_scal(logits, labels)
        + frustum_proportion(logits, labels, ids.view(labels.shape[1:]), 64)
    )
    golden.relative('total/pano8/ignore/loss_f32', total, data['total/pano8/ignore/loss_f32'], 2e-6)


def _check_relation(golden: Golden, data: dict) -> None:
    matrix = relation_matrix(torch.from_numpy(data['relation/labels']))
    golden.close('relation/CP_matrix', matrix, data['relation/CP_matrix'], 0)
    golden.relative(
        'relation/loss_f32',
        relation(torch.from_numpy(data['relation/P_logits']), matrix),
        data['relation/loss_f32'],
        1e-6,
    )
