"""From the views of a data set to the transforms that load them."""

from __future__ import annotations

import json
import logging

import pytest
from mmengine.config import Config
from mmengine.logging import MMLogger

from projects.OneOcc.oneocc.datasets import PALOccDataset, QuadOccDataset
from projects.OneOcc.oneocc.datasets.class_colours import default_palette
from projects.OneOcc.oneocc.datasets.views import loading_steps, whole_pipeline

GRID = {'shape': [16, 16, 4], 'voxel_size': 0.8, 'origin': [-6.4, -6.4, -1.2]}
EQUI = dict(height=32, width=64, unwrap_from='raw')
PACK = [dict(type='PackOccInputs')]


def names(steps) -> list[str]:
    return [step['type'] for step in steps]


def test_a_stored_and_an_unwrapped_view():
    steps = loading_steps(dict(raw=dict(height=16, width=32), equi=dict(EQUI, elevation_max_deg=30)), grid=GRID)
    assert steps == [
        dict(type='LoadPanorama', views=('raw',)),
        dict(type='LoadOccupancy', grid=GRID),
        dict(type='UnwrapPanorama', height=32, width=64, elevation_max_deg=30),
        dict(type='ResizeView', view='raw', height=16, width=32),
    ]


def test_a_view_that_is_unwrapped_and_dropped_is_not_resized():
    steps = loading_steps(dict(raw=dict(height=16, width=32, keep=False), equi=EQUI))
    assert names(steps) == ['LoadPanorama', 'LoadOccupancy', 'UnwrapPanorama']
    assert steps[-1]['keep_raw'] is False


def test_points_and_the_pose_of_the_body():
    assert names(loading_steps(None, points={})) == ['LoadOccupancy', 'LoadLiDARPoints']
    steps = loading_steps(dict(equi={}), points=dict(lidar='top'), body_pose=True)
    assert names(steps) == ['LoadPanorama', 'LoadOccupancy', 'LoadLiDARPoints', 'UseBodyPose']
    assert steps[2]['lidar'] == 'top'


def test_other_names_and_a_view_that_a_child_took_away():
    steps = loading_steps(dict(fish={}, pano=dict(EQUI, unwrap_from='fish'), raw=None))
    assert steps[-1] == dict(type='UnwrapPanorama', height=32, width=64, source='fish', target='pano')
    assert steps[0]['views'] == ('fish',)


@pytest.mark.parametrize(
    'views, words',
    [
        (dict(raw=dict(hight=3)), r"view 'raw': expected settings among .*got \['hight'\]"),
        (dict(raw=dict(height=3)), 'expected height and width'),
        (dict(equi=EQUI), r"unwrap_from to be a view on disk, one of \[\], got 'raw'"),
        (dict(raw={}, equi=dict(unwrap_from='raw')), 'unwrapping needs height and width'),
        (dict(raw=dict(keep=False)), 'keep=False'),
        (dict(equi=dict(elevation_min_deg=-30)), 'need unwrap_from'),
    ],
)
def test_refuses_views_that_cannot_be_loaded(views, words):
    with pytest.raises(ValueError, match=words):
        loading_steps(views)
    with pytest.raises(ValueError, match=words):
        PALOccDataset('infos_train.json', views=views, lazy_init=True)


def test_body_pose_needs_a_camera():
    with pytest.raises(ValueError, match='expected views, got none'):
        loading_steps(None, points={}, body_pose=True)


def test_dicts_merge_where_lists_do_not(tmp_path):
    (tmp_path / 'base.py').write_text(
        f'loader = dict(dataset=dict(views=dict(raw=dict(), equi={EQUI}), pipeline={PACK}))'
    )
    (tmp_path / 'child.py').write_text(
        "_base_ = 'base.py'\nloader = dict(dataset=dict(views=dict(equi=dict(height=16))))"
    )
    dataset = Config.fromfile(tmp_path / 'child.py').loader.dataset
    assert names(whole_pipeline(dataset)) == ['LoadPanorama', 'LoadOccupancy', 'UnwrapPanorama', 'PackOccInputs']
    assert whole_pipeline(dataset)[2]['height'] == 16


