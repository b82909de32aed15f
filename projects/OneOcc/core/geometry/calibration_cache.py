"""Tables that follow from the calibration alone, computed once for each calibration that is met."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping

import numpy as np
import torch
from torch import Tensor


class CalibrationCache:
    """Least-recently-used tables, keyed by the VALUE of a calibration.

    No buffer and no parameter, so nothing of it enters a state dict. Augmented samples bring a new
    calibration each time; they only push each other out.

    Args:
        capacity: number of calibrations that are remembered.
    """

    def __init__(self, capacity: int = 16) -> None:
        self.capacity = capacity
        self._tables: OrderedDict[Hashable, tuple[Tensor, ...]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._tables)

    def get(
        self, calibration: Mapping, extra: Hashable, device: torch.device, compute: Callable[[], tuple[Tensor, ...]]
    ) -> tuple[Tensor, ...]:
        """The tensors of `compute()` on `device`, from memory where calibration and extra are known."""
        camera = json.dumps(calibration['camera'].to_dict(), sort_keys=True)
        pose = np.asarray(calibration['cam_from_ego'], dtype=np.float64).tobytes()
        key = (camera, pose, extra, str(device))
        if key not in self._tables:
            self._tables[key] = tuple(tensor.to(device) for tensor in compute())
            if len(self._tables) > self.capacity:
                self._tables.popitem(last=False)
        self._tables.move_to_end(key)
        return self._tables[key]
