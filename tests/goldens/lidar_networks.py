"""LMSCNet, LMSCNet-SS, SSCNet and SSCNet-full with the official weights (LMSCNet's repository)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from projects.OneOcc.oneocc.baselines.lidar.lmscnet import LMSCNet
from projects.OneOcc.oneocc.baselines.lidar.sscnet import SSCNet, SSCNetHead, balance_mask, balanced_cross_entropy
from projects.OneOcc.oneocc.baselines.official_weights.lmscnet import convert_lmscnet, convert_sscnet
from projects.OneOcc.oneocc.models.layers.aspp3d import ASPPHead3D
from projects.OneOcc.oneocc.models.losses import voxel_cross_entropy
from projects.OneOcc.oneocc.structures import Volumes
from tests.goldens.frame import Golden, family, load

NORM_FLOOR = 1e-3  # of the largest norm: below it the summation order decides


def inputs_of(golden: Golden, record: dict) -> tuple[Tensor, dict[int, Tensor], Tensor]:
    """Occupancy (B, 1, X, Y, Z), labels by stride (B, X, Y, Z), class weights of the companion file."""
    data = load(golden.companion(record['inputs_file']))
    shape = tuple(data['occupancy_shape'])
    occupancy = np.unpackbits(data['occupancy_packbits'])[: np.prod(shape)].reshape(shape)
    occupancy = torch.from_numpy(occupancy.astype(np.float32)).permute(0, 1, 2, 4, 3)  # (X, Z, Y) there
    labels = {s: torch.from_numpy(data[f'labels_1_{s}'].astype(np.int64)).permute(0, 1, 3, 2) for s in (1, 2, 4, 8)}
    return occupancy, labels, torch.from_numpy(data['class_weights'])


def as_ours(logits: Tensor) -> Tensor:
    """(B, C, X, Z, Y) as stored -> (B, C, X, Y, Z)."""
    return logits.float().permute(0, 1, 2, 4, 3)


def floats(state: dict) -> dict:
    return {key: value.float() if value.is_floating_point() else value for key, value in state.items()}


def count(modules) -> int:
    return sum(p.numel() for module in modules for p in module.parameters())


def check_gradients(golden: Golden, modules: dict[str, nn.Module], norms: dict[str, float]) -> None:
    """Gradient norms by our parameter names; `norms` under the same names."""
    ours = {
        f'{part}.{name}': parameter.grad
        for part, module in modules.items()
        for name, parameter in module.named_parameters()
    }
    golden.holds(
        f'parameters without gradient: {[k for k, g in ours.items() if g is None]}',
        all(gradient is not None for gradient in ours.values()),
    )
    golden.holds('the same parameters have gradients', set(ours) == set(norms))
    floor = NORM_FLOOR * max(norms.values())
    for name, norm in norms.items():
        golden.close(f'grad_norm/{name}', ours[name].norm(), norm, 5e-3, 'gradient norm', scale=max(norm, floor))


def scalars(values: dict) -> dict[str, Tensor]:
    """Numbers as 0-d tensors, so that they pass through the renaming of a state dict."""
    return {key: torch.as_tensor(value, dtype=torch.float64) for key, value in values.items()}


@family('LMSCNet_C*.pt', 'LMSCNet_SS_C*.pt')
def check_lmscnet(golden: Golden) -> None:
    record = golden.load()
    occupancy, labels, weights = inputs_of(golden, record)
    parts = convert_lmscnet(floats(record['state_fp16']))
    neck = LMSCNet(record['grid_WHD'][1])
    neck.load_state_dict(parts['neck'])
    heads = {stride: ASPPHead3D(1, 8, record['n_classes']) for stride in parts['heads']}
    for stride, head in heads.items():
        head.load_state_dict(parts['heads'][stride])
    golden.close('n_params', count([neck, *heads.values()]), record['n_params'], 0)

    def run(train: bool) -> tuple[dict[int, Tensor], dict[int, Tensor]]:
        for module in (neck, *heads.values()):
            module.train(train)
        maps = neck(Volumes(occupancy))
        logits = {stride: head(maps[stride]) for stride, head in heads.items()}
        return logits, {s: voxel_cross_entropy(out, labels[s], weights) for s, out in logits.items()}

    with torch.no_grad():
        logits, losses = run(train=False)
    # one-scale outputs are stored in half precision
    tolerance = 1e-3 if record['eval_out']['1_1'].dtype == torch.float16 else 1e-5
    for stride, out in logits.items():
        golden.relative(f'eval_out/1_{stride}', out, as_ours(record['eval_out'][f'1_{stride}']), tolerance, 'logits')
    check_losses(golden, losses, record['eval_losses'], 'eval')

    logits, losses = run(train=True)
    check_losses(golden, losses, record['train_losses'], 'train')
    sum(losses.values()).div(len(losses)).backward()
    norms = convert_lmscnet(scalars(record['train_grad_norms']))
    expected = {f'neck.{key}': float(value) for key, value in norms['neck'].items()}
    expected |= {f'head{s}.{key}': float(v) for s, state in norms['heads'].items() for key, v in state.items()}
    check_gradients(golden, {'neck': neck, **{f'head{s}': head for s, head in heads.items()}}, expected)
    after = convert_lmscnet({**record['state_fp16'], **record['bn_after_one_train_step']})['heads']
    for stride, state in after.items():
        ours = heads[stride].state_dict()
        for key in (key for key in state if 'running' in key):
            golden.relative(f'batch_norm/{stride}/{key}', ours[key], state[key], 1e-5, 'batch norm statistics')


def check_losses(golden: Golden, losses: dict[int, Tensor], expected: dict, mode: str) -> None:
    for stride, loss in losses.items():
        golden.relative(f'{mode}_loss/1_{stride}', loss, expected[f'semantic_1_{stride}'], 1e-5, 'loss')
    golden.relative(f'{mode}_loss/total', sum(losses.values()) / len(losses), expected['total'], 1e-5, 'loss')


@family('SSCNet_C*.pt', 'SSCNet_full_C*.pt')
def check_sscnet(golden: Golden) -> None:
    record = golden.load()
    occupancy, labels, _ = inputs_of(golden, record)
    full = record['name'] == 'SSCNet_full'
    state = floats(record['state_fp16'])
    if full:
        trunk = floats(load(golden.companion(record['trunk_state_in']))['state_fp16'])
        state |= {key: value for key, value in trunk.items() if 'classes' not in key}
    parts = convert_sscnet(state)
    neck, head = SSCNet(), SSCNetHead(record['n_classes'] - 1, full=full)
    neck.load_state_dict(parts['neck'])
    head.load_state_dict(parts['head'])
    golden.close('n_params', count([neck, head]), record['n_params'], 0)

    logits = head(neck(Volumes(occupancy)))[1]
    if full:
        golden.relative('eval_out/1_1', logits, as_ours(record['eval_out']['1_1']), 1e-5, 'logits')
    else:
        coarse = as_ours(record['eval_out_coarse_1_4'])
        golden.relative('eval_out/1_4', logits[..., ::4, ::4, ::4], coarse, 1e-5, 'logits')
        repeated = coarse.repeat_interleave(4, 2).repeat_interleave(4, 3).repeat_interleave(4, 4)
        golden.relative('eval_out/1_1', logits, repeated, 1e-5, 'logits')

    shape = tuple(record['balance_mask_shape'])
    mask = np.unpackbits(record['balance_mask'].numpy())[: np.prod(shape)].reshape(shape).astype(bool)
    mask = torch.from_numpy(mask).permute(0, 1, 3, 2)
    golden.close('n_mask', mask.sum(), record['n_mask'], 0)
    occupied = (labels[1] != 0) & (labels[1] != 255)
    golden.holds(
        'our mask holds every occupied voxel and no unknown one, like the official one',
        bool((mask & occupied).sum() == occupied.sum() and not (mask & (labels[1] == 255)).any()),
    )
    drawn = balance_mask(labels[1])
    golden.close('drawn mask size', drawn.sum(), record['n_mask'], 0.05, scale=record['n_mask'])
    legacy = balanced_cross_entropy(logits, labels[1], mask, legacy_norm=True)
    golden.relative('official_loss', legacy, record['official_loss'], 1e-5, 'loss')
    mean = balanced_cross_entropy(logits, labels[1], mask)
    golden.relative('mean_over_mask', mean, record['mean_over_mask'], 1e-5, 'loss')

    legacy.backward()
    expected = {
        f'{part}.{key}': float(value)
        for part, state in convert_sscnet(scalars(record['grad_norms'])).items()
        for key, value in state.items()
    }
    check_gradients(golden, {'neck': neck, 'head': head}, expected)
