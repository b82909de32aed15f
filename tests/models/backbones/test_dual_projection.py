"""DP-ER: two views, aligned maps, a panorama without a seam."""

import pytest
import torch
from mmdet3d.registry import MODELS
from mmengine.registry import init_default_scope

from tests.models import tiny_oneocc as tiny
from tests.models import two_view_rig as rig

BACKBONES = dict(resnet=tiny.RESNET, efficientnet=tiny.EFFICIENTNET, mobilenet=tiny.MOBILENET)


def build(device, **changes):
    init_default_scope('mmdet3d')
    backbone = MODELS.build(tiny.backbone_config(**changes)).to(device)
    backbone.init_weights()
    return backbone


def warm_statistics(backbone, imgs) -> None:
    """Normalisation statistics of real activations: fresh ones let the signal fade to nothing."""
    for layer in backbone.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 1.0
    backbone.train()
    with torch.no_grad():
        backbone(imgs)
    backbone.eval()


def assert_rolls(backbone, image, step, rolls) -> None:
    with torch.no_grad():
        base = backbone(dict(equi=image))['equi']
        for k in rolls:
            rolled = backbone(dict(equi=image.roll(k * step, -1)))['equi']
            for scale, feature in base.items():
                want = feature.roll(k * step // scale, -1)
                worst = (rolled[scale] - want).abs().max() / want.abs().max()
                assert worst < 1e-4, (scale, k, worst.item())
                assert want.std(dim=-1).max() > 1e-3  # not a constant, which any roll leaves alone


def test_builds_alone_and_returns_aligned_maps(device):
    backbone = build(device)
    features = backbone(rig.images(2, device))
    for view, (height, width) in rig.image_sizes().items():
        assert {s: tuple(f.shape) for s, f in features[view].items()} == {
            s: (2, 8, height // s, width // s) for s in (1, 4, 8, 16)
        }
    sum(f.square().mean() for maps in features.values() for f in maps.values()).backward()
    assert all(p.grad is not None for p in backbone.parameters())


def test_without_the_annulus(device):
    backbone = build(device, raw=None)
    assert backbone.views == ('equi',)
    assert set(backbone(rig.images(1, device))) == {'equi'}


def test_missing_view_is_named(device):
    with pytest.raises(ValueError, match='raw'):
        build(device)(dict(equi=rig.images(1, device)['equi']))


@pytest.mark.parametrize('name', list(BACKBONES))
def test_rolling_the_panorama_rolls_every_map(device, name):
    backbone = build(device, equi=BACKBONES[name], raw=None)
    image = torch.randn(1, 3, 64, 256, device=device)
    warm_statistics(backbone, dict(equi=image))
    assert_rolls(backbone, image, 32, (1, 3))


def test_without_ring_the_seam_shows(device):
    """The test above can fail: the same network with zeros at the border does not roll."""
    backbone = build(device, raw=None, ring=False)
    image = torch.randn(1, 3, 64, 256, device=device)
    warm_statistics(backbone, dict(equi=image))
    with pytest.raises(AssertionError):
        assert_rolls(backbone, image, 32, (1,))


def test_ring_leaves_the_weights_their_names(device):
    assert set(build(device).state_dict()) == set(build(device, ring=False).state_dict())


def test_channels_last_changes_the_layout_only(device):
    first, second = build(device), build(device, channels_last=False)
    second.load_state_dict(first.state_dict())
    imgs = rig.images(1, device)
    first.eval(), second.eval()
    with torch.no_grad():
        a, b = first(imgs), second(imgs)
    for view in a:
        for scale in a[view]:
            torch.testing.assert_close(a[view][scale], b[view][scale], atol=1e-4, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    'backbone',
    [dict(type='mmdet.EfficientNet', arch='b7', out_indices=(1, 2, 3, 4, 5)), dict(type='mmdet.ResNet', depth=50)],
    ids=['efficientnet-b7', 'resnet50'],
)
def test_rolling_at_full_size(device, backbone):
    encoder = build(device, equi=backbone, raw=None)
    image = torch.randn(1, 3, 608, 1216, device=device)
    warm_statistics(encoder, dict(equi=image))
    assert_rolls(encoder, image, 32, (5,))
