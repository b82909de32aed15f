"""A valid set of a few small frames on disk, in the format that the converters write.

Not a world: a floor, two walls and boxes of random classes, images of a smooth direction-dependent
colour plus noise. Enough for every code path that reads a set; nothing can be learnt from it.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

QUAD_CLASSES = ('vehicle', 'pedestrian', 'road', 'building', 'vegetation', 'terrain')
HUMAN_CLASSES = ('road', 'sidewalk', 'building', 'vegetation', 'car', 'truck', 'bus', 'two_wheeler', 'person', 'pole')
GRID = {'shape': [16, 16, 4], 'voxel_size': 0.8, 'origin': [-6.4, -6.4, -1.2]}
LIGHTINGS = ('day', 'dusk', 'night')

# A lens that looks straight down: camera x = right = -ego y, y down the image = -ego x.
CAM_FROM_EGO_DOWN = [[0.0, -1.0, 0.0, 0.0], [-1.0, 0.0, 0.0, 0.0], [0.0, 0.0, -1.0, 0.1], [0.0, 0.0, 0.0, 1.0]]
CAM_FROM_EGO_LEVEL = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, -0.1], [0.0, 0.0, 0.0, 1.0]]
LIDAR_FROM_EGO = [[0.0, 1.0, 0.0, 0.0], [-1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, -0.2], [0.0, 0.0, 0.0, 1.0]]


def write_tiny_dataset(
    root: str | Path,
    kind: str = 'quad',
    frames: int = 3,
    splits: tuple[str, ...] = ('train', 'val'),
    image_size: tuple[int, int] = (64, 32),
    grid: dict | None = None,
    fine_grid: dict | None = None,
    seed: int = 0,
) -> Path:
    """Write a set; returns ``root``.

    Args:
        root: data root of the set (the folder of ``infos_{split}.json``).
        kind: 'quad' (view ``raw``: a downward Taylor annulus; six classes) or 'human' (view
            ``equi``: a full sphere; ten classes).
        frames: frames of each split, one sequence a split, lightings in turn.
        image_size: (width, height).
        grid: ``shape``, ``voxel_size``, ``origin``; 16x16x4 of 0.8 m by default.
        fine_grid: a second grid for which labels are written too.
    """
    root = Path(root)
    grids = {'x'.join(map(str, g['shape'])): g for g in (grid or GRID, fine_grid) if g}
    rng = np.random.default_rng(seed)
    classes = {'quad': QUAD_CLASSES, 'human': HUMAN_CLASSES}[kind]
    for number, split in enumerate(splits):
        sequence = f'seq{number:02d}'
        entries = []
        counts = {key: np.zeros(256, dtype=np.int64) for key in grids}
        never_seen = dict.fromkeys(grids, 0)
        for index in range(frames):
            entry = _entry(kind, sequence, f'{index:06d}', index, image_size, grids)
            for key, one_grid in grids.items():
                labels = _labels(rng, one_grid['shape'], len(classes))
                counts[key] += np.bincount(labels.ravel(), minlength=256)
                never_seen[key] += int(unobserved_of(labels).sum())
                _write_labels(root / entry['occupancy'][key], labels, one_grid, classes)
            _write_sensors(root, entry, rng, len(classes), image_size)
            entries.append(entry)
        by_grid = {key: count[: len(classes) + 1].tolist() for key, count in counts.items()}
        unknown = {key: float(count[255] / count.sum()) for key, count in counts.items()}
        default = next(iter(grids))
        metainfo = {
            'format': 'oneocc-infos',
            'version': 1,
            'dataset': {'quad': 'quadsim', 'human': 'humansim'}[kind],
            'split': split,
            'classes': list(classes),
            'grid': grids[default],
            'grids': grids,
            'class_counts': by_grid[default],
            'class_counts_by_grid': by_grid,
            'unknown_share': unknown[default],
            'unknown_share_by_grid': unknown,
            'unobserved_by_grid': never_seen,
        }
        infos = {'metainfo': metainfo, 'data_list': entries}
        (root / f'infos_{split}.json').write_text(json.dumps(infos), encoding='utf-8')
    return root


def camera_entry(kind: str, image_size: tuple[int, int]) -> tuple[str, dict, list]:
    """View name, camera dict and ``cam_from_ego`` of the tiny rig."""
    from projects.OneOcc.core.geometry import EquirectCamera, TaylorCamera

    width, height = image_size
    if kind == 'human':
        return 'equi', EquirectCamera(width, height).to_dict(), CAM_FROM_EGO_LEVEL
    # Sees from 60 degrees below the horizon (inner circle) to 30 above it (outer circle).
    inner, outer = 0.12 * height, 0.48 * height
    slope = (outer - inner) / np.deg2rad(90)
    offset = outer - slope * np.deg2rad(30)
    camera = TaylorCamera(
        coefficients=[offset, -slope],
        principal_point=(width / 2 + 0.7, height / 2 - 0.3),
        affine=[[1.0, 0.01], [-0.005, 1.0]],
        width=width,
        height=height,
        radius_range=(inner, outer),
    )
    return 'raw', camera.to_dict(), CAM_FROM_EGO_DOWN


def _entry(
    kind: str, sequence: str, frame: str, index: int, image_size: tuple[int, int], grids: dict[str, dict]
) -> dict:
    view, camera, cam_from_ego = camera_entry(kind, image_size)
    folder = f'recordings/{sequence}'
    pose = np.eye(4)
    pose[:3, 3] = (0.3 * index, 0.05 * index, 0.6)
    return {
        'sample_id': f'{sequence}/{frame}',
        'sequence': sequence,
        'frame': frame,
        'time': 0.1 * index,
        'lighting': LIGHTINGS[index % 3],
        'weather': 'clear',
        'map': 'map00',
        'world_from_ego': pose.tolist(),
        'world_from_body': pose.tolist(),
        'cameras': {
            view: {**camera, 'cam_from_ego': cam_from_ego, 'image': f'{folder}/{view}/{frame}.png'},
        },
        'lidars': {'lidar': {'lidar_from_ego': LIDAR_FROM_EGO, 'path': f'{folder}/lidar/{frame}.npz'}},
        'occupancy': {
            key: f'occupancy{"" if index == 0 else "_" + key}/{sequence}/{frame}.npz' for index, key in enumerate(grids)
        },
    }


def _labels(rng: np.random.Generator, shape: list[int], num_classes: int) -> np.ndarray:
    labels = np.zeros(shape, dtype=np.uint8)
    labels[:, :, 0] = 1 + np.arange(shape[1])[None, :] * num_classes // shape[1]
    labels[0, :, 1:] = labels[:, -1, 1:] = 3
    for _ in range(6):
        i, j = rng.integers(1, shape[0] - 2), rng.integers(1, shape[1] - 2)
        labels[i : i + 2, j : j + 2, 1:3] = rng.integers(1, num_classes + 1)
    labels[-1, :, 1:] = 255
    return labels


def _write_labels(path: Path, labels: np.ndarray, grid: dict, classes: tuple[str, ...]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        path,
        labels=labels,
        voxel_size_m=np.float64(grid['voxel_size']),
        origin_m=np.asarray(grid['origin'], dtype=np.float64),
        classes=np.asarray(classes),
        unobserved=unobserved_of(labels),
    )


def unobserved_of(labels: np.ndarray) -> np.ndarray:
    """Which of the unknown voxels nothing was seen of: every other one in space."""
    return (labels == 255) & (np.indices(labels.shape).sum(0) % 2 == 0)


def _write_sensors(
    root: Path, entry: dict, rng: np.random.Generator, num_classes: int, image_size: tuple[int, int]
) -> None:
    ((_, camera),) = entry['cameras'].items()
    lidar = entry['lidars']['lidar']['path']
    for path in (camera['image'], lidar):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
    width, height = image_size
    v, u = np.mgrid[:height, :width]
    smooth = np.stack(
        [128 + 100 * np.sin(2 * np.pi * u / width), 255 * v / height, 128 + 100 * np.cos(2 * np.pi * u / width)],
        axis=-1,
    )
    image = np.clip(smooth + rng.normal(0, 10, smooth.shape), 0, 255).astype(np.uint8)
    Image.fromarray(image).save(root / camera['image'], compress_level=1)
    points = rng.uniform((-5, -5, -1), (5, 5, 1.5), (200, 3)).astype(np.float32)
    np.savez_compressed(
        root / lidar,
        points=points,
        intensity=rng.random(200).astype(np.float32),
        label=rng.integers(1, num_classes + 1, 200).astype(np.uint8),
        dynamic=rng.random(200) < 0.1,
    )
