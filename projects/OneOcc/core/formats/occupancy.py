"""Predicted label volumes on disk, in the format of the ground truth. numpy only."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np


def prediction_path(folder: str | os.PathLike, sample_id: str) -> Path:
    """File of a sample below `folder`; the id's slashes become folders, and it stays inside."""
    relative = PurePosixPath(sample_id)
    if not relative.parts or relative.is_absolute() or '..' in relative.parts:
        raise ValueError(f'sample_id must be a relative path without "..", got {sample_id!r}')
    return Path(folder, *relative.parts[:-1], f'{relative.name}.npz')


def save_prediction(
    path: Path, labels: np.ndarray, origin: Sequence[float], voxel_size: float, classes: Sequence[str]
) -> None:
    """Write labels (X, Y, Z) uint8 with origin_m, voxel_size_m and classes, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'.{path.name}.{os.getpid()}.part')
    try:
        with open(temporary, 'wb') as file:
            np.savez_compressed(
                file,
                labels=labels.astype(np.uint8),
                origin_m=np.asarray(origin, dtype=np.float64),
                voxel_size_m=np.float64(voxel_size),
                classes=np.asarray(list(classes), dtype=np.str_),
            )
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
