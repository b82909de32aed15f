"""Parameters of the networks against those that the official code has at the same size.

MonoScene's 3D network there owns three shortcuts in each bottleneck of stride 1 that nothing uses: 12,384
parameters at 64 features, 12,672 more in the context prior. Ours is compared without them.
"""

from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

import pytest
import torch
from mmengine.config import Config
from torch import nn

from projects.OneOcc.oneocc.baselines import LMSCNet
from projects.OneOcc.oneocc.models.layers.aspp3d import ASPPHead3D
from projects.OneOcc.oneocc.models.necks.unet3d import UNet3D
from tests.models.small_baseline import build

BASES = Path(__file__).parents[2] / 'configs/_base_'
UNUSED, UNUSED_IN_PRIOR = 12_384, 12_672


def parameters(*modules) -> int:
    return sum(p.numel() for module in modules for p in module.parameters())


def undrawn(config: dict) -> nn.Module:
    """A model whose first weights are whatever the memory held: drawing 200 million of them takes seconds."""
    with ExitStack() as stack:
        for draw in ('uniform_', 'normal_'):
            stack.enter_context(patch.object(torch.Tensor, draw, lambda tensor, *args, **options: tensor))
        return build(config)


@pytest.mark.parametrize(
    'height, classes, scales, expected',
    [
        (8, 7, 4, 69_766),
        (8, 11, 4, 73_238),
        (16, 11, 4, 135_720),
        (32, 20, 4, 393_128),
        (8, 7, 1, 33_145),
        (8, 11, 1, 34_013),
        (16, 11, 1, 96_495),
        (32, 20, 1, 348_044),
    ],
)
def test_lmscnet(height, classes, scales, expected):
    assert parameters(LMSCNet(height), *(ASPPHead3D(1, 8, classes) for _ in range(scales))) == expected


@pytest.mark.parametrize(
    'scene, classes, expected',
    [
        (None, 7, 1_515_751),
        ((64, 64, 16), 7, 16_364_711),
        ((128, 128, 16), 7, 16_414_055),
        ((256, 256, 32), 7, 16_874_599),
        ((256, 256, 32), 20, 16_885_844),
    ],
)
def test_monoscene_in_three_dimensions(scene, classes, expected):
    prior = scene and dict(type='mmdet3d.ContextRelationPrior', shape=tuple(size // 8 for size in scene))
    unused = UNUSED + (UNUSED_IN_PRIOR if scene else 0)
    assert parameters(UNet3D(64, 2, context_prior=prior), ASPPHead3D(32, 32, classes)) == expected - unused


VOXFORMER_UNUSED = dict(
    resnet_stage_4=14_964_736,  # built there and never read
    level_embeddings=3 * 128,  # of four levels there is one
    self_attention_levels=4 * 128,  # of the self-attention, which has none
)


@pytest.mark.parametrize('frames, expected', [(1, 58_179_988), (5, 58_181_012)])
def test_voxformer_at_its_published_size(frames, expected):
    """128x128x16 queries, folded into a plane of 512x512, 20 classes; the queries of stage 1 are files there.

    There the self-attention owns embeddings of the views, too, one a frame.
    """
    model = Config.fromfile(BASES / f'runs/voxformer-{"s" if frames == 1 else "t"}.py').model
    model.view_transformer.update(proposal_network=None, proposal_weights=None)
    model.decode_head.num_classes = 19
    model.grid = dict(shape=(256, 256, 32), voxel_size=0.2, origin=(0.0, -25.6, -2.0))
    ours = parameters(undrawn(model))
    assert ours + sum(VOXFORMER_UNUSED.values()) + frames * 128 == expected


def test_stage_1_of_voxformer_at_its_published_size():
    """The official network owns two transposed convolutions that nothing calls."""
    unused = 4 * 4 * 8 * 8 + 4 + 8 * 8 * 4 * 4 + 8
    assert parameters(build(dict(type='QueryProposalNetwork', height=32))) + unused == 317_594


OCCFORMER_OFFICIAL = dict(
    backbone=63_786_960,
    neck=1_807_616,
    depth_net=43_432_644,
    encoder=81_429_184,
    pixel_decoder=4_073_280,
    head=8_154_440,
)


def test_occformer_at_its_published_size():
    """Two differences, both of the depth network: panoramas are all alike, so nothing gates the features by the
    camera; and radial bins up to 18.25 m are 72, not 112. The camera's 33 numbers enter a norm and two perceptrons
    of 640 units, whose outputs gate the features by two pairs of 1x1 convolutions."""
    model = Config.fromfile(BASES / 'models/occformer.py').model
    model.grid = dict(shape=(64, 64, 8), voxel_size=0.4, origin=(-12.8, -12.8, -1.2))
    built = undrawn(model)
    width = 640
    gates = 2 * 33 + 2 * (33 * width + width + width * width + width) + 4 * (width * width + width)
    found = dict(
        backbone=built.backbone.backbone,
        neck=built.backbone.neck,
        depth_net=built.view_transformer.depth_net,
        encoder=built.neck.encoder,
        pixel_decoder=built.neck.pixel_decoder,
        head=built.decode_head,
    )
    numbers = {name: parameters(module) for name, module in found.items()}
    numbers['depth_net'] += gates + (112 - 72) * (width + 1)
    assert numbers == OCCFORMER_OFFICIAL


SGN_UNUSED = dict(
    resnet_last_stage=VOXFORMER_UNUSED['resnet_stage_4'],
    scale_selections=66_320,  # a linear layer in each of three contexts
    transposed_convolutions=4 * 4 * 8 * 8 + 4 + 8 * 8 * 4 * 4 + 8,  # of LMSCNet, to the resolution of the points
)


@pytest.mark.parametrize('variant', ['s', 't'])
def test_sgn_at_its_published_size(variant):
    """128x128x16 voxels, points on 256x256x32, 20 classes; S and T are one network."""
    model = Config.fromfile(BASES / f'runs/sgn-{variant}.py').model
    model.decode_head.num_classes = 19
    model.grid = dict(shape=(256, 256, 32), voxel_size=0.2, origin=(0.0, -25.6, -2.0))
    assert parameters(undrawn(model)) + sum(SGN_UNUSED.values()) == 28_157_507
