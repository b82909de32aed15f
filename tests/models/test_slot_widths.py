"""Slots learn widths, scales, views and grids from their neighbours, and refuse by name what disagrees."""

from __future__ import annotations

from copy import deepcopy

import pytest
from mmdet3d.registry import MODELS
from mmengine.registry import init_default_scope
from torch import nn

import projects.OneOcc.oneocc  # noqa: F401 - registers the parts
from projects.OneOcc.oneocc.models.slot_widths import fill_slots

GRID = dict(shape=(16, 16, 8), voxel_size=0.4, origin=(-3.2, -3.2, -1.2))
COARSE = dict(shape=[8, 8, 4], voxel_size=0.8, origin=[-3.2, -3.2, -1.2])
RESNET = dict(
    type='mmdet.ResNet',
    depth=18,
    base_channels=8,
    stem_channels=8,
    num_stages=3,
    strides=(1, 2, 2),
    dilations=(1, 1, 1),
    out_indices=(0, 1, 2),
)
ENCODER = dict(type='PanoramaEncoder', backbone=RESNET, decoder_channels=(16, 8, 8, 8))


def oneocc(**changes) -> dict:
    """Slots of a small OneOcc that names each width once; `changes` replace keys of slots."""
    slots = dict(
        backbone=dict(type='DualProjectionBackbone', out_channels=8, scales=(1, 4), equi=ENCODER, raw=ENCODER),
        view_transformer=dict(type='BiGridViewTransformer'),
        voxel_encoder=None,
        neck=dict(type='AMoE3DNeck', channels=(8, 16, 32), depths=(1, 1, 1), num_experts=2),
        decode_head=dict(type='SSCHead', num_classes=3, subvoxels=2),
    )
    for slot, settings in changes.items():
        slots[slot] = settings if settings is None or 'type' in settings else {**slots[slot], **settings}
    return slots


def small_baseline(**changes) -> dict:
    slots = oneocc(view_transformer=dict(type='FLoSP'), neck=dict(type='UNet3D'), backbone=dict(raw=None))
    for slot, settings in changes.items():
        slots[slot] = {**slots[slot], **settings}
    return slots


def lidar(neck: str, head: dict) -> dict:
    return dict(
        backbone=None,
        view_transformer=None,
        voxel_encoder=dict(type='PointOccupancyEncoder'),
        neck=dict(type=neck),
        decode_head=dict(num_classes=3, **head),
    )


def test_oneocc_says_each_width_once():
    filled = fill_slots(oneocc(), GRID)
    lifting, neck, head = (filled[name] for name in ('view_transformer', 'neck', 'decode_head'))
    assert lifting['channels'] == 8 and lifting['scales'] == (1, 4) and lifting['views'] == ('equi', 'raw')
    assert lifting['grid'] == COARSE
    assert neck['in_channels'] == neck['polar_channels'] == 8
    assert head['in_channels'] == (8, 16, 32) and 'grid' not in head


def test_what_is_given_stays_and_nothing_outside_is_touched():
    slots = oneocc(view_transformer=dict(views=['equi'], scales=[4]), decode_head=dict(in_channels=[8, 16, 32]))
    before = deepcopy(slots)
    filled = fill_slots(slots, GRID)
    assert slots == before
    assert filled['view_transformer']['views'] == ['equi'] and filled['view_transformer']['scales'] == [4]
    assert fill_slots(filled, GRID) == filled


def test_one_grid_or_one_view_less_reaches_the_neck():
    alone = fill_slots(oneocc(view_transformer=dict(grids=('cartesian',)), backbone=dict(raw=None)), GRID)
    assert alone['view_transformer']['views'] == ('equi',) and 'polar_channels' not in alone['neck']
    folded = fill_slots(oneocc(view_transformer=dict(injection='volume'), neck=dict(type='UNet3D')), GRID)
    assert folded['neck']['channels'] == 8 and folded['decode_head']['in_channels'] == (8, 16, 32)


def test_the_skeleton_in_both_layouts():
    filled = fill_slots(small_baseline(neck=dict(context_prior=dict(type='ContextRelationPrior'))), GRID)
    assert filled['view_transformer']['view'] == 'equi' and filled['view_transformer']['scales'] == (1, 4)
    assert filled['neck']['context_prior']['shape'] == (2, 2, 1)
    half = fill_slots(small_baseline(neck=dict(project_scale=2), decode_head=dict(strides=(1,))), GRID)
    assert half['view_transformer']['project_scale'] == 2 and half['decode_head']['in_channels'] == (4,)