def test_views_load_what_a_pipeline_by_hand_loads(quad_root):
    by_hand = [
        dict(type='LoadPanorama', views=('raw',)),
        dict(type='LoadOccupancy', grid=GRID),
        dict(type='UnwrapPanorama', height=32, width=64),
        dict(type='PackOccInputs'),
    ]
    want = QuadOccDataset('infos_train.json', str(quad_root), pipeline=by_hand)[0]
    got = QuadOccDataset('infos_train.json', str(quad_root), pipeline=PACK, views=dict(raw={}, equi=EQUI), grid=GRID)[0]
    assert got['data_samples'].gt_occ.equal(want['data_samples'].gt_occ)
    assert want['inputs']['imgs'].keys() == got['inputs']['imgs'].keys() == {'raw', 'equi'}
    assert all(image.equal(want['inputs']['imgs'][view]) for view, image in got['inputs']['imgs'].items())


def test_a_pipeline_that_loads_for_itself_is_taken_as_it_stands(quad_root, caplog):
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    with caplog.at_level(logging.INFO):
        dataset = QuadOccDataset(
            'infos_train.json',
            str(quad_root),
            pipeline=[dict(type='LoadPanorama'), dict(type='LoadOccupancy'), *PACK],
            views=dict(raw={}, equi=EQUI),
        )
    logger.removeHandler(caplog.handler)
    assert dataset[0]['inputs']['imgs'].keys() == {'raw'}
    assert "the pipeline loads for itself, ['views'] are left aside" in caplog.text


@pytest.mark.parametrize(
    'change, words',
    [
        (dict(origin=[-6.4, -6.4, -1.6]), r'expected labels on the grid .*-1\.6.*but the set has .*-1\.2'),
        (dict(voxel_size=0.4), r'expected labels on the grid .*0\.4.*but the set has .*0\.8'),
        (dict(shape=[8, 8, 4]), r"no grid '8x8x4'; it has \['16x16x4'\]"),
    ],
)
def test_another_grid_than_the_set_has_is_refused_before_any_frame(quad_root, change, words):
    with pytest.raises(ValueError, match=words):
        QuadOccDataset('infos_train.json', str(quad_root), grid={**GRID, **change})


def test_classes_of_ones_own_need_no_palette(quad_root):
    meta = PALOccDataset('infos_train.json', str(quad_root)).metainfo
    assert meta['palette'] == default_palette(6) and len(set(meta['palette'])) == 6
    assert QuadOccDataset('infos_train.json', str(quad_root)).metainfo['palette'][0] == (100, 150, 245)


def test_a_palette_of_ones_own_must_fit_its_classes(quad_root):
    own = dict(palette=[(0, 0, 0)])
    with pytest.raises(ValueError, match='expected 6 colours for its classes, got 1'):
        PALOccDataset('infos_train.json', str(quad_root), metainfo=own)


def test_default_colours_are_distinct_and_stay():
    colours = default_palette(40)
    assert len(set(colours)) == 40 and default_palette(7) == colours[:7]
    assert all(0 <= value <= 255 for colour in colours for value in colour)


def test_another_class_list_for_a_known_set_needs_no_palette_either(quad_root):
    path = quad_root / 'infos_train.json'
    infos = json.loads(path.read_text())
    own = [*infos['metainfo']['classes'], 'drone']
    infos['metainfo'].update(classes=own, class_counts=[*infos['metainfo']['class_counts'], 0])
    path.write_text(json.dumps(infos))
    meta = QuadOccDataset('infos_train.json', str(quad_root), metainfo=dict(classes=own)).metainfo
    assert meta['palette'] == default_palette(7)
