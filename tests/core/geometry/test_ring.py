"""Rings: rolling the input by the total stride rolls the output, weights and centre untouched."""

import copy
import pickle

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from projects.OneOcc.core.geometry import make_ring_continuous, ring_interpolate, ring_pad

LAYERS = {
    'conv': (nn.Conv2d(4, 6, 3, padding=1), 1),
    'conv stride 2': (nn.Conv2d(4, 6, 3, stride=2, padding=1), 2),
    'stem': (nn.Conv2d(4, 6, 7, stride=2, padding=3), 2),
    'pointwise stride 2': (nn.Conv2d(4, 6, 1, stride=2), 2),
    'patches': (nn.Conv2d(4, 6, 4, stride=4), 4),
    'even kernel': (nn.Conv2d(4, 6, 4, stride=2, padding=1), 2),
    'grouped': (nn.Conv2d(4, 4, 5, padding=2, groups=4), 1),
    'dilated': (nn.Conv2d(4, 6, 3, padding=3, dilation=3), 1),
    'same': (nn.Conv2d(4, 6, (3, 4), padding='same', dilation=2), 1),
    'reflect across': (nn.Conv2d(4, 6, 3, padding=1, padding_mode='reflect'), 1),
    'rectangular': (nn.Conv2d(4, 6, (1, 5), stride=(1, 2), padding=(0, 2)), 2),
    'max pool': (nn.MaxPool2d(3, 2, 1), 2),
    'max pool ceil': (nn.MaxPool2d(3, 2, 1, ceil_mode=True), 2),
    'avg pool': (nn.AvgPool2d(3, 1, 1), 1),
    'avg pool ceil': (nn.AvgPool2d(2, 2, ceil_mode=True, count_include_pad=False), 2),
    'bilinear': (nn.Upsample(scale_factor=2, mode='bilinear'), 1),
    'nearest': (nn.Upsample(scale_factor=2, mode='nearest'), 1),
    'transposed': (nn.ConvTranspose2d(4, 6, 4, stride=2, padding=1), 1),
    'transposed 2': (nn.ConvTranspose2d(4, 6, 2, stride=2), 1),
    'transposed 3': (nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1), 1),
}


BORDERLESS = ('pointwise stride 2', 'patches', 'avg pool ceil', 'nearest', 'transposed 2')


