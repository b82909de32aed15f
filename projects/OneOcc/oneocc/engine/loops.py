"""Training loops that continue where a checkpoint was taken, within an epoch too."""

from __future__ import annotations

from mmdet3d.registry import LOOPS
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop
from torch.utils.data import DataLoader

from .norm_statistics import average_norm_statistics
from .sampling import positioned_loader


def _build_loader(runner, dataloader: DataLoader | dict, endless: bool) -> DataLoader:
    if isinstance(dataloader, dict):
        apart = runner._randomness_cfg.get('diff_rank_seed', False)
        dataloader = runner.build_dataloader(dataloader, seed=runner.seed, diff_rank_seed=apart)
    return positioned_loader(dataloader, runner.seed, endless)


def _validate_if_due(loop, count: int, last: int) -> None:
    """Validates after `count` epochs or iterations; training draws as if nothing had happened.

    A validation that the checkpoint resumed from already holds is not repeated: schedules that follow the
    metric and early stopping have taken their step on it.
    """
    loop._decide_current_val_interval()
    due = (
        loop.runner.val_loop is not None
        and not loop.runner.is_validated
        and count >= loop.val_begin
        and (count % loop.val_interval == 0 or count == last)
    )
    if due:
        average_norm_statistics(loop.runner.model)
        with loop.runner.keeping_random_state():
            loop.runner.val_loop.run()
            loop.runner.note_validation()
            loop.runner.call_hook('after_validation')


@LOOPS.register_module()
class ResumableEpochLoop(EpochBasedTrainLoop):
    """`EpochBasedTrainLoop` whose resumed run equals the uninterrupted one bit for bit.

    A checkpoint within an epoch continues with the next batch; the skipped ones are not loaded. A
    checkpoint at the end of an epoch is validated first, if the interruption came before or during that
    validation. With gradient accumulation, take checkpoints at multiples of
    `accumulative_counts`: gradients of a half-finished step are not stored.
    """

    tells_after_validation = True  # to hooks, when all of them have seen the metrics

    def __init__(self, runner, dataloader: DataLoader | dict, **kwargs) -> None:
        super().__init__(runner, _build_loader(runner, dataloader, endless=False), **kwargs)

    def run(self):
        self.runner.call_hook('before_train')
        if self._iter == self._epoch * len(self.dataloader):
            if self._epoch > 0:
                _validate_if_due(self, self._epoch, self._max_epochs)
            self.runner.restore_random_state()
        while self._epoch < self._max_epochs and not self.stop_training:
            self.run_epoch()
            _validate_if_due(self, self._epoch, self._max_epochs)
        self.runner.call_hook('after_train')
        return self.runner.model

    def run_epoch(self) -> None:
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        first = self._iter - self._epoch * len(self.dataloader)
        self.dataloader.batch_sampler.seek(self._epoch, first)
        self.runner.restore_random_state()
        for index, data_batch in enumerate(self.dataloader, first):
            self.run_iter(index, data_batch)
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1


class _NotIterated:
    """Shows `IterBasedTrainLoop` the dataset, but starts no workers for an iterator nobody uses."""

    def __init__(self, loader: DataLoader) -> None:
        self.dataset = loader.dataset

    def __iter__(self):
        return iter(())


@LOOPS.register_module()
class ResumableIterLoop(IterBasedTrainLoop):
    """`IterBasedTrainLoop` that skips indices instead of loading all past batches again."""

    tells_after_validation = True

    def __init__(self, runner, dataloader: DataLoader | dict, **kwargs) -> None:
        loader = _build_loader(runner, dataloader, endless=True)
        super().__init__(runner, _NotIterated(loader), **kwargs)
        self.dataloader = loader

    def run(self):
        self.runner.call_hook('before_train')
        self.runner.call_hook('before_train_epoch')
        if self._iter > 0:
            _validate_if_due(self, self._iter, self._max_iters)
        self.dataloader.batch_sampler.seek(0, self._iter)
        self.runner.restore_random_state()
        batches = iter(self.dataloader)
        while self._iter < self._max_iters and not self.stop_training:
            self.runner.model.train()
            self.run_iter(next(batches))
            _validate_if_due(self, self._iter, self._max_iters)
        self.runner.call_hook('after_train_epoch')
        self.runner.call_hook('after_train')
        return self.runner.model
