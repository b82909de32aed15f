"""mmcv's deformable attention as view_sample: the mapping, by its twin in plain torch, and the refusal without CUDA."""

import pytest
import torch
from mmcv.ops.multi_scale_deform_attn import multi_scale_deformable_attn_pytorch

from projects.OneOcc.core.ops import view_sample
from projects.OneOcc.core.ops.view_sample import sample_map_reference
from projects.OneOcc.oneocc.models.lifting.mmcv_sample import mmcv_has_cuda, sample_maps_mmcv


def twin(value, shapes, first, locations, weights):
    return multi_scale_deformable_attn_pytorch(value, shapes, locations, weights)


def given(device):
    sizes = ((8, 16), (4, 8), (2, 4))
    features = [torch.randn(2, 3, *size, dtype=torch.float64, device=device, requires_grad=True) for size in sizes]
    coords = [
        (
            (torch.rand(2, 40, 2, dtype=torch.float64, device=device) * 1.6 - 0.3)
            * torch.tensor(size[::-1], device=device)
        )
        for size in sizes
    ]
    masks = [torch.rand(2, 40, dtype=torch.float64, device=device) for _ in sizes]
    return features, [c.detach().requires_grad_() for c in coords], [m.requires_grad_() for m in masks]


@pytest.mark.parametrize('wrap', [False, True])
@pytest.mark.parametrize('summed', [False, True])
def test_it_is_the_reference_forward_and_backward(device, wrap, summed):
    features, coords, masks = given(device)
    attention = None if device.type == 'cuda' and mmcv_has_cuda() else twin
    got = sample_maps_mmcv(features, coords, masks, wrap, summed, attention)
    apart = torch.stack([sample_map_reference(*each, wrap) for each in zip(features, coords, masks)], dim=1)
    want = apart.sum(1) if summed else apart
    torch.testing.assert_close(got, want)
    upstream, leaves = torch.randn_like(want), (*features, *coords, *masks)
    for one, other in zip(torch.autograd.grad(got, leaves, upstream), torch.autograd.grad(want, leaves, upstream)):
        torch.testing.assert_close(one, other)


@pytest.mark.skipif(mmcv_has_cuda(), reason='mmcv was built with CUDA')
def test_without_cuda_the_error_says_what_to_do():
    with pytest.raises(ImportError, match='FORCE_CUDA=1'):
        view_sample([torch.rand(1, 2, 4, 8)], torch.rand(1, 5, 2), image_size=(4, 8), implementation='mmcv')