@pytest.mark.parametrize('layer_name', LAYERS)
def test_layer_rolls_and_keeps_its_centre(layer_name, device):
    layer, stride = LAYERS[layer_name]
    layer = copy.deepcopy(layer).double().to(device).eval()
    names = list(layer.state_dict())
    x = torch.randn(2, 4, 8, 32, dtype=torch.float64, device=device)
    flat = layer(x)
    assert make_ring_continuous(layer) is layer
    assert list(layer.state_dict()) == names
    y = layer(x)
    rolled = layer(x.roll(stride, -1))
    shift = y.shape[-1] * stride // 32
    torch.testing.assert_close(rolled, y.roll(shift, -1), rtol=0, atol=1e-12)
    assert y.shape[:3] == flat.shape[:3] and y.shape[-1] in (flat.shape[-1], flat.shape[-1] - 1)
    middle = slice(y.shape[-1] // 4, -y.shape[-1] // 4)
    torch.testing.assert_close(y[..., middle], flat[..., : y.shape[-1]][..., middle])
    last = min(y.shape[-1], flat.shape[-1]) - 1
    changed = not torch.allclose(y[..., [0, last]], flat[..., [0, last]])
    assert changed == (layer_name not in BORDERLESS)


@pytest.mark.parametrize(
    'layer',
    [
        nn.Conv3d(2, 3, 3, padding=1),
        nn.Conv3d(2, 2, 5, padding=4, dilation=2, groups=2),
        nn.AvgPool3d(3, 1, 1),
        nn.MaxPool3d(3, 1, 1),
        nn.ConvTranspose3d(2, 3, 3, padding=1),
        nn.Conv3d(2, 3, (3, 7, 1), padding=(1, 3, 0)),
    ],
    ids=str,
)
def test_volumes_are_rings_along_phi_only(layer):
    layer = make_ring_continuous(copy.deepcopy(layer).double(), axis=-2)
    x = torch.randn(1, 2, 5, 12, 4, dtype=torch.float64)  # (B, C, R, PHI, Z)
    torch.testing.assert_close(layer(x.roll(5, -2)), layer(x).roll(5, -2))
    if layer.kernel_size not in ((3, 7, 1),):
        assert not torch.allclose(layer(x.roll(1, -1)), layer(x).roll(1, -1))
    assert not torch.allclose(layer(x.roll(1, -3)), layer(x).roll(1, -3))


def test_kernels_wider_than_the_ring_go_round_twice():
    conv = make_ring_continuous(nn.Conv2d(1, 1, 7, padding=9, dilation=3).double())
    x = torch.randn(1, 1, 20, 4, dtype=torch.float64)
    torch.testing.assert_close(conv(x.roll(1, -1)), conv(x).roll(1, -1))


class Conv2dAdaptivePadding(nn.Conv2d):
    """The rule of TensorFlow's SAME, as mmcv writes it: the odd pixel goes right and below."""

    def forward(self, x):
        rows, columns = (
            max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
            for n, s, k, d in zip(x.shape[2:], self.stride, self.kernel_size, self.dilation)
        )
        x = F.pad(x, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))
        return F.conv2d(x, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


@pytest.mark.parametrize('kernel, stride', [(3, 1), (3, 2), (5, 2), (5, 1), (2, 2), (1, 2)])
def test_tensorflow_same_becomes_circular_on_its_heavy_side(kernel, stride):
    conv = Conv2dAdaptivePadding(3, 5, kernel, stride=stride).double()
    x = torch.randn(1, 3, 9, 16, dtype=torch.float64)
    flat = conv(x)
    make_ring_continuous(conv)
    y = conv(x)
    assert y.shape == flat.shape
    torch.testing.assert_close(conv(x.roll(stride, -1)), y.roll(1, -1))
    torch.testing.assert_close(y[..., 2:-2], flat[..., 2:-2])
    # the same numbers as padding by hand, right-heavy, with the other end of the ring
    total = max(kernel - stride, 0)
    wide = ring_pad(x, (total // 2, total - total // 2))
    rows = max((-(-9 // stride) - 1) * stride + kernel - 9, 0)
    wide = F.pad(wide, (0, 0, rows // 2, rows - rows // 2))
    torch.testing.assert_close(y, F.conv2d(wide, conv.weight, conv.bias, stride))


def test_network_rolls_trains_copies_and_pickles():
    net = nn.Sequential(
        nn.Conv2d(3, 8, 7, 2, 3),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
        nn.Conv2d(8, 8, 3, 2, 1),
        nn.Upsample(scale_factor=2, mode='bilinear'),
    )
    before = copy.deepcopy(net.state_dict())
    make_ring_continuous(make_ring_continuous(net))
    assert before.keys() == net.state_dict().keys()
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())
    net(torch.randn(2, 3, 16, 32)).mean().backward()
    assert net[0].weight.grad.abs().sum() > 0
    x = torch.randn(1, 3, 16, 32)
    for twin in (net.eval(), copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        torch.testing.assert_close(twin(x.roll(8, -1)), net(x).roll(2, -1))


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 12), before=st.integers(-3, 20), after=st.integers(-3, 20), axis=st.sampled_from((-1, -2)))
def test_ring_pad_is_indexing_modulo(n, before, after, axis):
    if n + before + after < 1 or min(before, after) < 0 and -min(before, 0) - min(after, 0) >= n:
        return
    x = torch.arange(n).expand(3, 2, n) if axis == -1 else torch.arange(n)[:, None].expand(3, n, 2)
    index = torch.arange(-before, n + after) % n
    assert torch.equal(ring_pad(x, (before, after), axis), x.index_select(axis, index))


@settings(max_examples=40, deadline=None)
@given(source=st.integers(1, 24), target=st.integers(1, 48), rows=st.integers(1, 6))
def test_ring_interpolate_is_the_middle_of_three_turns(source, target, rows):
    x = torch.randn(1, 2, 4, source, dtype=torch.float64)
    three = F.interpolate(torch.cat([x, x, x], -1), size=[rows, 3 * target], mode='bilinear')
    result = ring_interpolate(x, size=[rows, target])
    torch.testing.assert_close(result, three[..., target : 2 * target])


def test_ring_interpolate_in_volumes_and_by_factor():
    x = torch.randn(1, 2, 3, 8, 4, dtype=torch.float64)
    y = ring_interpolate(x, scale_factor=2, mode='trilinear', axis=-2)
    assert y.shape == (1, 2, 6, 16, 8)
    torch.testing.assert_close(
        ring_interpolate(x.roll(3, -2), scale_factor=2, mode='trilinear', axis=-2), y.roll(6, -2)
    )
    plain = F.interpolate(x, scale_factor=2, mode='trilinear')
    torch.testing.assert_close(y[..., 2:-2, :], plain[..., 2:-2, :])
    assert ring_interpolate(x, scale_factor=1, mode='linear', axis=-2) is x
    for mode in ('nearest', 'area'):
        assert ring_interpolate(x, size=(3, 4, 4), mode=mode, axis=-2).shape[-2] == 4


def test_valid_convolution_would_shorten_the_ring():
    conv = make_ring_continuous(nn.Conv2d(1, 1, 3))
    with pytest.raises(ValueError, match='shortens the ring'):
        conv(torch.zeros(1, 1, 8, 8))


def test_width_must_be_a_multiple_of_the_stride():
    conv = make_ring_continuous(nn.Conv2d(1, 1, 3, 2, 1))
    with pytest.raises(ValueError, match='length 9, expected a multiple of the stride 2'):
        conv(torch.zeros(1, 1, 8, 9))


class Standardised(nn.Conv2d):
    def forward(self, x):
        return F.conv2d(x, self.weight - self.weight.mean(), padding=1)


class ModulatedDeformConv2d(nn.Module):
    pass


@pytest.mark.parametrize(
    'layer, error, words',
    [
        (Standardised(2, 2, 3), TypeError, 'Standardised has a forward of its own'),
        (ModulatedDeformConv2d(), TypeError, 'ModulatedDeformConv2d'),
        (nn.MaxPool2d(2, return_indices=True), TypeError, 'return_indices'),
        (nn.Upsample(scale_factor=2, mode='bilinear', align_corners=True), ValueError, 'align_corners'),
        (make_ring_continuous(nn.Conv2d(1, 1, 1), axis=-2), ValueError, 'axis -2 already'),
    ],
)
def test_refusals(layer, error, words):
    with pytest.raises(error, match=words):
        make_ring_continuous(nn.Sequential(layer))


def test_axis_is_counted_from_the_end():
    for axis in (0, 3, -3):
        with pytest.raises(ValueError, match=r'-2\.\.-1'):
            make_ring_continuous(nn.Conv2d(1, 1, 1), axis=axis)
    with pytest.raises(ValueError, match='bilinear'):
        ring_interpolate(torch.zeros(1, 1, 4, 4), scale_factor=2, mode='bicubic')
    with pytest.raises(ValueError, match='either'):
        ring_interpolate(torch.zeros(1, 1, 4, 4))
