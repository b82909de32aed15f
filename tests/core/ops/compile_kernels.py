"""Compiles every Triton kernel of the operators for compute capability 9.0, without a GPU."""

from __future__ import annotations

import inspect

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from projects.OneOcc.core.ops import triton_kernels

SCALES = 4
POINTERS = {'coords', 'masks', 'pixels', 'shifts', 'weight', 'bias', 'prior', 'log_sums', 'grad_coords', 'grad_masks'}
POINTERS |= {'grad_scores', 'grad_weight'}
CONSTANTS = dict(SCALES=SCALES, SUMMED=True, WRAP=True, BLOCK_N=64, BLOCK_C=64)


def types_of(kernel: triton.JITFunction) -> tuple[dict, dict]:
    """Types of the arguments and values of the constants, for maps in half precision."""
    types, constants = {}, {}
    for name in inspect.signature(kernel.fn).parameters:
        if name == 'EXACT':
            constants[name], types[name] = triton.language.float32, 'constexpr'
        elif name in CONSTANTS:
            constants[name], types[name] = CONSTANTS[name], 'constexpr'
        elif name in POINTERS:
            types[name] = '*fp32'
        else:
            types[name] = {
                'maps': ('*fp16',) * SCALES,
                'grad_maps': ('*fp32',) * SCALES,
                'strides': (('i64',) * 4,) * SCALES,
                'sizes': (('i32',) * 2,) * SCALES,
                'valid': '*u8',
                'out': '*fp16',
                'grad': '*fp16',
            }.get(name, 'i32')
    return types, constants


def compile_all() -> dict[str, str]:
    """{kernel: its PTX}."""
    found = {}
    for name in ('sample_forward', 'sample_backward', 'scored_forward', 'scored_backward'):
        kernel = getattr(triton_kernels, name)
        types, constants = types_of(kernel)
        source = ASTSource(fn=kernel, signature=types, constexprs=constants)
        found[name] = triton.compile(source, target=GPUTarget('cuda', 90, 32)).asm['ptx']
    return found
