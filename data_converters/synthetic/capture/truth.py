"""The exact occupancy of a synthetic scene, and how far aggregated labels agree with it.

The world knows what holds every point, so a voxel's true label needs no sensor: sample its volume,
and take the class of most of its solid samples, or empty if there is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from data_converters.synthetic.places.world import Scene
from projects.OneOcc.core.formats.recording import UNLABELLED
from projects.OneOcc.core.geometry import CartesianGrid

THIN = 0.1
KINDS = ('moving', 'thin', 'mixed', 'missed', 'phantom')


@dataclass(frozen=True)
class Truth:
    """Exact occupancy on a grid.

    Attributes:
        labels: (X, Y, Z) uint8 majority class of the solid samples, 0 = none is solid.
        solid: (X, Y, Z) share of the volume that is solid.
        classes: (X, Y, Z) uint32, bit l set if label l occurs in the voxel.
        moving: (X, Y, Z) bool, a moving object reaches into the voxel.
    """

    labels: np.ndarray
    solid: np.ndarray
    classes: np.ndarray
    moving: np.ndarray


def exact_occupancy(scene: Scene, world_from_ego: np.ndarray, grid: CartesianGrid, samples: int = 5) -> Truth:
    """Sample every voxel of the grid at samples**3 even points, from border to border. `world_from_ego` (4, 4).

    Samples at the borders find the thin slices: a voxel into which the ground reaches by 1 cm holds
    ground, and returns from there are not mistakes.
    """
    steps = np.linspace(-0.49, 0.49, samples)
    offsets = np.stack(np.meshgrid(steps, steps, steps, indexing='ij'), -1).reshape(-1, 3)
    offsets = offsets * grid.voxel_size
    centers = grid.centers().numpy().reshape(-1, 3)
    shape = (len(centers), len(offsets))
    rotation, position = world_from_ego[:3, :3], world_from_ego[:3, 3]
    points = (centers @ rotation.T + position)[:, None] + offsets @ rotation.T
    labels, instances = scene.classify(points.reshape(-1, 3))
    labels, instances = labels.reshape(shape), instances.reshape(shape)
    counts = np.stack([(labels == label).sum(axis=1) for label in range(1, len(scene.world.classes) + 1)], axis=1)
    solid = counts.sum(axis=1)
    major = np.where(solid > 0, counts.argmax(axis=1) + 1, 0).astype(np.uint8)
    bits = ((counts > 0) << np.arange(1, counts.shape[1] + 1)).sum(axis=1).astype(np.uint32)
    moving = ((instances > 0) & (labels > 0)).any(axis=1)
    return Truth(
        major.reshape(grid.shape),
        (solid / len(offsets)).reshape(grid.shape),
        bits.reshape(grid.shape),
        moving.reshape(grid.shape),
    )


def compare(labels: np.ndarray, truth: Truth) -> dict[str, int]:
    """Agreement of labels (X, Y, Z) with the truth on the seen voxels, and what the rest is.

    Returns:
        Counts: `voxels`, `seen`, `right`; the wrong ones by the first kind that applies: `moving` (a
        moving object is in the voxel or is claimed to be), `thin` (less than a tenth of the voxel is
        solid), `mixed` (the claimed class is in the voxel, but not the larger part), `missed`
        (claimed empty), `phantom` (a claimed class that is not there); `occupied_right` of
        `occupied` seen voxels that truly hold something.
    """
    seen = labels != UNLABELLED
    wrong = seen & (labels != truth.labels)
    present = (truth.classes >> labels.astype(np.uint32)) & 1 > 0
    kinds = dict(
        moving=truth.moving,
        thin=(truth.solid > 0) & (truth.solid < THIN),
        mixed=present & (labels > 0) & seen,
        missed=labels == 0,
        phantom=seen,
    )
    result = dict(voxels=labels.size, seen=int(seen.sum()), right=int((seen & ~wrong).sum()))
    left = wrong
    for kind in KINDS:
        result[kind] = int((left & kinds[kind]).sum())
        left = left & ~kinds[kind]
    occupied = seen & (truth.labels > 0)
    result.update(occupied=int(occupied.sum()), occupied_right=int((occupied & ~wrong).sum()))
    return result


def report(total: Mapping[str, float]) -> str:
    """One line for people: agreement on seen voxels and the shares of what disagrees."""
    seen = max(total['seen'], 1)
    rest = ', '.join(f'{kind} {100 * total[kind] / seen:.2f} %' for kind in KINDS)
    return (
        f'seen {100 * total["seen"] / total["voxels"]:.1f} % of voxels; of these '
        f'{100 * total["right"] / seen:.2f} % agree (occupied ones: '
        f'{100 * total["occupied_right"] / max(total["occupied"], 1):.2f} %); the rest: {rest}'
    )
