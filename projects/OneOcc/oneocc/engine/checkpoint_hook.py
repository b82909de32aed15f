"""The checkpoint hook: new file first, pointer second, old file last; and only files that the run wrote."""

from __future__ import annotations

import os.path as osp
import re
from collections import deque
from collections.abc import Callable
from pathlib import Path

from mmdet3d.registry import HOOKS
from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook

from .checkpoint import read_checkpoint, remove_partial_files, write_pointer
from .plain_file import CheckpointError


class _LateRemoval:
    """A file backend whose removals wait until `flush`."""

    def __init__(self, backend) -> None:
        self._backend = backend
        self._doomed: list[str] = []

    def remove(self, path: str) -> None:
        self._doomed.append(path)

    @property
    def doomed(self) -> list[str]:
        """Names of the files that wait for their removal."""
        return [osp.basename(path) for path in self._doomed]

    def keep_own(self, since: int, is_own: Callable[[str], bool]) -> None:
        """Spares what was doomed since, unless it is the run's own."""
        self._doomed[since:] = [path for path in self._doomed[since:] if is_own(path)]

    def flush(self, keep: set[str]) -> None:
        """Removes what was to be removed, except what has been written anew meanwhile."""
        for path in self._doomed:
            if path not in keep and self._backend.isfile(path):
                self._backend.remove(path)
        self._doomed.clear()

    def __getattr__(self, name: str):
        return getattr(self._backend, name)


