"""The runner: mmengine's, with checkpoints that are safe, whole and exact to resume."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import mmengine
import torch
from mmdet3d.registry import LOOPS, RUNNERS
from mmengine.config import Config
from mmengine.dist import all_gather_object, broadcast_object_list, is_distributed, is_main_process
from mmengine.model import MMDistributedDataParallel, is_model_wrapper
from mmengine.model.utils import convert_sync_batchnorm
from mmengine.runner import BaseLoop, Runner
from torch import nn
from torch.utils.data import DataLoader

from .checkpoint import CheckpointError, check_state_dict, latest_checkpoint, read_checkpoint, write_checkpoint
from .norm_statistics import average_norm_statistics
from .plain_state import live_message_hub, load_schedulers, plain_message_hub, plain_metainfo, scheduler_states
from .random_state import capture_random_state, restore_random_state
from .shared_grid import share_grid

FORMAT_VERSION = 1


@RUNNERS.register_module()
class OneOccRunner(Runner):
    """`Runner` for `runner_type = 'mmdet3d.OneOccRunner'`; the arguments are `Runner`'s.

    What differs: checkpoints are plain and written atomically (see `checkpoint.py`), carry the
    random state of every rank, and are loaded without running code and only where every key and
    shape fits (`strict_load = False` in the config lifts that for `load_from`). `resume=True` falls
    back to the previous whole checkpoint. The seed of a resumed run is known before its sampler is
    built. Without CUDA, distributed runs use gloo.
    """

    def __init__(self, *args, work_dir: str, load_from: str | None = None, resume: bool = False, **kwargs) -> None:
        self._resume_request = (Path(work_dir), load_from) if resume else None
        self._resume_path: Path | None = None
        self._resume_complaints: list[str] = []
        self._pending_random_state: dict | None = None
        self._kept_random_state: dict | None = None
        super().__init__(*args, work_dir=work_dir, load_from=load_from, resume=resume, **kwargs)

    @classmethod
    def from_cfg(cls, cfg: Config) -> OneOccRunner:
        """As in `Runner`, after everything that shares the config's `grid` follows it."""
        return super().from_cfg(share_grid(copy.deepcopy(cfg)))

    @staticmethod
    def build_dataloader(
        dataloader: DataLoader | dict, seed: int | None = None, diff_rank_seed: bool = False
    ) -> DataLoader:
        """As in `Runner`; workers stay from epoch to epoch unless the config says no, or has none."""
        if not isinstance(dataloader, DataLoader):
            keep = dataloader.get('persistent_workers', True) and dataloader.get('num_workers', 0) > 0
            dataloader = dict(dataloader, persistent_workers=keep)
        return Runner.build_dataloader(dataloader, seed, diff_rank_seed)

    # ---- environment --------------------------------------------------------------------------

    def setup_env(self, env_cfg: dict) -> None:
        """As in `Runner`; mmengine itself cannot start processes on a machine without CUDA."""
        if self.distributed and not is_distributed() and not torch.cuda.is_available():
            if self._launcher != 'pytorch':
                raise ValueError(f"without CUDA, expected the launcher 'none' or 'pytorch', got {self._launcher!r}")
            torch.distributed.init_process_group('gloo')
        super().setup_env(env_cfg)

    def set_randomness(
        self, seed: int | None = None, diff_rank_seed: bool = False, deterministic: bool = False
    ) -> None:
        """As in `Runner`; without a seed a resumed run takes that of its checkpoint.

        `deterministic` warns about operators that have no deterministic implementation (several 3D
        resampling gradients on CUDA) instead of ending the run.
        """
        if self._resume_request is not None:
            self._find_resume_checkpoint(*self._resume_request)
        if seed is None and self._resume_path is not None:
            seed = read_checkpoint(self._resume_path, mmap=True)['meta'].get('seed')
        super().set_randomness(seed, diff_rank_seed)
        self._deterministic = deterministic
        if deterministic:
            torch.backends.cudnn.deterministic = True
            torch.backends.cudnn.benchmark = False
            torch.use_deterministic_algorithms(True, warn_only=True)

    def _find_resume_checkpoint(self, work_dir: Path, load_from: str | None) -> None:
        """Sets the file to resume from; rank 0 decides for all."""
        path, complaints, error = None, [], None
        if load_from is not None:
            path = Path(load_from)
        elif is_main_process():
            try:
                path, complaints = latest_checkpoint(work_dir)
            except CheckpointError as broken:
                error = str(broken)
        decision = [path, complaints, error]
        broadcast_object_list(decision)
        self._resume_path, self._resume_complaints, error = decision
        if error is not None:
            raise CheckpointError(error)

    def wrap_model(self, model_wrapper_cfg: dict | None, model: nn.Module) -> nn.Module:
        """As in `Runner`, with data parallelism on the CPU as well."""
        on_gpu = torch.cuda.is_available()
        if on_gpu or not self.distributed or model_wrapper_cfg or is_model_wrapper(model):
            return super().wrap_model(model_wrapper_cfg, model)
        if self.cfg.get('sync_bn') is not None:
            model = convert_sync_batchnorm(model, self.cfg.sync_bn)
        return MMDistributedDataParallel(
            module=model, broadcast_buffers=False, find_unused_parameters=self.cfg.get('find_unused_parameters', False)
        )

    def build_train_loop(self, loop: BaseLoop | dict) -> BaseLoop:
        """As in `Runner`, but `by_epoch` (without `type`) means the resumable loops."""
        if isinstance(loop, dict) and 'type' not in loop:
            loop = dict(loop)
            by_epoch = loop.pop('by_epoch', True)
            loop['type'] = 'ResumableEpochLoop' if by_epoch else 'ResumableIterLoop'
            return LOOPS.build(loop, default_args={'runner': self, 'dataloader': self._train_dataloader})
        return super().build_train_loop(loop)

    @contextmanager
    def _telling_hooks_of_errors(self) -> Iterator[None]:
        """Hooks that have `on_error(runner)` may tidy up when a run ends before its time."""
        try:
            yield
        except BaseException:
            self.call_hook('on_error')
            raise

    def train(self) -> nn.Module:
        with self._telling_hooks_of_errors():
            return super().train()

    def test(self) -> dict:
        with self._telling_hooks_of_errors():
            return super().test()

    # ---- random states ------------------------------------------------------------------------

    @contextmanager
    def keeping_random_state(self) -> Iterator[None]:
        """The body draws for itself; checkpoints within it carry the state from before it."""
        self._kept_random_state = capture_random_state()
        try:
            yield
        finally:
            restore_random_state(self._kept_random_state)
            self._kept_random_state = None

    def restore_random_state(self) -> None:
        """Puts back the random state of the checkpoint resumed from, once."""
        if self._pending_random_state is not None:
            restore_random_state(self._pending_random_state)
            self._pending_random_state = None

    # ---- checkpoints --------------------------------------------------------------------------

    def save_checkpoint(
        self,
        out_dir: str,
        filename: str,
        file_client_args=None,
        save_optimizer: bool = True,
        save_param_scheduler: bool = True,
        meta: dict | None = None,
        by_epoch: bool = True,
        backend_args=None,
    ) -> None:
        """Writes one checkpoint from rank 0; every rank has to call it and gives its random state.

        Raises:
            ValueError: a storage other than a local folder was asked for.
            CheckpointError: the file could not be written; earlier ones are untouched.
        """
        if file_client_args is not None or backend_args is not None:
            raise ValueError('checkpoints are written to local folders: expected no file_client_args or backend_args')
        average_norm_statistics(self.model)
        random_states = all_gather_object(self._kept_random_state or capture_random_state())
        if not is_main_process():
            return
        position = (
            {'epoch': self.epoch + 1, 'iter': self.iter} if by_epoch else {'epoch': self.epoch, 'iter': self.iter + 1}
        )
        model = self.model.module if is_model_wrapper(self.model) else self.model
        checkpoint = {
            'meta': {
                **position,
                **(meta or {}),
                'cfg': self._config_text,
                'seed': self.seed,
                'experiment_name': self.experiment_name,
                'time': time.strftime('%Y%m%d_%H%M%S'),
                'mmengine_version': mmengine.__version__,
                'dataset_meta': plain_metainfo(getattr(self.train_dataloader.dataset, 'metainfo', {})),
                'format': FORMAT_VERSION,
                'world_size': self.world_size,
                'batches_per_epoch': len(self.train_dataloader),
            },
            'state_dict': model.state_dict(),
            'message_hub': plain_message_hub(self.message_hub.state_dict()),
            'random_states': random_states,
        }
        if save_optimizer:
            checkpoint['optimizer'] = self.optim_wrapper.state_dict()
        if save_param_scheduler and self.param_schedulers is not None:
            checkpoint['param_schedulers'] = scheduler_states(self.param_schedulers)
        self.call_hook('before_save_checkpoint', checkpoint=checkpoint)
        write_checkpoint(checkpoint, os.path.join(out_dir, filename))

    @cached_property
    def _config_text(self) -> str:
        return self.cfg.pretty_text  # a formatter's work of seconds, once instead of every save

    def load_checkpoint(self, filename: str, map_location='cpu', strict: bool | None = None, revise_keys=None) -> dict:
        """Loads the weights of a checkpoint that fits the model.

        Args:
            filename: a local file.
            map_location: the file is always read to the CPU; here for `Runner`'s signature.
            strict: refuse missing, unknown and differently shaped entries; by default the config's
                `strict_load`, which is True.
            revise_keys: here for `Runner`'s signature; the prefix 'module.' is dropped.

        Raises:
            CheckpointError: see `read_checkpoint` and `check_state_dict`.
        """
        checkpoint = read_checkpoint(filename)
        self.call_hook('after_load_checkpoint', checkpoint=checkpoint)
        state_dict = {key.removeprefix('module.'): value for key, value in checkpoint['state_dict'].items()}
        model = self.model.module if is_model_wrapper(self.model) else self.model
        if strict is None:
            strict = self.cfg.get('strict_load', True)
        if strict:
            check_state_dict(model, state_dict, filename)
            model.load_state_dict(state_dict)
        else:
            self._load_what_fits(model, state_dict)
        self._has_loaded = True
        self.logger.info(f'Loaded checkpoint {filename}')
        return checkpoint

    def _load_what_fits(self, model: nn.Module, state_dict: dict) -> None:
        expected = model.state_dict()
        fitting = {
            key: value for key, value in state_dict.items() if key in expected and expected[key].shape == value.shape
        }
        model.load_state_dict(fitting, strict=False)
        self.logger.warning(
            f'strict_load = False: {len(fitting)} of {len(expected)} entries of the model were '
            f'loaded, {len(state_dict) - len(fitting)} entries of the checkpoint were not used'
        )

    def load_or_resume(self) -> None:
        """Resumes from, or loads the weights of, what the config or the command line names."""
        if self._has_loaded:
            return
        for complaint in self._resume_complaints:
            self.logger.warning(f'passed over: {complaint}')
        if self._resume_path is not None:
            self.resume(str(self._resume_path))
        elif self._resume:
            self.logger.info(f'{self.work_dir} holds no checkpoint yet: training from the start')
        elif self._load_from is not None:
            self.load_checkpoint(self._load_from)

    def resume(
        self, filename: str, resume_optimizer: bool = True, resume_param_scheduler: bool = True, map_location='cpu'
    ) -> None:
        """Continues the run of a checkpoint: weights, optimizer, schedule, history, random state.

        Raises:
            CheckpointError: the file cannot be resumed from, or was made with batches so different
                that its position within the epoch means nothing here.
        """
        checkpoint = self.load_checkpoint(filename, strict=True)
        absent = {'optimizer', 'message_hub'} - set(checkpoint)
        absent |= {'epoch', 'iter'} - set(checkpoint['meta'])
        if absent:
            raise CheckpointError(
                f'{filename}: expected a checkpoint to resume from, got weights '
                f'alone (no {", ".join(sorted(absent))}); use load_from'
            )
        self._set_position(checkpoint['meta'], filename)
        self.message_hub.load_state_dict(live_message_hub(checkpoint['message_hub']))
        try:
            if resume_optimizer:
                self.optim_wrapper = self.build_optim_wrapper(self.optim_wrapper)
                self.optim_wrapper.load_state_dict(checkpoint['optimizer'])
            if resume_param_scheduler and self.param_schedulers is not None:
                self.param_schedulers = self.build_param_scheduler(self.param_schedulers)
                load_schedulers(self.param_schedulers, checkpoint['param_schedulers'])
        except (KeyError, ValueError) as error:
            raise CheckpointError(f'{filename}: its optimizer or schedule is of another config ({error})') from error
        states = checkpoint.get('random_states', [])
        if len(states) == self.world_size:
            self._pending_random_state = states[self.rank]
        else:
            self.logger.warning(
                f'{filename} was made by {len(states)} process(es), this run has '
                f'{self.world_size}: random states start afresh'
            )
        self._has_loaded = True
        self.logger.info(f'Resumed after epoch {self.epoch}, iteration {self.iter}')

    def _set_position(self, meta: dict, filename: str) -> None:
        if 'seed' in meta and meta['seed'] != self.seed and not self._randomness_cfg.get('diff_rank_seed', False):
            self.logger.warning(
                f'{filename} was trained with seed {meta["seed"]}, this run has '
                f'{self.seed}: the order of samples will differ'
            )
        epoch, iteration = meta['epoch'], meta['iter']
        before, now = meta.get('batches_per_epoch'), len(self.train_dataloader)
        if before is not None and before != now:
            if iteration != epoch * before:
                raise CheckpointError(
                    f'{filename}: expected {now} batches an epoch, got {before}; a checkpoint '
                    'within an epoch can only be resumed with the same data, batch size and '
                    'number of processes'
                )
            self.logger.warning(f'{filename} had {before} batches an epoch, this run has {now}')
            iteration = epoch * now
        self.train_loop._epoch, self.train_loop._iter = epoch, iteration
