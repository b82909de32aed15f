"""PanoramaEncoder: scales and widths, ring continuity, weights from a file."""

import pytest
import torch

from projects.OneOcc.oneocc.models.backbones.pano_encoder import _align, _head
from tests.models.small_baseline import BACKBONE, EFFICIENT, ENCODER, build


def encoder(**changes):
    module = build(ENCODER, **changes)
    return module.eval()


@pytest.mark.parametrize(
    'backbone',
    [BACKBONE, EFFICIENT, dict(type='mmdet.MobileNetV2', widen_factor=0.5, out_indices=(0, 1, 2, 4, 6))],
    ids=lambda config: config['type'],
)
def test_shapes(device, backbone):
    module = encoder(backbone=backbone, scales=(1, 2, 4, 8, 16)).to(device)
    features = module(dict(equi=torch.randn(2, 3, 64, 128, device=device)))
    assert list(features) == ['equi']
    assert {s: tuple(f.shape) for s, f in features['equi'].items()} == {
        s: (2, 8, 64 // s, 128 // s) for s in (1, 2, 4, 8, 16)
    }


@pytest.mark.parametrize('scales, widths', [((4, 8, 16), (16, 16, 8)), ((32,), ()), ((8, 32), (16, 8))])
def test_no_more_is_built_than_is_asked_for(scales, widths):
    module = encoder(scales=scales, decoder_channels=widths).train()
    features = module.encode(torch.randn(2, 3, 64, 128))
    assert set(features) == set(scales)
    sum(f.sum() for f in features.values()).backward()
    assert [name for name, p in module.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize('backbone', [BACKBONE, EFFICIENT], ids=lambda config: config['type'])
def test_rolled_panorama_rolls_every_map(device, backbone):
    module = encoder(backbone=backbone).to(device)
    image = torch.randn(1, 3, 64, 128, device=device)
    features = module.encode(image)
    rolled = module.encode(image.roll(32, dims=-1))
    for scale, expected in features.items():
        error = (rolled[scale] - expected.roll(32 // scale, dims=-1)).abs().max() / expected.abs().max()
        assert error < 1e-4


def test_without_a_ring_the_seam_shows():
    module = encoder(ring=False)
    image = torch.randn(1, 3, 64, 128)
    fine = module.encode(image)[1]
    rolled = module.encode(image.roll(32, dims=-1))[1]
    assert (rolled - fine.roll(32, dims=-1)).abs().max() > 1e-3 * fine.abs().max()


def test_ring_leaves_the_weights_alone():
    ring, plain = encoder(ring=True), encoder(ring=False)
    assert list(ring.state_dict()) == list(plain.state_dict())
    plain.load_state_dict(ring.state_dict(), strict=True)


def test_group_norm_and_widths():
    module = encoder(norm_cfg=dict(type='GN', num_groups=4), bottleneck_channels=24)
    assert module.bottleneck.out_channels == 24
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in module.up_blocks.modules())


def test_bottleneck_of_several_convolutions_has_one_bias():
    module = encoder(bottleneck_channels=(24, 12))
    assert [(conv.out_channels, conv.bias is not None) for conv in module.bottleneck] == [(24, False), (12, True)]
    assert module.encode(torch.randn(1, 3, 64, 128))[1].shape[-2:] == (64, 128)


def test_pretrained_backbone_from_a_file(tmp_path):
    path = tmp_path / 'backbone.pth'
    weights = {name: value + 1 for name, value in build(BACKBONE).state_dict().items()}
    torch.save(weights, path)
    module = encoder(backbone=dict(BACKBONE, init_cfg=dict(type='Pretrained', checkpoint=str(path))))
    module.init_weights()
    torch.testing.assert_close(dict(module.backbone.state_dict()), dict(weights))


def test_missing_pretrained_file_is_named():
    absent = dict(type='Pretrained', checkpoint='weights/absent.pth')
    with pytest.raises(FileNotFoundError, match='weights/absent.pth.*of ResNet are not there'):
        encoder(backbone=dict(BACKBONE, init_cfg=absent)).init_weights()


def test_refusals():
    with pytest.raises(ValueError, match=r'strides \(16, 8, 4, 2, 1\).*\(8, 8\)'):
        encoder(decoder_channels=(8, 8))
    with pytest.raises(ValueError, match=r'up to the coarsest stride 32.*\(1, 64\)'):
        encoder(scales=(1, 64))
    with pytest.raises(ValueError, match='powers of two'):
        encoder(scales=(1, 3))
    with pytest.raises(ValueError, match='multiples of 32.*60 x 128'):
        encoder().encode(torch.zeros(1, 3, 60, 128))


@pytest.mark.parametrize('norm', [None, 4])
def test_a_head_as_a_matrix_product_is_the_convolution(norm, device):
    head = _head(8, 6, norm).to(device).double()
    features = torch.randn(2, 8, 4, 5, device=device, dtype=torch.float64, requires_grad=True)
    got, want = _align(head, features), head(features)
    torch.testing.assert_close(got, want)
    upstream = torch.randn_like(want)
    leaves = (features, *head.parameters())
    for one, other in zip(
        torch.autograd.grad(got, leaves, upstream, retain_graph=True), torch.autograd.grad(want, leaves, upstream)
    ):
        torch.testing.assert_close(one, other)
