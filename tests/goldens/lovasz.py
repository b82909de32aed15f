"""Lovasz-softmax (SSC-RS's numbers)."""

from __future__ import annotations

import torch

from projects.OneOcc.oneocc.models.losses import lovasz_softmax
from tests.goldens.frame import Golden, family, load


@family('lovasz_C*_seed*.npz')
def check_lovasz(golden: Golden) -> None:
    data = golden.load()
    base = load(golden.companion(str(data['logits_file'])))
    for variant in base['variants'].tolist():
        labels = torch.from_numpy(base[f'{variant}/labels'])
        logits = torch.from_numpy(base['logits']).float().requires_grad_()
        loss = lovasz_softmax(logits, labels)
        golden.holds(f'{variant}: not a scalar but {tuple(loss.shape)}', loss.dim() == 0)
        (gradient,) = torch.autograd.grad(loss, logits)
        if str(data[f'{variant}/status']) != 'ok':
            golden.holds(
                f'{variant}: not 0 where the official loss has no scalar',
                float(loss.detach()) == 0 and bool((gradient == 0).all()),
            )
            continue
        golden.relative(f'{variant}/lovasz_f32', loss, data[f'{variant}/lovasz_f32'], 2e-5)
        # float32 cumulative sums over 65k sorted values, and a norm summed in float32 over 460k entries
        norm = float(data[f'{variant}/gradnorm_f32'])
        golden.relative(f'{variant}/gradnorm_f32', gradient.double().norm(), norm, 5e-4)
        sample = data[f'{variant}/grad_sub']
        if sample.size:
            golden.close(f'{variant}/grad_sub', gradient.flatten()[::389], sample, 1e-4, scale=norm)
