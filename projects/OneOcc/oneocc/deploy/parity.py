"""How far a bundle and the model that it came from agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from ...core.formats.images import read_rgb
from ...runtime import OccRuntime

PARITY = 0.9999  # share of voxels with equal labels
MOST_ERROR = 1e-2  # of logits, whose range is tens


@dataclass(frozen=True)
class Parity:
    """Agreement over frames.

    Attributes:
        labels: share of voxels with equal labels.
        decided: the same among voxels whose two best logits lie farther apart than the tolerance: whoever rounds
            differently may toss another coin in the others.
        logits: largest difference.
        frames: their number.
    """

    labels: float
    decided: float
    logits: float
    frames: int

    @property
    def holds(self) -> bool:
        """Whether a bundle of full precision may be handed out."""
        return self.decided >= PARITY and self.logits <= MOST_ERROR

    def __str__(self) -> str:
        return f'{self.labels:.4%} of labels equal, logits within {self.logits:.2g} on {self.frames} frames'


def compare(model: nn.Module, runtime: OccRuntime, dataset: Any, frames: int) -> Parity:
    """Run frames spread over a data set through its own pipeline and the model, and raw through the bundle."""
    chosen = np.unique(np.linspace(0, len(dataset) - 1, max(frames, 1)).round().astype(int))
    found = []
    for index in chosen:
        info = dataset.get_data_info(int(index))
        raw = {name: read_rgb(info['img_paths'][name]) for name in runtime.cameras}
        logits = model_logits(model, dataset[int(index)])
        got = runtime(raw)
        found.append(agreement(logits, got.logits))
    labels, decided, logits = np.array(found).T
    return Parity(float(labels.mean()), float(decided.mean()), float(logits.max()), len(chosen))


def agreement(expected: np.ndarray, got: np.ndarray) -> tuple[float, float, float]:
    """Two logits (C + 1, X, Y, Z) of one frame -> shares of equal labels, of all and of decided voxels; most error."""
    equal = expected.argmax(0) == got.argmax(0)
    second, best = np.partition(expected, -2, axis=0)[-2:]
    decided = best - second > MOST_ERROR
    return float(equal.mean()), float(equal[decided].mean()), float(np.abs(expected - got).max())


@torch.no_grad()
def model_logits(model: nn.Module, packed: dict) -> np.ndarray:
    """Logits (C + 1, X, Y, Z) float32 of the model on one packed sample."""
    own = cast(Any, model)
    batch = own.data_preprocessor(
        dict(
            inputs=dict(imgs={v: i[None] for v, i in packed['inputs']['imgs'].items()}),
            data_samples=[packed['data_samples']],
        )
    )
    levels, _ = own.extract_feat(batch['inputs'], batch['data_samples'])
    return own.decode_head.full_logits(levels)[0].float().cpu().numpy()
