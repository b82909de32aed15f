"""Human360Occ as its authors' reader has it: panoramas, depth of cube faces, occupancy of CARLA tags.

ROOT/splits_homo.json, splits_heter.json     split name -> sequence folders: within-map and cross-map
ROOT/<sequence>/panorama_rgb/000000.png      equirectangular
ROOT/<sequence>/panorama_depth_m/000000.npy  (H, W) metres along the axis of the cube face
ROOT/<sequence>/occupancy_gt/000000.npy      (64, 64, 8) tags 0..28, and occupancy_gt_128x128x16

The order and signs of the label axes and the kind of depth are not stated: both are found from the data, by where the
points of the depth panoramas fall. Voxels that nothing saw are stored as empty, and stay so.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from data_converters.importers.cube_depth import face_depth_to_range, pixel_rays, range_points
from data_converters.importers.grid_readings import Axes, ReadingError, arrange, axis_readings, decide, hits
from data_converters.importers.importer import (
    ImportedFrame,
    Importer,
    ImportFailedError,
    files_by_stem,
    load_array,
    relabel,
)
from projects.OneOcc.core.formats.atomic_files import png_size, read_json
from projects.OneOcc.core.formats.labels import H3O_CLASSES, UNKNOWN
from projects.OneOcc.core.formats.paths import check_relative
from projects.OneOcc.core.geometry import CartesianGrid, EquirectCamera

GRIDS = {
    'occupancy_gt': CartesianGrid((64, 64, 8), 0.4, (-12.8, -12.8, -2.4)),
    'occupancy_gt_128x128x16': CartesianGrid((128, 128, 16), 0.2, (-12.8, -12.8, -2.4)),
}
SPLIT_FILES = {'within': 'splits_homo.json', 'cross': 'splits_heter.json'}
# CARLA >= 0.9.14: walls and fences are building, traffic lights and signs pole, terrain vegetation, riders person,
# road lines road; unlabelled, sky, train, static, dynamic, other, water, ground, bridge, rail and guard rail empty.
TAGS = {1: 1, 2: 2, 3: 3, 4: 3, 5: 3, 6: 10, 7: 10, 8: 10, 9: 4, 10: 4, 12: 9, 13: 9, 14: 5, 15: 6, 16: 7, 18: 8, 19: 8}
TRAINING_LABELS = {**dict.fromkeys(range(29), 0), **TAGS, 24: 1, UNKNOWN: UNKNOWN}
DEPTHS = ('face', 'range')
SAMPLED_FRAMES = 8
FRAME_SECONDS = 0.1


class Human360OccImporter(Importer):
    """Human360Occ in its official layout.

    Args:
        root: the folder with splits_homo.json, splits_heter.json and the sequences.
        axes: what each stored label axis runs along, e.g. ('x', 'y', 'z'); None finds it.
        depth: 'face' or 'range'; None finds it.
        sweeps: write the depth panoramas as sweeps `depth` too, thinned to 30,000 points.

    Raises:
        ImportFailedError: a file or folder is missing or of another shape.
        ReadingError: the depth fits the labels under no reading, or under two.
    """

    dataset = 'human360occ'
    classes = H3O_CLASSES

    def __init__(self, root: Path, axes: Axes | None = None, depth: str | None = None, sweeps: bool = False) -> None:
        super().__init__(root)
        self.sweeps = sweeps
        self._splits = self._read_splits()
        sequences = sorted({name for names in self._splits.values() for name in names})
        missing = [name for name in sequences if not self._folder_of[name].is_dir()]
        if missing:
            raise ImportFailedError(
                f'{self.root}: expected the sequences of the split files, got none of {missing[:5]}'
            )
        self._frames = {name: self._find_frames(name) for name in sequences}
        folders = [name for name in GRIDS if (self._folder_of[sequences[0]] / name).is_dir()]
        self._folders = {GRIDS[name]: name for name in folders}
        self.grids = tuple(self._folders)
        self.axes, self.depth = self._find_reading(axes, depth)

    def splits(self) -> dict[str, list[str]]:
        return {name: list(members) for name, members in self._splits.items()}

    def settings(self) -> dict[str, Any]:
        return dict(super().settings(), axes=list(self.axes), depth=self.depth, sweeps=self.sweeps)

    def frame_ids(self, sequence: str) -> list[str]:
        return self._frames[sequence]

    def frame(self, sequence: str, frame: str, out: Path) -> ImportedFrame:
        folder = self._folder_of[sequence]
        image = folder / f'panorama_rgb/{frame}.png'
        size = png_size(image)
        if size is None:
            raise ImportFailedError(f'{image}: expected a PNG image, got another file')
        labels = {grid: arrange(self._labels(sequence, frame, grid), self.axes) for grid in self.grids}
        lidars = {}
        if self.sweeps:
            points = self._points(sequence, frame, self.depth)
            points = points[:: max(1, len(points) // 30_000)]
            lidars['depth'] = (points, np.zeros(len(points)), np.eye(4))
        time = FRAME_SECONDS * (int(frame) if frame.isdigit() else self._frames[sequence].index(frame))
        cameras = {'equi': (EquirectCamera(size[1], size[0]), np.eye(4), self.source(image))}
        return ImportedFrame(frame, time, cameras, labels, lidars=lidars)

    def _read_splits(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for kind, file in SPLIT_FILES.items():
            path = self.root / file
            if not path.is_file():
                continue
            content = read_json(path, ImportFailedError)
            if not isinstance(content, Mapping) or not all(isinstance(names, list) for names in content.values()):
                raise ImportFailedError(
                    f'{path}: expected split names with lists of sequence folders, got {content!r:.80}'
                )
            for split, names in content.items():
                if names:
                    found[f'{kind}_{split}'] = [
                        check_relative(str(name), f'{path}: {split}').as_posix() for name in names
                    ]
        if not found:
            raise ImportFailedError(
                f'{self.root}: expected {" or ".join(SPLIT_FILES.values())} with sequences, got none'
            )
        # a folder in a folder, as maps may be kept, makes one name
        self._folder_of = {name.replace('/', '__'): self.root / name for names in found.values() for name in names}
        return {split: [name.replace('/', '__') for name in names] for split, names in found.items()}

    def _find_frames(self, sequence: str) -> list[str]:
        folder = self._folder_of[sequence]
        images = files_by_stem(folder / 'panorama_rgb', ('.png',), 'panoramas')
        labels = files_by_stem(folder / 'occupancy_gt', ('.npy',), 'label grids')
        bare = sorted(set(labels) - set(images))
        if bare:
            raise ImportFailedError(f'{folder}: expected a panorama for every label grid, got none for {bare[:5]}')
        return sorted(labels)

    def _labels(self, sequence: str, frame: str, grid: CartesianGrid) -> np.ndarray:
        """Training labels (A, B, C) uint8 of a frame on one of the grids, axes in the order of the file."""
        path = self._folder_of[sequence] / self._folders[grid] / f'{frame}.npy'
        return relabel(load_array(path), TRAINING_LABELS, str(path))

    def _points(self, sequence: str, frame: str, kind: str) -> np.ndarray:
        """Points (N, 3) float64 of the panorama's depth, metres, x forward, y left, z up from its centre."""
        path = self._folder_of[sequence] / f'panorama_depth_m/{frame}.npy'
        depth = load_array(path).astype(np.float64)
        if depth.ndim == 3 and depth.shape[-1] == 1:
            depth = depth[..., 0]
        size = png_size(self._folder_of[sequence] / f'panorama_rgb/{frame}.png')
        if depth.ndim != 2 or size is None or depth.shape != size:
            raise ImportFailedError(f'{path}: expected depth of the size of its panorama, {size}, got {depth.shape}')
        rays = pixel_rays(size[1], size[0])
        distance = face_depth_to_range(depth, rays) if kind == 'face' else depth
        return range_points(distance, rays, farthest=40.0)

    def _find_reading(self, axes: Axes | None, depth: str | None) -> tuple[Axes, str]:
        grid = self.grids[0]
        frames = [(name, frame) for name in self._frames for frame in self._frames[name]]
        frames = frames[:: max(1, len(frames) // SAMPLED_FRAMES)][:SAMPLED_FRAMES]
        grids = [self._labels(name, frame, grid) for name, frame in frames]
        shapes = {array.shape for array in grids}
        if len(shapes) != 1:
            raise ImportFailedError(f'{self.root}: expected label grids of one shape, got {sorted(shapes)}')
        try:
            readings = axis_readings(grids[0].shape, grid) if axes is None else [axes]
        except ReadingError as error:
            raise ReadingError(f'{self.root}: {error}') from error
        shares, chosen = {}, {}
        for kind in DEPTHS if depth is None else (depth,):
            points = [self._points(name, frame, kind)[::7] for name, frame in frames]
            for reading in readings:
                name = f'axes {" ".join(reading)}, depth as {kind}'
                counts = [hits(p, arrange(g, reading) > 0, grid) for p, g in zip(points, grids)]
                shares[name] = sum(hit for hit, _ in counts) / max(sum(inside for _, inside in counts), 1)
                chosen[name] = (reading, kind)
        best, line = decide(f'{self.root}: label grid', shares)
        self.evidence.append(line)
        return chosen[best]
