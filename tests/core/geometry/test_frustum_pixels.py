"""Pixels to frustums by MonoScene's rule: lower edge in, upper edge out."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from projects.OneOcc.core.geometry import frustum_ids_from_pixels


@given(width=st.integers(1, 40), height=st.integers(1, 40), sectors=st.integers(1, 9), bands=st.integers(1, 9))
def test_every_pixel_lies_in_the_bin_that_the_edges_say(width, height, sectors, bands):
    v, u = torch.meshgrid(torch.arange(height), torch.arange(width), indexing='ij')
    ids = frustum_ids_from_pixels(torch.stack((u, v), dim=-1), (width, height), sectors, bands)
    sector, band = ids % sectors, torch.div(ids, sectors, rounding_mode='floor')
    assert (sector * width <= u * sectors).all() and (u * sectors < (sector + 1) * width).all()
    assert (band * height <= v * bands).all() and (v * bands < (band + 1) * height).all()


def test_outside_and_invisible_pixels_are_in_no_frustum():
    pixels = torch.tensor([[0, 0], [-1, 0], [8, 0], [7, 4], [7, 3], [7, 3]])
    visible = torch.tensor([True, True, True, True, True, False])
    ids = frustum_ids_from_pixels(pixels, (8, 4), 4, 2, visible)
    assert ids.dtype == torch.int32 and ids.tolist() == [0, -1, -1, -1, 7, -1]


def test_continuous_pixels_are_binned_by_the_same_edges():
    pixels = torch.tensor([[0.0, 0.0], [1.999, 1.999], [2.0, 2.0], [7.999, 3.999], [8.0, 0.0], [float('nan'), 1.0]])
    assert frustum_ids_from_pixels(pixels, (8, 4), 4, 2).tolist() == [0, 0, 5, 7, -1, -1]


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match='pixels: expected shape'):
        frustum_ids_from_pixels(torch.zeros(4, 3), (8, 4), 2, 2)
    with pytest.raises(ValueError, match='at least 1'):
        frustum_ids_from_pixels(torch.zeros(4, 2), (8, 4), 0, 2)
