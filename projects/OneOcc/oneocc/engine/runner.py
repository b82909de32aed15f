"""The runner: mmengine's, with checkpoints that are safe, whole and exact to resume."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

import mmengine
import torch
from mmdet3d.registry import LOOPS, RUNNERS
from mmengine.config import Config
from mmengine.dist import all_gather_object, broadcast_object_list, is_distributed, is_main_process
from mmengine.model import MMDistributedDataParallel, is_model_wrapper
from mmengine.model.utils import convert_sync_batchnorm
from mmengine.optim import OptimWrapper
from mmengine.runner import BaseLoop, IterBasedTrainLoop, Runner
from torch import nn
from torch.utils.data import DataLoader

from ...core.formats.folder_lock import FolderLock, FolderLockedError
from .checkpoint import check_state_dict, none_is_whole, ordered_checkpoints, read_checkpoint, write_checkpoint
from .finite_outputs import FiniteOutputsHook
from .launcher_watch import LauncherWatch
from .norm_statistics import average_norm_statistics
from .plain_file import CheckpointError
from .plain_state import plain_message_hub, plain_metainfo, scheduler_states
from .random_state import capture_random_state, restore_random_state
from .resuming import apply, bare_model, prepare, unwrapped
from .run_units import RunUnits
from .schedule import flat
from .shared_grid import share_grid
from .state_checks import check_meta, early_stopping_states

FORMAT_VERSION = 2
_FOR_WORKERS = ('persistent_workers', 'prefetch_factor', 'timeout')


@RUNNERS.register_module()
class OneOccRunner(Runner):
    """`Runner` for `runner_type = 'mmdet3d.OneOccRunner'`; the arguments are `Runner`'s.

    What differs: checkpoints are plain and written atomically (see `checkpoint.py`), carry the
    random state of every rank, and are loaded without running code and only where every key and
    shape fits (`strict_load = False` in the config lifts that for `load_from`). `resume=True` falls
    back to the previous whole checkpoint. The seed of a resumed run is known before its sampler is
    built. Without CUDA, distributed runs use gloo.
    """

    optim_wrapper: OptimWrapper | dict | None
    param_schedulers: Any  # lists, dicts of lists, or their configs: as mmengine takes them

    def __init__(self, *args, work_dir: str, load_from: str | None = None, resume: bool = False, **kwargs) -> None:
        # whole paths, as mmengine makes its own, or what is found now would not equal what is found later
        folder = Path(os.path.abspath(work_dir))
        self._resume_request = (folder, load_from) if resume else None
        out_dir = (kwargs.get('default_hooks') or {}).get('checkpoint', {}).get('out_dir')
        self._checkpoint_dir = None if out_dir is None else Path(os.path.abspath(out_dir), folder.name)
        self._resume_path: Path | None = None
        self._resume_alternatives: list[Path] = []
        self._found_checkpoints: list[Path] = []
        self._resume_complaints: list[str] = []
        self.refused: list[str] = []  # why files of the work_dir were passed over
        self._pending_random_state: dict | None = None
        self._kept_random_state: dict | None = None
        self._validated: tuple[int, int] | None = None
        self.run_id = uuid4().hex  # of the files that this run writes; a resumed run keeps its own
        super().__init__(*args, work_dir=work_dir, load_from=load_from, resume=resume, **kwargs)
        self.register_hook(FiniteOutputsHook())

    @classmethod
    def from_cfg(cls, cfg: Config) -> OneOccRunner:
        """As in `Runner`, after everything that shares the config's `grid` follows it."""
        return super().from_cfg(share_grid(copy.deepcopy(cfg)))

    # ---- environment --------------------------------------------------------------------------

    def setup_env(self, env_cfg: dict) -> None:
        """As in `Runner`; mmengine itself cannot start processes on a machine without CUDA."""
        if self.distributed and not is_distributed() and not torch.cuda.is_available():
            if self._launcher != 'pytorch':
                raise ValueError(f"without CUDA, expected the launcher 'none' or 'pytorch', got {self._launcher!r}")
            torch.distributed.init_process_group('gloo')
        self._launcher_watch = LauncherWatch(self._launcher)
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
            seed = _seed_of(self._resume_path)
        super().set_randomness(seed, diff_rank_seed)
        self._deterministic = deterministic
        if deterministic:
            torch.backends.cudnn.deterministic = True
            torch.backends.cudnn.benchmark = False
            torch.use_deterministic_algorithms(True, warn_only=True)

    def _find_resume_checkpoint(self, work_dir: Path, load_from: str | None) -> None:
        """Sets the file to resume from, and those to fall back to; rank 0 decides for all."""
        if load_from is not None:
            self._resume_path = Path(load_from)
            return
        paths: list[Path] = []
        complaints: list[str] = []
        error: str | None = None
        if is_main_process():
            candidates, complaints = ordered_checkpoints(work_dir, self._checkpoint_dir)
            self._found_checkpoints = list(candidates)
            while candidates and (problem := _problem_of(candidates[0])) is not None:
                candidates.pop(0)
                complaints.append(problem)
            paths = candidates
            if complaints and not paths:
                error = str(none_is_whole(work_dir, complaints))
        decision: list[Any] = [paths, complaints, error]
        broadcast_object_list(decision)
        paths, self._resume_complaints, error = decision
        if error is not None:
            raise CheckpointError(error)
        self._resume_path = paths[0] if paths else None
        self._resume_alternatives = paths[1:]

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

    @staticmethod
    def build_dataloader(
        dataloader: DataLoader | dict, seed: int | None = None, diff_rank_seed: bool = False
    ) -> DataLoader:
        """As in `Runner`; workers stay from epoch to epoch unless the config says no.

        Without worker processes, settings that concern them alone are left out.
        """
        if isinstance(dataloader, dict):
            if dataloader.get('num_workers'):
                dataloader = dict(dict(persistent_workers=True), **dataloader)
            else:
                dataloader = {key: value for key, value in dataloader.items() if key not in _FOR_WORKERS}
        return Runner.build_dataloader(dataloader, seed, diff_rank_seed)

    @contextmanager
    def _telling_hooks_of_errors(self) -> Iterator[None]:
        """Hooks that have `on_error(runner)` may tidy up when a run ends before its time."""
        try:
            yield
        except BaseException:
            self.call_hook('on_error')
            raise

    def train(self) -> nn.Module:
        """As in `Runner`, as the only training that writes to the work_dir.

        Raises:
            FolderLockedError: another training writes there.
        """
        with self._telling_hooks_of_errors(), self._sole_writer():
            return super().train()

    def test(self) -> dict:
        """As in `Runner`.

        Raises:
            NonFiniteOutputError: a weight is not finite or a logit is not a number.
        """
        with self._telling_hooks_of_errors():
            return super().test()

    @contextmanager
    def _sole_writer(self) -> Iterator[None]:
        """Rank 0 holds the lock of the work_dir for all."""
        lock = FolderLock(self.work_dir, what='training')
        problem: list[str | None] = [None]
        if is_main_process():
            try:
                lock.acquire()
                self._check_unchanged()
            except FolderLockedError as error:
                lock.release()
                problem = [str(error)]
        broadcast_object_list(problem)
        if problem[0] is not None:
            raise FolderLockedError(problem[0])
        try:
            yield
        finally:
            lock.release()

    def _check_unchanged(self) -> None:
        """Refuses to resume from what another training has left behind while this one was starting."""
        if self._resume_request is not None and self._resume_path is not None and self._load_from is None:
            newest, _ = ordered_checkpoints(self._resume_request[0], self._checkpoint_dir)
            if newest != self._found_checkpoints:
                raise FolderLockedError(
                    f'{self.work_dir}: expected the checkpoints {_names(self._found_checkpoints)}, got '
                    f'{_names(newest)}: another training wrote there meanwhile; start this one again'
                )

    def note_validation(self) -> None:
        """Remembers that the validation of this very position is over: checkpoints of it say so."""
        self._validated = (self.epoch, self.iter)

    @property
    def is_validated(self) -> bool:
        """Whether the run, or the one that it resumes, has validated at this position."""
        return self._validated == (self.epoch, self.iter)

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
            OrphanedError: the launcher of this process is gone.
        """
        if file_client_args is not None or backend_args is not None:
            raise ValueError('checkpoints are written to local folders: expected no file_client_args or backend_args')
        self._launcher_watch.check()
        average_norm_statistics(self.model)
        random_states = all_gather_object(self._kept_random_state or capture_random_state())
        if not is_main_process():
            return
        position = (
            {'epoch': self.epoch + 1, 'iter': self.iter} if by_epoch else {'epoch': self.epoch, 'iter': self.iter + 1}
        )
        told = meta or {}
        position = {**position, **{key: told[key] for key in position if key in told}}
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
                'units': RunUnits.of(self).to_dict(),
                'schedulers': [type(scheduler).__name__ for scheduler in flat(self.param_schedulers)],
                'validated': self._validated == (position['epoch'], position['iter']),
                'stopped': bool(self.train_loop.stop_training),
                'run_id': self.run_id,
                'torch_version': torch.__version__,
            },
            'state_dict': bare_model(self).state_dict(),
            'early_stopping': early_stopping_states(self._hooks),
            'message_hub': plain_message_hub(self.message_hub.state_dict()),
            'random_states': random_states,
        }
        if save_optimizer:
            assert isinstance(self.optim_wrapper, OptimWrapper)  # built before the training
            checkpoint['optimizer'] = self.optim_wrapper.state_dict()
        if save_param_scheduler and self.param_schedulers is not None:
            checkpoint['param_schedulers'] = scheduler_states(self.param_schedulers)
        self.call_hook('before_save_checkpoint', checkpoint=checkpoint)
        checkpoint['meta']['averaged'] = 'ema_state_dict' in checkpoint
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
        model = bare_model(self)
        if strict is None:
            strict = self.cfg.get('strict_load', True)
        if strict:
            check_state_dict(model, unwrapped(checkpoint['state_dict']), filename)
        self.call_hook('after_load_checkpoint', checkpoint=checkpoint)
        state_dict = unwrapped(checkpoint['state_dict'])
        if strict:
            model.load_state_dict(state_dict)
        else:
            self._load_what_fits(model, state_dict)
        self._has_loaded = True
        self.logger.info(f'Loaded checkpoint {filename}')
        return checkpoint

    def _load_what_fits(self, model: nn.Module, state_dict: dict) -> None:
        expected = model.state_dict()
        fitting = {
            key: value
            for key, value in state_dict.items()
            if key in expected and torch.is_tensor(value) and expected[key].shape == value.shape
        }
        model.load_state_dict(fitting, strict=False)
        self.logger.warning(
            f'strict_load = False: {len(fitting)} of {len(expected)} entries of the model were '
            f'loaded, {len(state_dict) - len(fitting)} entries of the checkpoint were not used'
        )

    def load_or_resume(self) -> None:
        """Resumes from, or loads the weights of, what the config or the command line names.

        Where the newest checkpoint of the work_dir does not fit, the one before it is taken, and so on.
        """
        if self._has_loaded:
            return
        for complaint in self._resume_complaints:
            self.logger.warning(f'passed over: {complaint}')
        if self._resume_path is None:
            if self._resume:
                self.logger.info(f'{self.work_dir} holds no checkpoint yet: training from the start')
            elif self._load_from is not None:
                self.load_checkpoint(self._load_from)
            return
        refused = self.refused = list(self._resume_complaints)
        for path in (self._resume_path, *self._resume_alternatives):
            try:
                self.resume(str(path))
                return
            except CheckpointError as error:
                if self._load_from is not None or not self._resume_alternatives:
                    raise
                self.logger.warning(f'passed over: {error}')
                refused.append(str(error))
        raise none_is_whole(self.work_dir, refused)

    def resume(
        self, filename: str, resume_optimizer: bool = True, resume_param_scheduler: bool = True, map_location='cpu'
    ) -> None:
        """Continues the run of a checkpoint: weights, optimizer, schedule, history, random state.

        Everything in the file is compared with the built run first; nothing is loaded from one that does
        not fit. With other batches or another length the schedule goes on by progress (`schedule.py`).

        Raises:
            CheckpointError: the file cannot be resumed from, or was made with batches so different
                that its position within the epoch means nothing here.
        """
        self.optim_wrapper = self.build_optim_wrapper(self.optim_wrapper)
        if self.param_schedulers is not None:
            self.param_schedulers = self.build_param_scheduler(self.param_schedulers)
        found, problem = None, None
        try:
            checkpoint = read_checkpoint(filename)
            found = prepare(checkpoint, self, filename, resume_optimizer, resume_param_scheduler)
        except CheckpointError as error:
            problem = str(error)
        problems = [text for text in all_gather_object(problem) if text is not None]
        if problems:  # on any rank: all of them leave this file
            raise CheckpointError(problems[0])
        assert found is not None  # else there were a problem
        apply(found, self, filename, resume_optimizer)
        meta = found.checkpoint['meta']
        self.run_id = meta.get('run_id', self.run_id)
        self._validated = (self.epoch, self.iter) if meta.get('validated') else None
        self._take_random_state(found.checkpoint.get('random_states', []), filename)
        if meta.get('seed') not in (None, self.seed) and not self._randomness_cfg.get('diff_rank_seed', False):
            self.logger.warning(
                f'{filename} was trained with seed {meta["seed"]}, this run has '
                f'{self.seed}: the order of samples will differ'
            )
        self._has_loaded = True
        self.logger.info(f'Resumed after epoch {self.epoch}, iteration {self.iter} of {filename}')

    def _take_random_state(self, states: list[dict], filename: str) -> None:
        if len(states) == self.world_size:
            self._pending_random_state = states[self.rank]
        else:
            self.logger.warning(
                f'{filename} was made by {len(states)} process(es), this run has '
                f'{self.world_size}: random states start afresh'
            )

    @property
    def counts_epochs(self) -> bool:
        """Whether the training loop counts epochs; else it counts iterations."""
        return not isinstance(self.train_loop, IterBasedTrainLoop)


def _names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def _problem_of(path: Path) -> str | None:
    """What keeps a checkpoint from being resumed, as far as the file alone can tell."""
    try:
        check_meta(read_checkpoint(path, mmap=True)['meta'])
    except CheckpointError as error:
        return str(error) if str(path) in str(error) else f'{path}: {error}'
    return None


def _seed_of(path: Path) -> int | None:
    """The seed of a checkpoint; None where it tells none, or where resuming will refuse it."""
    return read_checkpoint(path, mmap=True)['meta'].get('seed') if _problem_of(path) is None else None
