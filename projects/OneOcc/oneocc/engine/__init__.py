"""What the runner needs beyond mmengine: safe checkpoints, exact resuming, hooks, mixed precision,
and prediction as a CUDA graph."""

from .amp import OneOccAmpOptimWrapper
from .checkpoint import CheckpointError, read_checkpoint, write_checkpoint
from .checkpoint_hook import OneOccCheckpointHook
from .graphed_predictor import GraphedPredictor
from .loops import ResumableEpochLoop, ResumableIterLoop
from .runner import OneOccRunner
from .shared_grid import read_config, share_grid
from .training_hooks import ClassCountsHook, NonFiniteLossError, NonFiniteLossHook, ProgressBarHook

__all__ = [
    'CheckpointError',
    'ClassCountsHook',
    'GraphedPredictor',
    'NonFiniteLossError',
    'NonFiniteLossHook',
    'OneOccAmpOptimWrapper',
    'OneOccCheckpointHook',
    'OneOccRunner',
    'ProgressBarHook',
    'ResumableEpochLoop',
    'ResumableIterLoop',
    'read_checkpoint',
    'read_config',
    'share_grid',
    'write_checkpoint',
]
