"""scored_view_sample: its implementations against the reference, their gradients, the seam, and what is refused."""

import pytest
import torch

from projects.OneOcc.core.ops.scored_sample import scored_view_sample
from projects.OneOcc.core.ops.view_sample import view_sample

SIZE = (16, 32)  # (H, W) of the full image


def rig(device, batch=2, channels=5, points=50, dtype=torch.float64, strides=(1, 4, 8)):
    """Random maps, pixels (some outside the image), mask, score weights, biases and priors."""
    features = [torch.randn(batch, channels, SIZE[0] // s, SIZE[1] // s, dtype=dtype, device=device) for s in strides]
    pixels = torch.rand(batch, points, 2, dtype=dtype, device=device) * 1.4 - 0.2
    pixels = pixels * torch.tensor((SIZE[1], SIZE[0]), dtype=dtype, device=device)
    valid = torch.rand(batch, points, device=device) > 0.2
    small = [torch.randn(*shape, dtype=dtype, device=device) for shape in ((len(strides), channels), (len(strides),))]
    prior = torch.randn(points, len(strides), dtype=dtype, device=device)
    shifts = [torch.randn(batch, 2, dtype=dtype, device=device) for _ in strides]
    return features, [pixels, valid, *small, prior], shifts


def with_gradients(implementation, features, given, shifts, wrap):
    """The result and the gradients of everything that has one."""
    leaves = [t.clone().requires_grad_(t.is_floating_point()) for t in (*features, *given, *shifts)]
    maps, (pixels, valid, *rest), moved = leaves[:3], leaves[3:8], leaves[8:]
    out = scored_view_sample(
        maps, pixels, valid, *rest, image_size=SIZE, wrap=wrap, shifts=moved, implementation=implementation
    )
    (out * torch.linspace(0, 1, out.numel(), dtype=out.dtype, device=out.device).view_as(out)).sum().backward()
    return [out.detach(), *(leaf.grad for leaf in leaves if leaf.requires_grad)]


def test_the_reference_is_sampling_and_a_softmax(device):
    features, (pixels, valid, weight, bias, prior), shifts = rig(device)
    samples = view_sample(features, pixels, valid, image_size=SIZE, wrap=True, shifts=shifts)
    alpha = (torch.einsum('bscn,sc->bns', samples, weight) + bias + prior).softmax(-1)
    want = view_sample(features, pixels, valid, alpha, image_size=SIZE, wrap=True, shifts=shifts)
    for implementation in ('reference', None):
        got = scored_view_sample(
            features,
            pixels,
            valid,
            weight,
            bias,
            prior,
            image_size=SIZE,
            wrap=True,
            shifts=shifts,
            implementation=implementation,
        )
        torch.testing.assert_close(got, want)


@pytest.mark.parametrize('wrap', [False, True])
def test_implementations_agree_forward_and_backward(device, wrap):
    given = rig(device, points=300)
    want = with_gradients('reference', *given, wrap)
    got = with_gradients(None, *given, wrap)
    for one, other in zip(got, want):
        torch.testing.assert_close(one, other)


def test_invalid_points_are_zero_even_when_nan(device):
    features, (pixels, valid, *rest), _ = rig(device)
    pixels[~valid] = float('nan')
    features[0].requires_grad_()
    out = scored_view_sample(features, pixels, valid, *rest, image_size=SIZE, wrap=True)
    out.sum().backward()
    assert (out.transpose(1, 2)[~valid] == 0).all() and torch.isfinite(features[0].grad).all()


def test_threads_share_the_points_of_an_inference(monkeypatch):
    from projects.OneOcc.core.ops.scored_sample import compiled

    features, given, shifts = rig(torch.device('cpu'), points=257)
    options = dict(image_size=SIZE, wrap=True, shifts=shifts)
    want = scored_view_sample(features, *given, **options)
    monkeypatch.setattr(compiled, 'POINTS_A_THREAD', 50)
    monkeypatch.setattr(torch, 'get_num_threads', lambda: 3)
    assert torch.equal(scored_view_sample(features, *given, **options), want)


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_half_precision_rounds_features_not_coordinates(device, dtype):
    features, given, _ = rig(device, dtype=torch.float32, points=200)
    want = scored_view_sample(features, *given, image_size=SIZE)
    got = scored_view_sample([f.to(dtype) for f in features], *given, image_size=SIZE)
    assert got.dtype == dtype
    torch.testing.assert_close(got.float(), want, atol=0.1, rtol=0.1)


def test_a_full_turn_changes_nothing(device):
    features, (pixels, *rest), _ = rig(device)
    turn = pixels.new_tensor((SIZE[1], 0.0))
    one, other = (scored_view_sample(features, p, *rest, image_size=SIZE, wrap=True) for p in (pixels, pixels - turn))
    torch.testing.assert_close(one, other)


@pytest.mark.parametrize('place, name', [(2, 'score_weight'), (3, 'score_bias'), (4, 'prior')])
def test_refuses_shapes_that_do_not_belong_together(place, name):
    features, given, _ = rig(torch.device('cpu'))
    given[place] = given[place][:-1]
    with pytest.raises(ValueError, match=f'{name}: expected'):
        scored_view_sample(features, *given, image_size=SIZE)


def test_the_loop_refuses_what_it_does_not_take():
    features, given, _ = rig(torch.device('cpu'), dtype=torch.float32)
    with pytest.raises(ValueError, match='float16'):
        scored_view_sample([f.half() for f in features], *given, image_size=SIZE, implementation='compiled')
    with pytest.raises(ValueError, match="got 'fast'"):
        scored_view_sample(features, *given, image_size=SIZE, implementation='fast')
