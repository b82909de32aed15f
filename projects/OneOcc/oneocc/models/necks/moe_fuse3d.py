"""Mixture of pointwise experts, chosen voxel by voxel from the energy of the gradient (Eq. 13)."""

from __future__ import annotations

import math

import torch
import torch.nn as nn
from torch import Tensor
from torch.nn import functional as F

from ....core.ops import conv3d_by_heights
from ....core.ops.gradient_energy import grad_energy3d, grad_energy3d_compiled
from ..layers.depthwise3d import Pointwise3D


def _energy(volume: Tensor) -> Tensor:
    """`grad_energy3d`, (B, C, X, Y, Z) -> (B, 1, X, Y, Z); where a CPU trains, as one loop."""
    if volume.device.type == 'cpu' and torch.is_grad_enabled() and not torch.compiler.is_compiling():
        return grad_energy3d_compiled(volume)
    return grad_energy3d(volume)


def standardised_energy(volume: Tensor) -> Tensor:
    """log(1 + energy / C), shifted and scaled to mean 0 and variance 1 over each sample's voxels.

    An energy is a sum over channels and grows with their number and their scale; a softmax of it saturates, and
    experts that are never chosen never learn. Its rank among the voxels of the scene does neither.

    Args:
        volume: (B, C, X, Y, Z).

    Returns:
        (B, 1, X, Y, Z) float32 at least; zeros where nothing varies.
    """
    energy = torch.log1p(_energy(volume) / volume.shape[1])
    axes = (1, 2, 3, 4)
    centred = energy - energy.mean(axes, keepdim=True)
    return centred * (centred.square().mean(axes, keepdim=True) + 1e-6).rsqrt()


def relative_entropy(weights: Tensor) -> Tensor:
    """Entropy of the MEAN weights (B, K, X, Y, Z) over log K: 1 where all experts are used, 0 where one is."""
    share = weights.mean((0, 2, 3, 4))
    entropy = -(share * share.clamp(min=1e-12).log()).sum()
    return entropy / max(math.log(weights.shape[1]), 1e-12)


class MoEFuse3D(nn.Module):
    """Y + sum_k alpha_k E_k(Y), alpha = softmax(W_g * GradEnergy3D(Y)) (Eq. 13).

    The K experts E_k are 1x1x1 Conv-GELU-Conv. They share no weights but are held stacked, so
    that the sum is two matrix products instead of 2 K convolutions: expert k owns the k-th block of hidden
    channels of `expand` and `contract`, and row k of `contract_bias`. W_g is a 3x3x3 convolution.
    The paper states neither K nor how the energy is scaled: K = 4 is a choice, and so is `energy`.

    Args:
        channels: C.
        num_experts: K.
        expansion: hidden channels of one expert over C.
        gate_kernel: edge of W_g in voxels, odd.
        energy: 'standardised' (`standardised_energy`) or 'raw' (Eq. 13 to the letter).
    """

    def __init__(
        self,
        channels: int,
        num_experts: int = 4,
        expansion: float = 0.5,
        gate_kernel: int = 3,
        energy: str = 'standardised',
    ) -> None:
        super().__init__()
        if num_experts < 1:
            raise ValueError(f'num_experts: expected at least 1, got {num_experts}')
        if energy not in ('standardised', 'raw'):
            raise ValueError(f"energy: expected 'standardised' or 'raw', got {energy!r}")
        self.energy = energy
        hidden = max(int(channels * expansion), 1)
        self.num_experts = num_experts
        self.log_vars: dict[str, Tensor] = {}
        self.gate = nn.Conv3d(1, num_experts, gate_kernel, padding=gate_kernel // 2)
        # a raw energy would saturate the softmax at the usual initialisation
        nn.init.normal_(self.gate.weight, std=gate_kernel**-3 if energy == 'raw' else gate_kernel**-1.5)
        assert self.gate.bias is not None
        nn.init.zeros_(self.gate.bias)
        self.expand = Pointwise3D(channels, num_experts * hidden)
        self.contract = Pointwise3D(num_experts * hidden, channels, bias=False)
        self.contract_bias = nn.Parameter(torch.zeros(num_experts, channels))

    def weights(self, volume: Tensor) -> Tensor:
        """Convex expert weights alpha (B, K, X, Y, Z) in float32."""
        with torch.autocast(device_type=volume.device.type, enabled=False):
            energy = standardised_energy(volume) if self.energy == 'standardised' else _energy(volume)
            energy = energy.to(self.gate.weight.dtype)
            if torch.is_grad_enabled() and energy.device.type == 'cpu' and not torch.compiler.is_compiling():
                return conv3d_by_heights(energy, self.gate.weight, self.gate.bias).softmax(1)
            return self.gate(energy).softmax(1)

    def expert(self, k: int, volume: Tensor) -> Tensor:
        """E_k alone, (B, C, X, Y, Z) -> the same shape; the reference that tests compare with."""
        hidden = self.expand.out_features // self.num_experts
        rows = slice(k * hidden, (k + 1) * hidden)
        as_kernel = (..., None, None, None)
        inner = F.gelu(F.conv3d(volume, self.expand.weight[rows][as_kernel], self.expand.bias[rows]))
        return F.conv3d(inner, self.contract.weight[:, rows][as_kernel], self.contract_bias[k])

    def forward(self, volume: Tensor) -> Tensor:
        """(B, C, X, Y, Z) -> the same shape."""
        # channels last throughout: a product of two memory orders costs ten times its arithmetic
        chosen = self.weights(volume)
        self.log_vars = {} if not self.training else {'expert_entropy': relative_entropy(chosen.detach())}
        alpha = chosen.to(volume.dtype).movedim(1, -1).contiguous()  # (B, X, Y, Z, K)
        hidden = F.gelu(self.expand(volume)).movedim(1, -1).unflatten(-1, (self.num_experts, -1))
        gated = (hidden * alpha[..., None]).flatten(-2)  # (B, X, Y, Z, K*hidden)
        bias = alpha @ self.contract_bias.to(alpha.dtype)  # (B, X, Y, Z, C)
        return volume + self.contract(gated.movedim(-1, 1)) + bias.movedim(-1, 1)
