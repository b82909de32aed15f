"""Bi-WKV by the published formula and the Vision-RWKV block (OpenGVLab's code with that formula inside)."""

from __future__ import annotations

import torch

from projects.OneOcc.oneocc.baselines.occrwkv.bi_wkv import VisionRWKVBlock, bi_wkv, q_shift
from tests.goldens.frame import Golden, family


@family('biwkv_seed*.npz')
def check_bi_wkv(golden: Golden) -> None:
    data = golden.load()
    for length in sorted({key.split('/')[0] for key in data}):

        def tensor(name: str, length: str = length) -> torch.Tensor:
            return torch.from_numpy(data[f'{length}/{name}'].astype('float64'))

        tokens = int(length[1:])
        decay, first, key, value = (tensor(n).requires_grad_() for n in ('spatial_decay', 'spatial_first', 'k', 'v'))
        out = bi_wkv(decay, first, key, value)
        golden.relative(f'{length}/y float64', out, data[f'{length}/y_formula'], 1e-6)
        single = bi_wkv(*(x.detach().float() for x in (decay, first, key, value)))
        golden.relative(f'{length}/y float32', single, data[f'{length}/y_formula'], 1e-5)
        (out * tensor('gy')).sum().backward()
        # the file's gradients are with respect to w = decay / T and u = first / T
        golden.relative(f'{length}/gradient of w', decay.grad * tokens, data[f'{length}/formula_gw'], 1e-6)
        golden.relative(f'{length}/gradient of u', first.grad * tokens, data[f'{length}/formula_gu'], 1e-6)
        for name, parameter in (('k', key), ('v', value)):
            if f'{length}/formula_g{name}' in data:
                expected = data[f'{length}/formula_g{name}']
                golden.relative(f'{length}/gradient of {name}', parameter.grad, expected, 1e-6)
        # only reported: the official kernel departs from its own formula at chunk borders
        golden.relative(f'{length}/distance to kernel', out, data[f'{length}/y_kernel_f64'], 0.5)


@family('vrwkv_block_seed*.pt')
def check_block(golden: Golden) -> None:
    for name, record in golden.load().items():
        size = record['H'], record['W']
        x = record['x_fp16'].float()
        block = VisionRWKVBlock(x.shape[2])
        for key in ('decay', 'first'):
            default = getattr(block.att, f'spatial_{key}')
            golden.relative(f'{name}/default {key}', default, record[f'default_init_{key}'], 1e-6)
        golden.relative(f'{name}/default mix_k', block.att.spatial_mix_k, record['default_init_mix_k'], 1e-6)
        golden.relative(f'{name}/default mix_r', block.att.spatial_mix_r, record['default_init_mix_r'], 1e-6)
        block.load_state_dict({key: value.float() for key, value in record['state_fp16'].items()})
        golden.close(f'{name}/n_params', sum(p.numel() for p in block.parameters()), record['n_params'], 0)
        golden.close(f'{name}/q_shift', q_shift(x, size), record['q_shift'].float(), 0)
        with torch.no_grad():
            golden.relative(f'{name}/out', block(x, size), record['out_formula'], 1e-5)
