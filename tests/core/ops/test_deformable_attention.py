"""Deformable attention against its corner-by-corner twin, mmcv's function, and turns of the seam."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmcv.ops.multi_scale_deform_attn import multi_scale_deformable_attn_pytorch

from projects.OneOcc.core.ops import multi_scale_deformable_attention, multi_scale_deformable_attention_reference


def inputs(shapes, seed=0, batch=2, queries=5, heads=2, channels=3, points=4, spread=0.6, dtype=torch.float64):
    """Value, locations (some beyond the borders) and weights; all require gradients."""
    random = torch.Generator().manual_seed(seed)
    cells = sum(torch.Size(shape).numel() for shape in shapes)
    value = torch.randn(batch, cells, heads, channels, generator=random, dtype=dtype)
    size = (batch, queries, heads, len(shapes), points)
    locations = 0.5 + spread * (2 * torch.rand(*size, len(shapes[0]), generator=random, dtype=dtype) - 1)
    weights = torch.randn(*size, generator=random, dtype=dtype)
    return [tensor.requires_grad_() for tensor in (value, locations, weights)]


def both(tensors, shapes, **options):
    """Outputs and gradients of the fast function and of its twin."""
    results = []
    for attend in (multi_scale_deformable_attention, multi_scale_deformable_attention_reference):
        out = attend(tensors[0], shapes, *tensors[1:], **options)
        upstream = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view_as(out)
        results.append((out, *torch.autograd.grad((out * upstream).sum(), tensors, allow_unused=True)))
    return zip(*results)


sizes = st.integers(1, 6)
levels = st.one_of(
    st.lists(st.tuples(sizes, sizes), min_size=1, max_size=3),
    st.lists(st.tuples(sizes, sizes, sizes), min_size=1, max_size=2),
)


@settings(max_examples=40, deadline=None)
@given(shapes=levels, seed=st.integers(0, 9999), wrap=st.booleans(), axis=st.integers(-2, 1))
def test_equals_the_sum_over_corners(shapes, seed, wrap, axis):
    tensors = inputs(shapes, seed, spread=1.5)
    for fast, slow in both(tensors, shapes, wrap=wrap, azimuth_axis=axis):
        torch.testing.assert_close(fast, slow, rtol=1e-9, atol=1e-9)


def test_equals_the_function_of_mmcv():
    shapes = [(5, 7), (2, 3)]
    value, locations, weights = inputs(shapes, dtype=torch.float32)
    theirs = multi_scale_deformable_attn_pytorch(value, torch.tensor(shapes), locations, weights)
    torch.testing.assert_close(multi_scale_deformable_attention(value, shapes, locations, weights), theirs)


@pytest.mark.parametrize(('shape', 'axis'), [((4, 9), -1), ((3, 8, 2), 1)])
def test_turning_the_map_turns_the_locations(shape, axis):
    value, locations, weights = inputs([shape], spread=0.9)
    before = multi_scale_deformable_attention(value, [shape], locations, weights, wrap=True, azimuth_axis=axis)
    turned = value.unflatten(1, shape).roll(2, dims=1 + axis % len(shape)).flatten(1, len(shape))
    shift = torch.zeros(len(shape), dtype=torch.float64)
    shift[len(shape) - 1 - axis % len(shape)] = 2 / shape[axis]
    after = multi_scale_deformable_attention(turned, [shape], locations + shift, weights, wrap=True, azimuth_axis=axis)
    torch.testing.assert_close(after, before)
    without = multi_scale_deformable_attention(turned, [shape], locations + shift, weights)
    assert not torch.allclose(without, before)


def test_no_query_gives_nothing_and_zero_gradients():
    tensors = inputs([(3, 4)], queries=0)
    out = multi_scale_deformable_attention(tensors[0], [(3, 4)], *tensors[1:])
    assert out.shape == (2, 0, 6)
    out.sum().backward()
    assert not tensors[0].grad.any()


def test_half_precision_is_summed_in_float32():
    tensors = inputs([(3, 4)], dtype=torch.float32)
    halves = [tensor.detach().half() for tensor in tensors]
    with torch.autocast('cpu', dtype=torch.bfloat16):
        out = multi_scale_deformable_attention(halves[0], [(3, 4)], *halves[1:])
    assert out.dtype == torch.float32
    exact = multi_scale_deformable_attention(halves[0].float(), [(3, 4)], *(half.float() for half in halves[1:]))
    torch.testing.assert_close(out, exact, rtol=0, atol=0)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(shapes=[(3, 4, 1)]), 'expected 1 shapes of 2'),
        (dict(shapes=[(3, 5)]), r'expected value \(2, 15, 2, C\), got \(2, 12, 2, 3\)'),
        (dict(weights=torch.zeros(2, 5, 2, 1, 3)), 'expected weights'),
        (dict(azimuth_axis=2), 'azimuth_axis: expected an axis of 2, got 2'),
        (dict(value=torch.zeros(2, 12, 6)), 'expected value'),
    ],
)
def test_shapes_that_do_not_fit_are_named(change, message):
    value, locations, weights = inputs([(3, 4)])
    with pytest.raises(ValueError, match=message):
        multi_scale_deformable_attention(
            **{**dict(value=value, shapes=[(3, 4)], locations=locations, weights=weights), **change}
        )
