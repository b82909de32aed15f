"""Made-up weights under the official names of MonoScene's 2D network, and what they compute.

Written from the architecture: EfficientNet as gen-efficientnet names it, MonoScene's decoder on top.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

# blocks, kernel, stride, expansion, channels of the seven stages at width and depth 1
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
SCALES = {'b0': (1.0, 1.0), 'b7': (2.0, 3.1)}  # width, depth
SKIP_STAGES = {2: 0, 4: 1, 8: 2, 16: 4}
NORM_EPS = {'encoder': 1e-3, 'decoder': 1e-5}
ENCODER, UP_STRIDES = 'encoder.original_model.', (16, 8, 4, 2, 1)


def _rounded(channels: float) -> int:
    result = max(8, int(channels + 4) // 8 * 8)
    return result + 8 if result < 0.9 * channels else result


def stages(arch: str) -> list[list[tuple[int, int, int, int, int]]]:
    """Per stage and block (kernel, stride, expansion, in, out)."""
    width, depth = SCALES[arch]
    channels, result = _rounded(32 * width), []
    for number, kernel, stride, expansion, out in STAGES:
        blocks = []
        for block in range(math.ceil(number * depth)):
            blocks.append((kernel, 1 if block else stride, expansion, channels, _rounded(out * width)))
            channels = _rounded(out * width)
        result.append(blocks)
    return result


def shapes(arch: str, head: int, features: int) -> dict[str, tuple[int, ...]]:
    """Every entry of `net_rgb`: head = channels of conv_head, features = what is lifted."""
    found: dict[str, tuple[int, ...]] = {}

    def norm(name: str, channels: int) -> None:
        found.update({f'{name}.{leaf}': (channels,) for leaf in ('weight', 'bias', 'running_mean', 'running_var')})
        found[f'{name}.num_batches_tracked'] = ()

    all_stages = stages(arch)
    stem = all_stages[0][0][3]
    found[f'{ENCODER}conv_stem.weight'] = (stem, 3, 3, 3)
    norm(f'{ENCODER}bn1', stem)
    for i, blocks in enumerate(all_stages):
        for j, (kernel, _, expansion, inner, out) in enumerate(blocks):
            name, middle = f'{ENCODER}blocks.{i}.{j}.', inner * expansion
            found[f'{name}conv_dw.weight'] = (middle, 1, kernel, kernel)
            for squeeze, (a, b) in (('reduce', (inner // 4, middle)), ('expand', (middle, inner // 4))):
                found[f'{name}se.conv_{squeeze}.weight'] = (a, b, 1, 1)
                found[f'{name}se.conv_{squeeze}.bias'] = (a,)
            norm(f'{name}bn1', middle)
            norm(f'{name}bn2', out if expansion == 1 else middle)
            if expansion == 1:
                found[f'{name}conv_pw.weight'] = (out, middle, 1, 1)
                continue
            found[f'{name}conv_pw.weight'] = (middle, inner, 1, 1)
            found[f'{name}conv_pwl.weight'] = (out, middle, 1, 1)
            norm(f'{name}bn3', out)
    found[f'{ENCODER}conv_head.weight'] = (head, all_stages[-1][-1][4], 1, 1)
    norm(f'{ENCODER}bn2', head)
    found |= {'decoder.conv2.weight': (head, head, 1, 1), 'decoder.conv2.bias': (head,)}
    incoming = head
    for step, stride in enumerate(UP_STRIDES, start=1):
        skip = 3 if stride == 1 else all_stages[SKIP_STAGES[stride]][-1][4]
        width = head >> step
        for layer, channels in (('0', incoming + skip), ('3', width)):
            found[f'decoder.up{stride}._net.{layer}.weight'] = (width, channels, 3, 3)
            found[f'decoder.up{stride}._net.{layer}.bias'] = (width,)
        norm(f'decoder.up{stride}._net.1', width)
        norm(f'decoder.up{stride}._net.4', width)
        found[f'decoder.resize_output_1_{stride}.weight'] = (features, width, 1, 1)
        found[f'decoder.resize_output_1_{stride}.bias'] = (features,)
        incoming = width
    return found


def random_state(entries: dict[str, tuple[int, ...]], seed: int = 0) -> dict[str, Tensor]:
    """Weights that keep activations near one."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in entries.items():
        if name.endswith('num_batches_tracked'):
            state[name] = torch.tensor(7)
        elif name.endswith('running_var') or (len(shape) == 1 and name.endswith('weight')):
            state[name] = torch.rand(shape, generator=generator) + 0.5
        else:
            fan = math.prod(shape[1:]) if len(shape) > 1 else 10
            state[name] = torch.randn(shape, generator=generator) / fan**0.5
    return state


