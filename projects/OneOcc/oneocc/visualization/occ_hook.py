"""Pictures of some samples while a model is validated or tested."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from mmdet3d.registry import HOOKS
from mmengine.dist import get_world_size, is_main_process
from mmengine.hooks import Hook
from mmengine.logging import print_log

from ...core.formats.paths import flat_name, inside
from .html import panorama_of, write_html
from .sheet import comparison_sheet, write_picture


@HOOKS.register_module()
class OccVisualizationHook(Hook):
    """Saves a comparison sheet (PNG) and a viewer page (HTML) of samples from all over the set.

    The files are called after the sample, ``/`` replaced by ``_``. In distributed runs the first
    process shows samples of its own.

    Args:
        out_dir: folder for the test's pictures; ``<work_dir>/pictures`` by default. Validation
            writes to ``<work_dir>/pictures/val_epoch_<n>``.
        num_samples: how many samples, spread evenly over the set: a set begins with many frames of one ride.
        val: also draw while validating during training.
        html: also write the page.
        unknown: 'hide', 'empty' or 'show' unknown voxels.
        draw: False is a hook that does nothing until mmdet3d's `test.py --show-dir` switches it on.
        test_out_dir: what that tool's `--show-dir` becomes: a folder below `<work_dir>/<timestamp>`,
            as for mmdet3d's own hook; an absolute path is taken as it is.
        show, wait_time: no window is opened for `--show`; a warning says where the files are.
        vis_task, score_thr: what that tool always sets; there is one task here, and nothing to threshold.
    """

    priority = 'LOW'

    def __init__(
        self,
        out_dir: str | None = None,
        num_samples: int = 8,
        val: bool = False,
        html: bool = True,
        unknown: str = 'hide',
        draw: bool = True,
        test_out_dir: str | None = None,
        show: bool = False,
        wait_time: float = 0.0,
        vis_task: str | None = None,
        score_thr: float | None = None,
    ) -> None:
        if out_dir is not None and test_out_dir is not None:
            raise ValueError(f'expected out_dir or test_out_dir, got both: {out_dir!r} and {test_out_dir!r}')
        if num_samples < 1:
            raise ValueError(f'num_samples: expected at least 1, got {num_samples}')
        self.out_dir = out_dir
        self.num_samples = num_samples
        self.val = val
        self.html = html
        self.unknown = unknown
        self.draw = draw
        self.test_out_dir = test_out_dir
        self.show = show
        self._passed, self._wanted = 0, frozenset[int]()

    def before_test_epoch(self, runner) -> None:
        self._choose(runner.test_dataloader, self.draw)
        if self.draw:
            word = 'no window is opened for show=True; ' if self.show else ''
            level = logging.WARNING if self.show else logging.INFO
            print_log(f'{word}pictures of some samples go to {self._test_folder(runner)}', 'current', level)

    def before_val_epoch(self, runner) -> None:
        self._choose(runner.val_dataloader, self.val and self.draw)

    def _choose(self, loader, draw: bool) -> None:
        """Which of this process's samples are drawn."""
        self._passed = 0
        total = -(-len(loader.dataset) // get_world_size())
        self._wanted = frozenset(spread_over(total, self.num_samples)) if draw else frozenset()

    def after_test_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        if self._wanted:
            self._draw(self._test_folder(runner), runner.test_dataloader.dataset.metainfo, data_batch, outputs)

    def _test_folder(self, runner) -> Path:
        if self.test_out_dir is not None:
            return Path(runner.work_dir) / runner.timestamp / self.test_out_dir
        return Path(self.out_dir or Path(runner.work_dir) / 'pictures')

    def after_val_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        folder = Path(runner.work_dir) / f'pictures/val_epoch_{runner.epoch}'
        self._draw(folder, runner.val_dataloader.dataset.metainfo, data_batch, outputs)

    def _draw(self, folder: Path, metainfo: Mapping, data_batch, outputs: Sequence) -> None:
        if not is_main_process():
            return
        batch_images = data_batch['inputs'].get('imgs', {})
        for index, sample in enumerate(outputs):
            if self._passed + index in self._wanted:
                images = {view: image_of(batch[index]) for view, batch in batch_images.items()}
                draw_sample(folder, sample, images, metainfo, self.html, self.unknown)
        self._passed += len(outputs)


def spread_over(total: int, number: int) -> list[int]:
    """Indices of at most `number` of `total` samples, each in the middle of an equal share of them."""
    number = min(number, total)
    return [(2 * k + 1) * total // (2 * number) for k in range(number)]


def draw_sample(
    folder: Path, sample, images: Mapping[str, np.ndarray], metainfo: Mapping, html: bool = True, unknown: str = 'hide'
) -> Path:
    """Write the sheet, and the page if wanted, of an ``OccDataSample``. Returns the sheet's path.

    Args:
        folder: where to write.
        sample: with ``gt_occ``, ``pred_occ`` or both, and ``sample_id``, ``cameras``, ``grid`` in
            its metainfo.
        images: view -> (H, W, 3) uint8 RGB.
        metainfo: of the dataset: ``classes`` and ``palette``.
    """
    volumes = {
        name: getattr(sample, field)
        for name, field in (('ground truth', 'gt_occ'), ('prediction', 'pred_occ'))
        if field in sample
    }
    grid, classes, palette = sample.grid, metainfo['classes'], metainfo['palette']
    words = [sample.get(key) for key in ('lighting', 'weather')]
    title = '   '.join([sample.sample_id, ', '.join(w for w in words if w)])
    sheet = comparison_sheet(
        images,
        sample.cameras,
        volumes.get('ground truth'),
        volumes.get('prediction'),
        grid,
        palette,
        classes,
        title,
        unknown,
    )
    stem = inside(folder, flat_name(sample.sample_id), 'sample_id')
    if html:
        page = stem.with_name(f'{stem.name}.html')
        write_html(page, volumes, grid, palette, classes, title, unknown, panorama_of(images, sample.cameras))
    return write_picture(stem.with_name(f'{stem.name}.png'), sheet)


def image_of(tensor: torch.Tensor) -> np.ndarray:
    """(3, H, W) uint8 as packed by the pipeline to an (H, W, 3) array."""
    return np.ascontiguousarray(tensor.permute(1, 2, 0).cpu().numpy())