@HOOKS.register_module()
class OneOccCheckpointHook(CheckpointHook):
    """`CheckpointHook` that never leaves a run without a whole checkpoint.

    The arguments are `CheckpointHook`'s. Needs `OneOccRunner` to write the files; checkpoints lie
    in local folders. What a checkpoint says about other files of its run are names, never paths: a
    file is removed where it lies in the folder of the run, is called as the run calls its files and
    says itself that this run wrote it.
    """

    def before_train(self, runner) -> None:
        if not hasattr(runner, 'keeping_random_state'):
            raise TypeError(
                'OneOccCheckpointHook: expected an OneOccRunner, got '
                f"{type(runner).__name__}; set runner_type = 'mmdet3d.OneOccRunner'"
            )
        notes = runner.message_hub.runtime_info
        kept = [int(step) for step in notes.pop('keep_ckpt_ids', [])]
        super().before_train(runner)
        self.file_backend = _LateRemoval(self.file_backend)
        self._written: set[str] = set()
        self._best_is_new = False
        outdated = [str(name) for name in notes.get('outdated_ckpts', [])]
        if self.max_keep_ckpts > 0:
            outdated += [self.filename_tmpl.format(step) for step in kept[: -self.max_keep_ckpts]]
            self.keep_ckpt_ids = deque(kept[-self.max_keep_ckpts :], self.max_keep_ckpts)
        # a run folder may have been moved since: its files are looked for where it is now
        self.last_ckpt = self._in_out_dir(notes.get('last_ckpt'))
        self._find_best(runner)
        if is_main_process():
            remove_partial_files(self.out_dir)
            for name in outdated:  # what a run that was killed had meant to remove
                self._remove_own(runner, osp.join(self.out_dir, osp.basename(name)))
            self._flush()

    def _find_best(self, runner) -> None:
        """Takes up the best checkpoints that the run remembers; forgets those of another metric."""
        if self.save_best is None:
            return
        notes = runner.message_hub.runtime_info
        metric = ', '.join(map(str, self.key_indicators))
        if notes.get('best_metric', metric) != metric and 'auto' not in self.key_indicators:
            runner.logger.warning(
                f'the best checkpoint was best by {notes["best_metric"]}; by {metric} the search starts afresh'
            )
            for key in [key for key in notes if key.startswith(('best_score', 'best_ckpt'))]:
                notes.pop(key)
        runner.message_hub.update_info('best_metric', metric)
        if len(self.key_indicators) == 1:
            self.best_ckpt_path = self._in_out_dir(notes.get('best_ckpt'))
            paths = [self.best_ckpt_path]
        else:
            paths = [self._in_out_dir(notes.get(f'best_ckpt_{key}')) for key in self.key_indicators]
            self.best_ckpt_path_dict = dict(zip(self.key_indicators, paths))
        for path in paths:
            if path is not None and is_main_process() and not osp.isfile(path):
                runner.logger.warning(f'{path}: the best checkpoint so far is not here; its score still counts')

    def _in_out_dir(self, path: str | None) -> str | None:
        return None if path is None else osp.join(self.out_dir, osp.basename(path))

    def _save_checkpoint_with_step(self, runner, step: int, meta: dict) -> None:
        filename = self.filename_tmpl.format(step)
        self.last_ckpt = osp.join(self.out_dir, filename)
        if self.max_keep_ckpts > 0:
            kept = [other for other in self.keep_ckpt_ids if other != step] + [step]
            outdated, kept = kept[: -self.max_keep_ckpts], kept[-self.max_keep_ckpts :]
            self.keep_ckpt_ids = deque(kept, self.max_keep_ckpts)
            runner.message_hub.update_info('keep_ckpt_ids', kept)
            for old in outdated:
                self._remove_own(runner, osp.join(self.out_dir, self.filename_tmpl.format(old)))
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        # told in the new file: a run that is killed before the removal removes them when it is resumed
        runner.message_hub.update_info('outdated_ckpts', self.file_backend.doomed)
        runner.save_checkpoint(
            self.out_dir,
            filename,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
        )
        self._written.add(self.last_ckpt)
        if not is_main_process():
            return
        write_pointer(runner.work_dir, self.last_ckpt)
        self._flush()

    def _save_best_checkpoint(self, runner, metrics: dict) -> None:
        """Writes a new best file; the checkpoint that remembers it follows in `after_validation`."""
        before = self._best_paths()
        self._postponed = hasattr(runner.train_loop, 'tells_after_validation')
        last, removals = self.last_ckpt, len(self.file_backend.doomed)
        if self._postponed:
            self.last_ckpt = None  # CheckpointHook would write it at once, before early stopping has seen the metric
        try:
            super()._save_best_checkpoint(runner, metrics)
        finally:
            self.last_ckpt = last if self._postponed else self.last_ckpt
        self._written |= set(self._best_paths()) - {None}
        self.file_backend.keep_own(removals, lambda path: path in self._written or self._is_own(runner, path))
        self._best_is_new = self._best_paths() != before
        if not self._postponed and is_main_process():
            self._flush()

    def after_validation(self, runner) -> None:
        """Called when all hooks have seen the metrics: a new best is remembered by the last checkpoint."""
        if self._best_is_new and self.last_ckpt is not None:
            self._best_is_new = False
            step = runner.epoch if self.by_epoch else runner.iter
            self._save_checkpoint_with_step(runner, step, {'epoch': runner.epoch, 'iter': runner.iter})
        elif is_main_process():
            self._flush()

    def _best_paths(self) -> list[str | None]:
        return [getattr(self, 'best_ckpt_path', None), *getattr(self, 'best_ckpt_path_dict', {}).values()]

    def _flush(self) -> None:
        self.file_backend.flush(keep={self.last_ckpt, *self._best_paths()})

    def _remove_own(self, runner, path: str) -> None:
        """Dooms a file of this run; anything else of that name stays."""
        if path in self._written or self._is_own(runner, path):
            self.file_backend.remove(path)

    def _is_own(self, runner, path: str) -> bool:
        """Whether a file is called as this run calls its files, and says that this run wrote it."""
        pattern = re.escape(self.filename_tmpl).replace(r'\{\}', r'\d+')
        if not re.fullmatch(rf'(best_.+_)?{pattern}', osp.basename(path)) or Path(path).is_symlink():
            return False
        try:
            meta = read_checkpoint(path, mmap=True, verify=False)['meta']
        except CheckpointError:
            return False
        return meta.get('run_id') == runner.run_id