def test_lidar_methods_take_height_classes_and_width():
    lmscnet = fill_slots(lidar('LMSCNet', dict(type='SSCHead', strides=(1, 8))), GRID)
    assert lmscnet['neck']['height'] == 8 and lmscnet['decode_head']['in_channels'] == (1, 1)
    assert lmscnet['voxel_encoder']['grid']['origin'] == [-3.2, -3.2, -1.2]
    rwkv = lidar('OccRWKV', dict(type='OccRWKVHead'))
    rwkv['neck']['width'] = 8
    filled = fill_slots(rwkv, GRID)
    assert filled['neck']['num_classes'] == 3 and filled['decode_head']['width'] == 8
    assert filled['neck']['grid'] == filled['decode_head']['grid'] == filled['voxel_encoder']['grid']
    own = lidar('LMSCNet', dict(type='SSCHead', strides=(1,)))
    own['voxel_encoder']['grid'] = GRID
    assert fill_slots(own)['neck']['height'] == 8


@pytest.mark.parametrize(
    'changes, words',
    [
        (dict(view_transformer=dict(channels=16)), r'view_transformer\.channels: expected 8 \(backbone.out_channels\)'),
        (dict(view_transformer=dict(scales=(1, 2))), r'view_transformer\.scales: expected \(1, 4\).*got \(1, 2\)'),
        (dict(view_transformer=dict(views=('equi', 'rear'))), r"view_transformer\.views: expected \('equi', 'raw'\)"),
        (
            dict(view_transformer=dict(grid=dict(voxel_size=0.4))),
            r'view_transformer\.grid: expected .*0\.8.*got .*0\.4',
        ),
        (dict(neck=dict(in_channels=16)), r'neck\.in_channels: expected 8 \(backbone.out_channels\), got 16'),
        (dict(neck=dict(polar_channels=16)), r'neck\.polar_channels: expected 8'),
        (
            dict(neck=dict(polar_channels=8), view_transformer=dict(grids=('cartesian',))),
            r'neck\.polar_channels: expected None, since .* no polar volumes, got 8',
        ),
        (dict(decode_head=dict(in_channels=8)), r'decode_head\.in_channels: expected \(8, 16, 32\) .*got 8'),
        (dict(decode_head=dict(subvoxels=3)), 'expected'),
    ],
)
def test_disagreement_is_refused_by_name(changes, words):
    with pytest.raises(ValueError, match=words):
        fill_slots(oneocc(**changes), GRID)


def test_a_part_that_needs_a_grid_and_gets_none_says_so():
    with pytest.raises(ValueError, match=r'view_transformer \(BiGridViewTransformer\): expected a grid, got none'):
        fill_slots(oneocc())


class Widening(nn.Module):
    """A lifting of one's own that changes the width and says nothing of it."""

    def __init__(self, grid: dict) -> None:
        super().__init__()


def test_parts_of_ones_own_and_built_modules():
    slots = oneocc(view_transformer=dict(type=Widening), neck=dict(in_channels=99))
    filled = fill_slots(slots, GRID)
    assert filled['neck']['in_channels'] == 99 and filled['view_transformer']['grid'] == COARSE
    slots = small_baseline()
    init_default_scope('mmdet3d')
    slots['backbone'] = MODELS.build(dict(ENCODER, out_channels=8, scales=(1, 4), view='rear'))
    filled = fill_slots(slots, GRID)
    assert filled['backbone'] is slots['backbone']
    assert filled['view_transformer']['view'] == 'rear' and filled['neck']['channels'] == 8


def test_a_segmentor_builds_from_what_is_left():
    init_default_scope('mmdet3d')
    model = MODELS.build(dict(oneocc(), type='OccupancySegmentor', grid=GRID))
    assert model.view_transformer.grid.to_dict() == COARSE
    assert model.view_transformer.polar_grid.z_range == pytest.approx((-1.2, 2.0))
    assert model.neck.polar_channels == 8 and list(model.decode_head.classifiers['4'].parameters())[0].shape[1] == 32
