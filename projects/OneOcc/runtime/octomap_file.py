"""A result as an OctoMap: occupied and free leaves, nothing where nothing is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..core.formats.atomic_files import write_atomically
from .occ_runtime import OccResult
from .sight import FREE, OCCUPIED
from .sinks import MissingExtraError, SinkError


def write_octomap(path: str | Path, result: OccResult) -> None:
    """Write the state of a result as OctoMap's binary file (.bt), in metres of the ego frame.

    Raises:
        MissingExtraError: `pyoctomap` is not installed.
        SinkError: a grid that does not lie on the octree's: its voxels begin at multiples of their size.
        OSError: trouble with the disk.
    """
    octomap = import_octomap()
    origin, size = result.bundle.origin, result.bundle.voxel_size
    steps = origin / size
    if np.abs(steps - steps.round()).max() > 1e-6:
        raise SinkError(f"{path}: expected a grid's origin at multiples of its {size} m voxels, got {origin.tolist()}")
    tree = octomap.OcTree(size)
    for state in (FREE, OCCUPIED):
        centres = origin + (np.argwhere(result.state == state) + 0.5) * size
        tree.updateNodes(centres, state == OCCUPIED)
    write_atomically(path, lambda _: None, lambda temporary: _write(tree, temporary))


def import_octomap() -> Any:
    """The package `pyoctomap`.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import pyoctomap
    except ImportError as error:
        raise MissingExtraError("OctoMap files need the package pyoctomap: pip install 'oneocc[octomap]'") from error
    return pyoctomap


def _write(tree: Any, path: Path) -> None:
    if not tree.writeBinary(str(path)):
        raise OSError(f'{path}: OctoMap could not write it')
