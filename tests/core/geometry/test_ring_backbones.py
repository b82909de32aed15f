"""Real backbones become rings: rolling by the coarsest stride rolls every feature map."""

import copy

import pytest
import torch

from projects.OneOcc.core.geometry import make_ring_continuous

pytest.importorskip('mmdet')
BACKBONES = {
    'efficientnet-b0': dict(type='mmdet.EfficientNet', arch='b0', out_indices=(0, 1, 2, 3, 4, 5, 6)),
    'resnet18': dict(type='mmdet.ResNet', depth=18, out_indices=(0, 1, 2, 3)),
    'resnet50-d': dict(type='mmdet.ResNetV1d', depth=50, base_channels=16, out_indices=(0, 1, 2, 3)),
    'mobilenet-v2': dict(type='mmdet.MobileNetV2', out_indices=(1, 2, 4, 6)),
}


def fill_batch_statistics(backbone: torch.nn.Module, x: torch.Tensor) -> None:
    """One training pass with momentum 1: random weights without it let deep features die away."""
    for layer in backbone.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 1.0
    backbone.train()
    backbone(x)
    backbone.eval()


@pytest.mark.parametrize('config', BACKBONES.values(), ids=BACKBONES.keys())
def test_every_feature_map_rolls(config):
    import mmdet.models  # noqa: F401  (registers the backbones)
    from mmdet3d.registry import MODELS

    backbone = MODELS.build(copy.deepcopy(config))
    x = torch.randn(1, 3, 64, 128)
    with torch.no_grad():
        fill_batch_statistics(backbone, x)
        weights = copy.deepcopy(backbone.state_dict())
        flat = backbone(x)
        make_ring_continuous(backbone)
        maps, rolled = backbone(x), backbone(x.roll(32, -1))
    assert weights.keys() == backbone.state_dict().keys()
    seams = []
    for before, y, moved in zip(flat, maps, rolled):
        assert y.shape == before.shape
        expected = y.roll(32 * y.shape[-1] // 128, -1)
        assert float((moved - expected).abs().max() / y.abs().max()) < 1e-4
        seams.append(float((y - before).abs().max() / y.abs().max()))
    assert min(seams) > 0.01  # without the ring the seam would have been another one
