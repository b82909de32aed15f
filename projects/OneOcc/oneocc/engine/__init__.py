"""What the runner needs beyond mmengine: safe checkpoints, exact resuming, hooks, mixed precision,
and prediction as CUDA graphs, compiled, or as a package."""

from .amp import OneOccAmpOptimWrapper
from .checkpoint import CheckpointError, read_checkpoint, write_checkpoint
from .checkpoint_hook import OneOccCheckpointHook
from .compiled_predictor import CompiledPredictor, PackagedPredictor, export_package
from .config_files import load_config as read_config
from .errors_in_words import explain_errors
from .finite_outputs import FiniteOutputsHook, NonFiniteOutputError
from .fixed_rig import FixedRig
from .graphed_predictor import GraphedPredictor
from .launcher_watch import OrphanedError
from .loops import ResumableEpochLoop, ResumableIterLoop
from .runner import OneOccRunner
from .shared_grid import share_grid
from .training_hooks import ClassCountsHook, NonFiniteLossError, NonFiniteLossHook, ProgressBarHook

__all__ = [
    'CheckpointError',
    'ClassCountsHook',
    'CompiledPredictor',
    'FiniteOutputsHook',
    'FixedRig',
    'GraphedPredictor',
    'NonFiniteLossError',
    'NonFiniteLossHook',
    'NonFiniteOutputError',
    'OneOccAmpOptimWrapper',
    'OneOccCheckpointHook',
    'OneOccRunner',
    'OrphanedError',
    'PackagedPredictor',
    'ProgressBarHook',
    'ResumableEpochLoop',
    'ResumableIterLoop',
    'explain_errors',
    'export_package',
    'read_checkpoint',
    'read_config',
    'share_grid',
    'write_checkpoint',
]
