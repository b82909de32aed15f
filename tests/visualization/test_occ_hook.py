from types import SimpleNamespace
from unittest.mock import MagicMock

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mmdet3d.registry import HOOKS
from mmengine.logging import MMLogger

from projects.OneOcc.core.geometry import EquirectCamera, View
from projects.OneOcc.oneocc.structures import OccDataSample
from projects.OneOcc.oneocc.visualization.occ_hook import spread_over
from tests.visualization.scenes import CLASSES, GRID, PALETTE, town


def run(hook, folder, phase: str, batches: int = 3, batch_size: int = 2, images: bool = True):
    dataset = MagicMock(metainfo={'classes': CLASSES, 'palette': PALETTE})
    dataset.__len__.return_value = batches * batch_size
    runner = SimpleNamespace(
        work_dir=str(folder), epoch=4, timestamp='20260101', **{f'{phase}_dataloader': SimpleNamespace(dataset=dataset)}
    )
    getattr(hook, f'before_{phase}_epoch')(runner)
    for batch in range(batches):
        samples = []
        for i in range(batch_size):
            sample = OccDataSample(
                metainfo={
                    'sample_id': f'seq00/{batch * batch_size + i:06d}',
                    'lighting': 'day',
                    'grid': GRID,
                    'weather': 'clear',
                    'cameras': {'equi': View(EquirectCamera(32, 16), np.eye(4))},
                }
            )
            sample.gt_occ = torch.from_numpy(town())
            sample.pred_occ = torch.zeros_like(sample.gt_occ)
            samples.append(sample)
        imgs = {'equi': [torch.zeros(3, 16, 32, dtype=torch.uint8)] * batch_size} if images else {}
        getattr(hook, f'after_{phase}_iter')(runner, batch, {'inputs': {'imgs': imgs}}, samples)


def test_samples_from_all_over_the_set_are_drawn(tmp_path):
    hook = HOOKS.build(dict(type='OccVisualizationHook', num_samples=3, out_dir=str(tmp_path / 'o')))
    run(hook, tmp_path / 'work', 'test')
    names = sorted(p.name for p in (tmp_path / 'o').iterdir())
    assert names == [f'seq00_00000{i}.{kind}' for i in (1, 3, 5) for kind in ('html', 'png')]


@given(st.integers(1, 50), st.integers(1, 60))
def test_spread_is_even_and_never_more_than_there_is(total, number):
    chosen = spread_over(total, number)
    assert len(set(chosen)) == min(total, number) and 0 <= min(chosen) and max(chosen) < total
    gaps = np.diff([-1, *chosen, total])
    assert gaps[1:-1].size == 0 or gaps[1:-1].max() - gaps[1:-1].min() <= 1


def test_validation_is_drawn_if_asked_for_and_lidar_needs_no_image(tmp_path):
    run(HOOKS.build(dict(type='OccVisualizationHook')), tmp_path, 'val')
    assert not list(tmp_path.iterdir())
    hook = HOOKS.build(dict(type='OccVisualizationHook', val=True, num_samples=1, html=False))
    run(hook, tmp_path, 'val', images=False)
    assert [p.name for p in (tmp_path / 'pictures/val_epoch_4').iterdir()] == ['seq00_000003.png']


def test_default_folder_is_in_the_work_dir(tmp_path):
    run(HOOKS.build(dict(type='OccVisualizationHook', num_samples=1, html=False)), tmp_path, 'test')
    assert [p.name for p in (tmp_path / 'pictures').iterdir()] == ['seq00_000003.png']


def test_refusal():
    with pytest.raises(ValueError, match='num_samples'):
        HOOKS.build(dict(type='OccVisualizationHook', num_samples=0))
    with pytest.raises(ValueError, match='out_dir or test_out_dir'):
        HOOKS.build(dict(type='OccVisualizationHook', out_dir='a', test_out_dir='b'))


def test_it_waits_for_the_keywords_of_mmdet3ds_test_script(tmp_path):
    config = dict(type='OccVisualizationHook', draw=False, val=True, num_samples=1, html=False)
    for phase in ('test', 'val'):
        run(HOOKS.build(config), tmp_path, phase)
    assert not list(tmp_path.iterdir())
    switched_on = dict(config, draw=True, test_out_dir='shown', vis_task='mono_det', score_thr=0.1)
    run(HOOKS.build(switched_on), tmp_path, 'test')
    assert [str(p.relative_to(tmp_path)) for p in tmp_path.rglob('*.png')] == ['20260101/shown/seq00_000003.png']


def test_show_says_where_the_pictures_are(tmp_path, caplog):
    hook = HOOKS.build(
        dict(type='OccVisualizationHook', draw=True, show=True, wait_time=2.0, num_samples=1, html=False)
    )
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    run(hook, tmp_path, 'test')
    logger.removeHandler(caplog.handler)
    assert f'no window is opened for show=True; pictures of some samples go to {tmp_path}/pictures' in caplog.text
