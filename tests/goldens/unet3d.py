"""MonoScene's 3D network as a whole, and block by block."""

from __future__ import annotations

import torch
from torch import nn

from projects.OneOcc.oneocc.baselines.monoscene.context_relation import ContextRelationPrior
from projects.OneOcc.oneocc.baselines.official_weights.monoscene import convert_state_dict
from projects.OneOcc.oneocc.models.layers.aspp3d import ASPP3D, ASPPHead3D
from projects.OneOcc.oneocc.models.necks.unet3d import DDRBottleneck, Downsample3D, Process3D, UNet3D, Upsample3D
from projects.OneOcc.oneocc.structures import Levels, Volumes
from tests.goldens.frame import Golden, family

BLOCKS = {
    'Bottleneck3D_dil2': lambda shape: DDRBottleneck(16, 4, 16, dilation=2),
    'Process16_d123': lambda shape: Process3D(16, (1, 2, 3)),
    'Downsample16': lambda shape: Downsample3D(16),
    'Upsample32_16': lambda shape: Upsample3D(32, 16),
    'ASPP16': lambda shape: ASPP3D(16, (1, 2, 3)),
    'SegHead8_8_7': lambda shape: ASPPHead3D(8, 8, 7),
    'CPMegaVoxels16_8x8x2': lambda shape: ContextRelationPrior(16, shape),
    'CPMegaVoxels16_7x6x4': lambda shape: ContextRelationPrior(16, shape),
}


class WholeUNet3D(nn.Module):
    """The official UNet3D: neck and head in one."""

    def __init__(self, data: dict) -> None:
        super().__init__()
        width, scale = data['feature'], data['project_scale']
        prior = None
        if data['context_prior']:
            coarsest = [size // scale // 4 for size in data['full_scene_size']]
            prior = dict(type='ContextRelationPrior', shape=coarsest)
        self.neck = UNet3D(width, scale, context_prior=prior)
        self.head = ASPPHead3D(width // 2, width // 2, data['n_classes'])

    def forward(self, volume: torch.Tensor) -> tuple[torch.Tensor, Levels]:
        levels = self.neck(Volumes(volume))
        return self.head(levels[1]), levels


def load_official(module: nn.Module, state: dict, prefix: str = '') -> int:
    """Load official fp16 weights, all of them; returns how many parameters were dropped."""
    renamed, dropped = convert_state_dict(state)
    own = {
        key if key.startswith('head.') else prefix + key: value.float() if value.is_floating_point() else value
        for key, value in renamed.items()
    }
    module.load_state_dict(own, strict=True)
    parameters = [key for key in dropped if key.endswith(('weight', 'bias'))]
    return sum(state[key].numel() for key in parameters)


@family('unet3d_noCP_seed*.pt', 'unet3d_CP_seed*.pt')
def check_unet3d(golden: Golden) -> None:
    data = golden.load()
    net = WholeUNet3D(data)
    dropped = load_official(net, data['state_fp16'], prefix='neck.')
    golden.holds(
        'n_params, the unused ones included', sum(p.numel() for p in net.parameters()) + dropped == data['n_params']
    )
    golden.holds(
        'the dropped parameters are the official ones without gradient',
        set(data['train_no_grad']) <= set(convert_state_dict(data['state_fp16'])[1]),
    )
    volume = data['x3d_fp16'].float()
    net.eval()
    with torch.no_grad():
        logits, levels = net(volume)
        down_1 = net.neck.down_1(net.neck.process_1(volume))
        down_2 = net.neck.down_2(net.neck.process_2(down_1))
    golden.relative('ssc_logit', logits, data['ssc_logit'], 1e-5)
    golden.relative('act_process_l1', down_1, data['act_process_l1_fp16'], 1e-3)
    golden.relative('act_process_l2', down_2, data['act_process_l2'], 1e-5)
    if data['context_prior']:
        golden.relative('P_logits', levels.relation_logits, data['P_logits'], 1e-5)
        coarse = levels[4 * data['project_scale']]
        golden.relative('act_CP_mega_voxels', coarse, data['act_CP_mega_voxels'], 1e-5)
    check_training_step(golden, net, data)


def check_training_step(golden: Golden, net: WholeUNet3D, data: dict) -> None:
    """Loss and the gradient norm of every parameter in training mode."""
    net.train()
    loss = net(data['x3d_fp16'].float())[0].square().mean()
    loss.backward()
    golden.relative('train_mean_square_logit', loss, data['train_mean_square_logit'], 1e-5)
    norms = {key: torch.tensor([value]) for key, value in data['train_grad_norms'].items()}
    expected, _ = convert_state_dict(norms)
    largest = max(float(value) for value in expected.values())
    for name, parameter in net.named_parameters():
        golden.holds(f'{name} has no gradient', parameter.grad is not None)
        value = float(expected[name.removeprefix('neck.')])
        # biases before a batch norm have gradients of pure rounding
        golden.close(
            f'grad_norm/{name}',
            float(parameter.grad.norm()),
            value,
            1e-3,
            kind='grad_norm',
            scale=max(value, 1e-4 * largest),
        )


@family('monoscene_blocks_seed*.pt')
def check_blocks(golden: Golden) -> None:
    for name, block in golden.load().items():
        if not isinstance(block, dict):
            continue
        volume = block['x_fp16'].float()
        module = BLOCKS[name](volume.shape[2:])
        dropped = load_official(module, block['state_fp16'])
        golden.holds(f'{name}: n_params', sum(p.numel() for p in module.parameters()) + dropped == block['n_params'])
        with torch.no_grad():
            result = module.eval()(volume)
        if isinstance(block['out'], dict):
            golden.relative(f'{name}/x', result[0], block['out']['x'], 1e-5)
            golden.relative(f'{name}/P_logits', result[1], block['out']['P_logits'], 1e-5)
        else:
            golden.relative(f'{name}/out', result, block['out'], 1e-5)
