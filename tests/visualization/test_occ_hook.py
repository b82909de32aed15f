from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmdet3d.registry import HOOKS

from projects.OneOcc.core.geometry import EquirectCamera, View
from projects.OneOcc.oneocc.structures import OccDataSample
from tests.visualization.scenes import CLASSES, GRID, PALETTE, town


def run(hook, folder, phase: str, batches: int = 3, batch_size: int = 2, images: bool = True):
    dataset = SimpleNamespace(metainfo={'classes': CLASSES, 'palette': PALETTE})
    runner = SimpleNamespace(work_dir=str(folder), epoch=4, **{f'{phase}_dataloader': SimpleNamespace(dataset=dataset)})
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


def test_first_samples_of_a_test_are_drawn(tmp_path):
    hook = HOOKS.build(dict(type='OccVisualizationHook', num_samples=3, out_dir=str(tmp_path / 'o')))
    run(hook, tmp_path / 'work', 'test')
    names = sorted(p.name for p in (tmp_path / 'o').iterdir())
    assert names == [f'seq00_00000{i}.{kind}' for i in range(3) for kind in ('html', 'png')]


def test_validation_is_drawn_if_asked_for_and_lidar_needs_no_image(tmp_path):
    run(HOOKS.build(dict(type='OccVisualizationHook')), tmp_path, 'val')
    assert not list(tmp_path.iterdir())
    hook = HOOKS.build(dict(type='OccVisualizationHook', val=True, num_samples=1, html=False))
    run(hook, tmp_path, 'val', images=False)
    assert [p.name for p in (tmp_path / 'pictures/val_epoch_4').iterdir()] == ['seq00_000000.png']


def test_default_folder_is_in_the_work_dir(tmp_path):
    run(HOOKS.build(dict(type='OccVisualizationHook', num_samples=1, html=False)), tmp_path, 'test')
    assert [p.name for p in (tmp_path / 'pictures').iterdir()] == ['seq00_000000.png']


def test_refusal():
    with pytest.raises(ValueError, match='num_samples'):
        HOOKS.build(dict(type='OccVisualizationHook', num_samples=0))
