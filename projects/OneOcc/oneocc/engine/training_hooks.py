"""Small hooks around the training iteration."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from mmdet3d.registry import HOOKS
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from tqdm import tqdm

from ..models.heads.occ_head import OccHead


class NonFiniteLossError(ArithmeticError):
    """A loss became NaN or infinite; the text names its terms and the samples."""


@HOOKS.register_module()
class ClassCountsHook(Hook):
    """Gives the label counts of the training set to the decode head, which weights its loss by them.

    Raises:
        ValueError: the training set's metainfo carries no `class_counts`.
        TypeError: the decode head is no `OccHead`.
    """

    def before_train(self, runner) -> None:
        dataset = runner.train_dataloader.dataset
        counts = dataset.metainfo.get('class_counts')
        if counts is None:
            raise ValueError(
                "expected 'class_counts' in the metainfo of the training set, got "
                f'{sorted(dataset.metainfo)}; build the set with '
                'data_converters/create_data.py, or drop ClassCountsHook'
            )
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        head = getattr(model, 'decode_head', None)
        if not isinstance(head, OccHead):
            raise TypeError(
                f'expected a decode head that derives from OccHead, got {type(head).__name__}; derive yours, or drop '
                'ClassCountsHook'
            )
        head.set_class_counts(counts)


@HOOKS.register_module()
class NonFiniteLossHook(Hook):
    """Ends the run at the first NaN or infinite loss, before any checkpoint could store its effect.

    Raises:
        NonFiniteLossError: with the iteration, the loss terms and the ids of the samples.
    """

    priority = 'VERY_HIGH'

    def after_train_iter(
        self, runner, batch_idx: int, data_batch: dict | None = None, outputs: dict | None = None
    ) -> None:
        assert outputs is not None  # a training loop hands on what the step gave
        total = _number(outputs['loss'])
        if math.isfinite(total):
            return
        terms = {
            name: _number(value)
            for name, value in outputs.items()
            if isinstance(value, float) or torch.is_tensor(value) and value.numel() == 1
        }
        raise NonFiniteLossError(
            f'iteration {runner.iter + 1}: expected a finite loss, got {terms} '
            f'on the samples {sample_ids(data_batch)}; no checkpoint was written after it'
        )


def _number(loss: float | torch.Tensor) -> float:
    return float(loss.detach()) if torch.is_tensor(loss) else float(loss)


def sample_ids(data_batch: dict | None) -> list[str]:
    """The ids of the samples of a batch, '?' where one has none."""
    samples: Sequence = (data_batch or {}).get('data_samples') or []
    return [str(getattr(sample, 'sample_id', '?')) for sample in samples]


@HOOKS.register_module()
class ProgressBarHook(Hook):
    """One moving line with the iteration, the loss and the time left; for runs that people watch."""

    priority = 'LOW'

    def __init__(self) -> None:
        self._bar: tqdm | None = None

    def _open(self, total: int, done: int, title: str) -> None:
        self._close()
        if is_main_process():
            self._bar = tqdm(total=total, initial=done, desc=title, dynamic_ncols=True, mininterval=0.5, leave=True)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def on_error(self, runner) -> None:
        self._close()  # so that what is said next stands on a line of its own

    def before_train(self, runner) -> None:
        self._open(runner.max_iters, runner.iter, 'train')

    def after_train_iter(
        self, runner, batch_idx: int, data_batch: dict | None = None, outputs: dict | None = None
    ) -> None:
        if self._bar is not None and outputs is not None:
            self._bar.set_postfix(epoch=runner.epoch + 1, loss=f'{_number(outputs["loss"]):.3f}', refresh=False)
            self._bar.update()

    def after_train(self, runner) -> None:
        self._close()

    def before_test_epoch(self, runner) -> None:
        self._open(len(runner.test_dataloader), 0, 'test')

    def after_test_iter(
        self, runner, batch_idx: int, data_batch: dict | None = None, outputs: Sequence | None = None
    ) -> None:
        if self._bar is not None:
            self._bar.update()

    def after_test_epoch(self, runner, metrics: dict | None = None) -> None:
        self._close()
