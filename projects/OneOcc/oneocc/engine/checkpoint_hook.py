"""The checkpoint hook: new file first, pointer second, old file last."""

from __future__ import annotations

import os.path as osp
from collections import deque

from mmdet3d.registry import HOOKS
from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook

from .checkpoint import remove_partial_files, write_pointer


class _LateRemoval:
    """A file backend whose removals wait until `flush`."""

    def __init__(self, backend) -> None:
        self._backend = backend
        self._doomed: list[str] = []

    def remove(self, path: str) -> None:
        self._doomed.append(path)

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
    in local folders.
    """

    def before_train(self, runner) -> None:
        if not hasattr(runner, 'keeping_random_state'):
            raise TypeError(
                'OneOccCheckpointHook: expected an OneOccRunner, got '
                f"{type(runner).__name__}; set runner_type = 'mmdet3d.OneOccRunner'"
            )
        super().before_train(runner)
        self.file_backend = _LateRemoval(self.file_backend)
        if is_main_process():
            remove_partial_files(self.out_dir)
        # a run folder may have been moved since: its files are looked for where it is now
        self.last_ckpt = self._in_out_dir(runner.message_hub.runtime_info.get('last_ckpt'))
        if self.save_best is not None and len(self.key_indicators) == 1:
            self.best_ckpt_path = self._in_out_dir(self.best_ckpt_path)
        elif self.save_best is not None:
            self.best_ckpt_path_dict = {key: self._in_out_dir(path) for key, path in self.best_ckpt_path_dict.items()}

    def _in_out_dir(self, path: str | None) -> str | None:
        return None if path is None else osp.join(self.out_dir, osp.basename(path))

    def _save_checkpoint_with_step(self, runner, step: int, meta: dict) -> None:
        filename = self.filename_tmpl.format(step)
        self.last_ckpt = osp.join(self.out_dir, filename)
        outdated = []
        if self.max_keep_ckpts > 0:
            kept = [other for other in self.keep_ckpt_ids if other != step] + [step]
            outdated, kept = kept[: -self.max_keep_ckpts], kept[-self.max_keep_ckpts :]
            self.keep_ckpt_ids = deque(kept, self.max_keep_ckpts)
            runner.message_hub.update_info('keep_ckpt_ids', kept)
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        runner.save_checkpoint(
            self.out_dir,
            filename,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
        )
        if not is_main_process():
            return
        write_pointer(runner.work_dir, self.last_ckpt)
        for old in outdated:
            self.file_backend.remove(osp.join(self.out_dir, self.filename_tmpl.format(old)))
        self._flush()

    def _save_best_checkpoint(self, runner, metrics: dict) -> None:
        super()._save_best_checkpoint(runner, metrics)
        if is_main_process():
            self._flush()

    def _flush(self) -> None:
        best = [getattr(self, 'best_ckpt_path', None)]
        best += getattr(self, 'best_ckpt_path_dict', {}).values()
        self.file_backend.flush(keep={self.last_ckpt, *best})
