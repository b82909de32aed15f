"""Results as a rosbag2 in MCAP: points with labels and an occupancy grid, by the writer of the runtime."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np

from ..engine.usage_error import UsageError
from .result import OccupancyResult

_GROUND = ('road', 'sidewalk', 'terrain')


class ResultBag:
    """Collects results into a bag below a folder; stamps are the frames' times.

    Raises:
        UsageError: the runtime, or the package that writes bags, is not installed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            self._runtime: Any = importlib.import_module('...runtime.occ_runtime', __package__)
            self._bundles: Any = importlib.import_module('...runtime.bundle', __package__)
            self._sight: Any = importlib.import_module('...runtime.sight', __package__)
            self._sink: Any = importlib.import_module('...runtime.rosbag_sink', __package__).RosbagSink(folder)
        except ImportError as error:
            cure = "pip install 'oneocc[robot]'"
            raise UsageError(f"format 'mcap': expected the extra 'robot' ({cure}), got: {error}") from error

    def add(self, result: OccupancyResult) -> None:
        """Write one result; what the camera cannot know is neither free nor in the way."""
        self._sink.write(self._as_runtime_result(result), result.time)

    def close(self) -> Path:
        """End the bag; its folder."""
        self._sink.close()
        return self.folder

    def _as_runtime_result(self, result: OccupancyResult) -> Any:
        card = dict(
            classes=list(result.classes),
            grid=result.grid.to_dict(),
            ground_classes=[name for name in result.classes if name in _GROUND],
            temperature=1.0,
        )
        state = np.full(result.labels.shape, self._sight.UNKNOWN, np.uint8)
        state[(result.labels == 0) & ~result.unknown] = self._sight.FREE
        state[result.labels > 0] = self._sight.OCCUPIED
        logits = np.zeros((len(result.classes) + 1, 0, 0, 0), np.float32)  # no message holds them
        bundle = self._bundles.Bundle(self.folder, card, {})
        return self._runtime.OccResult(result.labels, result.probability, state, logits, bundle, result.time)