class OfficialImageNetwork:
    """Evaluates such weights: `net(image)` gives {scale: features}, for scales 1, 2, 4, 8, 16.

    As in ours, nothing is padded in front of the decoder and resizing does not align corners; the official
    decoder does both otherwise.
    """

    def __init__(self, state: dict[str, Tensor], arch: str) -> None:
        self.state, self.stages = state, stages(arch)

    def norm(self, x: Tensor, name: str, eps: float) -> Tensor:
        mean, var, weight, bias = (
            self.state[f'{name}.{leaf}'] for leaf in ('running_mean', 'running_var', 'weight', 'bias')
        )
        return F.batch_norm(x, mean, var, weight, bias, eps=eps)

    def same(self, x: Tensor, name: str, stride: int = 1, groups: int = 1) -> Tensor:
        """Convolution with TensorFlow's padding: the odd row goes below and to the right."""
        weight = self.state[f'{name}.weight']
        pads = []
        for size, kernel in zip(reversed(x.shape[2:]), reversed(weight.shape[2:])):
            total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
            pads += [total // 2, total - total // 2]
        return F.conv2d(F.pad(x, pads), weight, stride=stride, groups=groups)

    def block(self, x: Tensor, name: str, stride: int, widening: bool) -> Tensor:
        eps, y = NORM_EPS['encoder'], x
        names = ('bn2', 'conv_pwl', 'bn3') if widening else ('bn1', 'conv_pw', 'bn2')
        if widening:
            y = F.silu(self.norm(self.same(y, f'{name}conv_pw'), f'{name}bn1', eps))
        y = F.silu(self.norm(self.same(y, f'{name}conv_dw', stride, y.shape[1]), name + names[0], eps))
        gate = y.mean((2, 3), keepdim=True)
        gate = F.silu(F.conv2d(gate, *self.weight_and_bias(f'{name}se.conv_reduce')))
        y = y * torch.sigmoid(F.conv2d(gate, *self.weight_and_bias(f'{name}se.conv_expand')))
        y = self.norm(self.same(y, name + names[1]), name + names[2], eps)
        return x + y if x.shape == y.shape else y

    def weight_and_bias(self, name: str) -> Sequence[Tensor]:
        return self.state[f'{name}.weight'], self.state[f'{name}.bias']

    def __call__(self, image: Tensor) -> dict[int, Tensor]:
        x = F.silu(self.norm(self.same(image, f'{ENCODER}conv_stem', 2), f'{ENCODER}bn1', NORM_EPS['encoder']))
        outputs = []
        for i, blocks in enumerate(self.stages):
            for j, (_, stride, expansion, _, _) in enumerate(blocks):
                x = self.block(x, f'{ENCODER}blocks.{i}.{j}.', stride, expansion > 1)
            outputs.append(x)
        x = F.conv2d(self.same(x, f'{ENCODER}conv_head'), *self.weight_and_bias('decoder.conv2'))
        results = {}
        for stride in UP_STRIDES:
            skip = image if stride == 1 else outputs[SKIP_STAGES[stride]]
            x = torch.cat([F.interpolate(x, skip.shape[2:], mode='bilinear', align_corners=False), skip], 1)
            for conv, norm in (('0', '1'), ('3', '4')):
                net = f'decoder.up{stride}._net.'
                x = F.conv2d(x, *self.weight_and_bias(net + conv), padding=1)
                x = F.leaky_relu(self.norm(x, net + norm, NORM_EPS['decoder']))
            results[stride] = F.conv2d(x, *self.weight_and_bias(f'decoder.resize_output_1_{stride}'))
        return results
