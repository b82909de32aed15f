"""view_sample against a brute-force loop, its implementations, its gradients and its seam."""

import math

import pytest
import torch
from torch.nn import functional as F

from projects.OneOcc.core.ops.view_sample import view_sample

IMPLEMENTATIONS = ('reference', 'bag', 'grid', 'compiled')  # the last one on CPUs only
SIZE = (16, 32)  # (H, W) of the full image


@pytest.fixture(autouse=True)
def compiled_loop_needs_a_cpu(request, device):
    if device.type != 'cpu' and getattr(request.node, 'callspec', None):
        if request.node.callspec.params.get('implementation') == 'compiled':
            pytest.skip('the compiled loop is for CPUs')


def rig(device, batch=2, channels=3, points=50, dtype=torch.float64, strides=(1, 4, 8)):
    """Random maps, pixels (some outside the image), mask and convex weights."""
    features = [torch.randn(batch, channels, SIZE[0] // s, SIZE[1] // s, dtype=dtype, device=device) for s in strides]
    pixels = torch.rand(batch, points, 2, dtype=dtype, device=device) * 1.4 - 0.2
    pixels = pixels * torch.tensor((SIZE[1], SIZE[0]), dtype=dtype, device=device)
    valid = torch.rand(batch, points, device=device) > 0.2
    weights = torch.randn(batch, points, len(strides), dtype=dtype, device=device).softmax(-1)
    return features, pixels, valid, weights


def brute_force(features, pixels, valid, weights, wrap, shifts=None):
    """One point at a time, straight from the docstring."""
    batch, points = valid.shape
    out = torch.zeros(batch, features[0].shape[1], points, dtype=features[0].dtype)
    for b in range(batch):
        for n in range(points):
            if not valid[b, n]:
                continue
            for s, f in enumerate(features):
                h, w = f.shape[-2:]
                x = pixels[b, n, 0].item() * w / SIZE[1] - 0.5
                y = pixels[b, n, 1].item() * h / SIZE[0] - 0.5
                if shifts is not None:
                    x, y = x + shifts[s][b, 0].item(), y + shifts[s][b, 1].item()
                for dj in (0, 1):
                    for di in (0, 1):
                        j, i = math.floor(x) + dj, math.floor(y) + di
                        weight = (1 - abs(x - j)) * (1 - abs(y - i))
                        j = j % w if wrap else min(max(j, 0), w - 1)
                        i = min(max(i, 0), h - 1)
                        out[b, :, n] += weights[b, n, s].cpu() * weight * f[b, :, i, j].cpu()
    return out


@pytest.mark.parametrize('wrap', [False, True])
@pytest.mark.parametrize('implementation', IMPLEMENTATIONS)
def test_matches_brute_force(device, implementation, wrap):
    features, pixels, valid, weights = rig(device)
    shifts = [torch.randn(2, 2, dtype=torch.float64, device=device) * 3 for _ in features]
    got = view_sample(
        features, pixels, valid, weights, image_size=SIZE, wrap=wrap, shifts=shifts, implementation=implementation
    )
    want = brute_force(features, pixels, valid, weights, wrap, shifts)
    torch.testing.assert_close(got.cpu(), want)


@pytest.mark.parametrize('wrap', [False, True])
def test_implementations_agree_forward_and_backward(device, wrap):
    features, pixels, valid, weights = rig(device)
    shifts = [torch.randn(2, 2, dtype=torch.float64, device=device) for _ in features]
    results = []
    for implementation in IMPLEMENTATIONS if device.type == 'cpu' else IMPLEMENTATIONS[:-1]:
        leaves = [t.clone().requires_grad_() for t in (*features, pixels, weights, *shifts)]
        f, (p, w), d = leaves[:3], leaves[3:5], leaves[5:]
        out = view_sample(f, p, valid, w, image_size=SIZE, wrap=wrap, shifts=d, implementation=implementation)
        (out * torch.linspace(0, 1, out.numel(), dtype=out.dtype, device=device).view_as(out)).sum().backward()
        results.append([out.detach(), *(leaf.grad for leaf in leaves)])
    for want, *others in zip(*results):
        for got in others:
            torch.testing.assert_close(got, want)


@pytest.mark.parametrize('implementation', IMPLEMENTATIONS)
def test_gradcheck(device, implementation):
    features, pixels, valid, weights = rig(device, batch=1, channels=2, points=6, strides=(4, 8))
    shifts = [torch.full((1, 2), 0.123, dtype=torch.float64, device=device) for _ in features]
    leaves = [t.requires_grad_() for t in (*features, pixels, weights, *shifts)]

    def sample(f0, f1, p, w, d0, d1):
        return view_sample(
            [f0, f1], p, valid, w, image_size=SIZE, wrap=True, shifts=[d0, d1], implementation=implementation
        )

    assert torch.autograd.gradcheck(sample, leaves)


@pytest.mark.parametrize('implementation', IMPLEMENTATIONS)
def test_inside_the_image_it_is_grid_sample(device, implementation):
    features, _, _, _ = rig(device, strides=(4,))
    pixels = torch.rand(2, 40, 2, dtype=torch.float64, device=device)
    pixels = pixels * torch.tensor((SIZE[1], SIZE[0]), dtype=torch.float64, device=device)
    grid = pixels / torch.tensor((SIZE[1], SIZE[0]), dtype=torch.float64, device=device) * 2 - 1
    want = F.grid_sample(features[0], grid[:, None], padding_mode='border', align_corners=False)[:, :, 0]
    got = view_sample(
        features, pixels, weights=pixels.new_ones(2, 40, 1), image_size=SIZE, implementation=implementation
    )
    torch.testing.assert_close(got, want)


@pytest.mark.parametrize('implementation', IMPLEMENTATIONS)
def test_full_turns_and_rolls_change_nothing(device, implementation):
    features, pixels, valid, weights = rig(device)
    kwargs = dict(image_size=SIZE, wrap=True, implementation=implementation)
    want = view_sample(features, pixels, valid, weights, **kwargs)
    turn = pixels.new_tensor((SIZE[1], 0.0))
    for turns in (-2, 1):
        torch.testing.assert_close(view_sample(features, pixels + turns * turn, valid, weights, **kwargs), want)
    rolled = [f.roll(f.shape[-1] // 4, -1) for f in features]
    torch.testing.assert_close(view_sample(rolled, pixels + turn / 4, valid, weights, **kwargs), want)


def test_seam_is_continuous(device):
    feature = torch.randn(1, 4, 4, 8, dtype=torch.float64, device=device)
    ends = torch.tensor([[[1e-9, 7.0], [SIZE[1] - 1e-9, 7.0]]], dtype=torch.float64, device=device)
    ones = ends.new_ones(1, 2, 1)
    wrapped = view_sample([feature], ends, weights=ones, image_size=SIZE, wrap=True)
    clamped = view_sample([feature], ends, weights=ones, image_size=SIZE, wrap=False)
    torch.testing.assert_close(wrapped[..., 0], wrapped[..., 1])
    assert (clamped[..., 0] - clamped[..., 1]).abs().max() > 1e-3


@pytest.mark.parametrize('implementation', IMPLEMENTATIONS)
def test_invalid_points_are_zero_even_when_nan(device, implementation):
    features, pixels, valid, weights = rig(device)
    pixels[~valid] = float('nan')
    features[0].requires_grad_()
    out = view_sample(features, pixels, valid, weights, image_size=SIZE, wrap=True, implementation=implementation)
    out.sum().backward()
    assert (out.transpose(1, 2)[~valid] == 0).all()
    assert torch.isfinite(features[0].grad).all()


@pytest.mark.parametrize('implementation', IMPLEMENTATIONS)
def test_zero_shift_is_identity_bit_for_bit(device, implementation):
    features, pixels, valid, weights = rig(device, dtype=torch.float32)
    kwargs = dict(image_size=SIZE, wrap=True, implementation=implementation)
    zeros = [torch.zeros(2, 2, device=device) for _ in features]
    assert torch.equal(
        view_sample(features, pixels, valid, weights, **kwargs),
        view_sample(features, pixels, valid, weights, shifts=zeros, **kwargs),
    )


@pytest.mark.parametrize('implementation', IMPLEMENTATIONS)
def test_without_weights_scales_come_apart(device, implementation):
    features, pixels, valid, weights = rig(device)
    kwargs = dict(image_size=SIZE, wrap=True, implementation=implementation)
    apart = view_sample(features, pixels, valid, **kwargs)
    assert apart.shape == (2, 3, 3, 50)
    summed = torch.einsum('bscn,bns->bcn', apart, weights)
    torch.testing.assert_close(summed, view_sample(features, pixels, valid, weights, **kwargs))


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
@pytest.mark.parametrize('implementation', ['reference', 'bag', 'grid', None])
def test_half_precision_rounds_features_not_coordinates(device, implementation, dtype):
    features, pixels, valid, weights = rig(device, dtype=torch.float32, points=200)
    want = view_sample(features, pixels, valid, weights, image_size=SIZE)
    got = view_sample(
        [f.to(dtype) for f in features], pixels, valid, weights, image_size=SIZE, implementation=implementation
    )
    assert got.dtype == dtype
    torch.testing.assert_close(got.float(), want, atol=0.05, rtol=0.05)


def test_compiled_loop_refuses_half_precision_and_is_taken_for_training(device):
    features, pixels, valid, weights = rig(device, dtype=torch.float32)
    half = [f.half() for f in features]
    with pytest.raises(ValueError, match='float16'):
        view_sample(half, pixels, valid, weights, image_size=SIZE, implementation='compiled')
    features[0].requires_grad_()
    names = set()

    def visit(node):
        names.add(type(node).__name__)
        for child, _ in node.next_functions:
            if child is not None:
                visit(child)

    visit(view_sample(features[:1], pixels, valid, weights[..., :1], image_size=SIZE).grad_fn)
    assert any('Compiled' in name for name in names) == (device.type == 'cpu')


def test_channels_last_maps_give_the_same(device):
    features, pixels, valid, weights = rig(device)
    last = [f.contiguous(memory_format=torch.channels_last) for f in features]
    torch.testing.assert_close(
        view_sample(last, pixels, valid, weights, image_size=SIZE),
        view_sample(features, pixels, valid, weights, image_size=SIZE),
    )


def test_refuses_shapes_that_do_not_belong_together(device):
    features, pixels, valid, weights = rig(device)
    for bad in (
        dict(valid=valid[:, :3]),
        dict(weights=weights[..., :2]),
        dict(pixels=pixels[:1]),
        dict(features=[]),
        dict(shifts=[pixels[:, 0]]),
    ):
        args = dict(features=features, pixels=pixels, valid=valid, weights=weights) | bad
        with pytest.raises(ValueError):
            view_sample(image_size=SIZE, **args)
    with pytest.raises(ValueError, match='implementation'):
        view_sample(features, pixels, image_size=SIZE, implementation='fast')
