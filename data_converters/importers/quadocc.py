"""QuadOcc as its authors' reader has it: annular pictures, Livox sweeps, label grids of a quadruped.

ROOT/PAL_intrinsic_calib_results.txt                         OCamCalib
ROOT/sequences/<YYYY-MM-DD-HH-MM-SS>/images_raw/000000.jpg   the annulus; images_unfold beside it is not needed
ROOT/sequences/<...>/lidar/000000.pcd                        points at (0, 0, 0) are padding
ROOT/sequences/<...>/new_finally_label/000000.npy            uint8: 255 empty, 0 hit and unlabelled, 1..14 classes

The lens looks up; LiDAR to camera is 15 degrees about y and 8 cm. In which frame the label grid lives, the order and
signs of its axes, and how the picture is turned about the lens axis are not stated. They are found from the data: by
the share of LiDAR points that fall into occupied voxels, and by depth edges of the sweeps against those in pictures.
Voxels that nothing saw are stored as empty, and stay so. Poses and times are not part of the set.
"""

from __future__ import annotations

from calendar import timegm
from pathlib import Path
from time import strptime
from typing import Any

import numpy as np

from data_converters.edge_agreement import azimuth_scores
from data_converters.importers.grid_readings import (
    Axes,
    ReadingError,
    arrange,
    axis_readings,
    decide,
    hits,
)
from data_converters.importers.importer import (
    ImportedFrame,
    Importer,
    ImportFailedError,
    files_by_stem,
    load_array,
    relabel,
)
from data_converters.recorders.point_files import read_points
from projects.OneOcc.core.formats.images import read_rgb
from projects.OneOcc.core.formats.labels import QUADOCC_CLASSES
from projects.OneOcc.core.geometry import CartesianGrid, OmniCamera, TaylorCamera, View, read_calibration
from projects.OneOcc.core.geometry.ocamcalib import read_ocamcalib

GRID = CartesianGrid((64, 64, 8), 0.4, (-12.8, -12.8, -1.2))
EMPTY_ID = 255
KNOWN_IDS = {1: 1, 4: 2, 5: 3, 8: 4, 10: 5, 12: 6}
TRAINING_LABELS = {**dict.fromkeys(range(15), 255), **KNOWN_IDS, EMPTY_ID: 0}
LIGHTING = {
    '2024-06-20-21-16-11': 'day',
    '2024-06-20-21-08-40': 'dusk',
    '2024-06-20-20-46-59': 'night',
    '2024-06-20-20-49-54': 'day',
    '2024-06-20-20-52-21': 'day',
    '2024-06-20-21-05-40': 'day',
    '2024-06-20-21-19-23': 'night',
    '2024-06-20-21-15-21': 'day',
    '2024-06-20-21-05-05': 'dusk',
    '2024-06-20-21-11-28': 'dusk',
}
VALIDATION = ('2024-06-20-21-16-11', '2024-06-20-21-08-40', '2024-06-20-20-46-59')
CAMERA_FROM_LIDAR = np.array(
    [
        [0.965595, 0.02617695, 0.25873031, 0.08],
        [-0.02528499, 0.99965732, -0.00677509, 0.0],
        [-0.258819, 0.0, 0.965926, -0.02],
        [0.0, 0.0, 0.0, 1.0],
    ]
)
UNFOLDED_DEG = (50.0, -10.0)
FRAME_SECONDS = 0.1
SAMPLED_FRAMES = 12
TURN_STEP_DEG = 5
TURN_FRAMES = 60
TURN_NOISE = 2.5


def _orthonormal(matrix: np.ndarray) -> np.ndarray:
    """The nearest rigid transform (4, 4) of one that was rounded."""
    result = matrix.copy()
    left, _, right = np.linalg.svd(matrix[:3, :3])
    result[:3, :3] = left @ right
    return result


def _level(matrix: np.ndarray) -> np.ndarray:
    """A transform (4, 4) without its translation."""
    result = matrix.copy()
    result[:3, 3] = 0
    return result


# where the label grid may live: x forward, y left, z up in each
GRID_FROM_LIDAR = {
    'camera': _orthonormal(CAMERA_FROM_LIDAR),
    'level-lidar': _level(_orthonormal(CAMERA_FROM_LIDAR)),
    'lidar': np.eye(4),
}


class QuadOccImporter(Importer):
    """QuadOcc in its official layout.

    Args:
        root: the folder with PAL_intrinsic_calib_results.txt and sequences/.
        label_folder: new_finally_label, or another one of the same kind.
        axes: what each stored label axis runs along; None finds it.
        grid_frame: 'camera', 'level-lidar' or 'lidar'; None finds it.
        camera_turn_deg: by how much the picture is turned about the upward lens axis, 0 where its top faces forward
            and positive where it faces to the left; None finds it.
        radius_range: annulus in pixels; by default the file's, else that of elevations +50..-10 degrees.

    Raises:
        ImportFailedError: a file or folder is missing or of another shape, or a sequence of neither split.
        ReadingError: the points fit the labels under no reading, or the pictures fit the sweeps under none.
    """

    dataset = 'quadocc'
    classes = QUADOCC_CLASSES
    grids = (GRID,)

    def __init__(
        self,
        root: Path,
        label_folder: str = 'new_finally_label',
        axes: Axes | None = None,
        grid_frame: str | None = None,
        camera_turn_deg: float | None = None,
        radius_range: tuple[float, float] | None = None,
    ) -> None:
        super().__init__(root)
        self.label_folder = label_folder
        if grid_frame is not None and grid_frame not in GRID_FROM_LIDAR:
            raise ImportFailedError(f'--grid-frame: expected one of {list(GRID_FROM_LIDAR)}, got {grid_frame!r}')
        home = self.root / 'sequences'
        if not home.is_dir():
            raise ImportFailedError(f'{self.root}: expected a folder sequences, got none')
        names = sorted(folder.name for folder in home.iterdir() if folder.is_dir())
        strange = [name for name in names if name not in LIGHTING]
        if strange or not names:
            raise ImportFailedError(f'{home}: expected sequences among {sorted(LIGHTING)}, got {strange[:5] or "none"}')
        self.camera = self._read_camera(radius_range)
        self._files = {name: self._find_files(home / name) for name in names}
        self.axes, self.grid_frame = self._find_reading(axes, grid_frame)
        self.camera_turn_deg = self._find_turn() if camera_turn_deg is None else float(camera_turn_deg)

    def splits(self) -> dict[str, list[str]]:
        splits = {
            'train': [name for name in self._files if name not in VALIDATION],
            'val': [name for name in self._files if name in VALIDATION],
        }
        return {split: names for split, names in splits.items() if names}

    def settings(self) -> dict[str, Any]:
        return dict(
            super().settings(),
            labels=self.label_folder,
            axes=list(self.axes),
            grid_frame=self.grid_frame,
            camera_turn_deg=self.camera_turn_deg,
            camera=self.camera.to_dict(),
        )

    def names(self, sequence: str) -> dict[str, str]:
        return dict(lighting=LIGHTING[sequence])

    def frame_ids(self, sequence: str) -> list[str]:
        return list(self._files[sequence])

    def frame(self, sequence: str, frame: str, out: Path) -> ImportedFrame:
        image, sweep, label = self._files[sequence][frame]
        labels = arrange(self._labels(label), self.axes)
        begin = timegm(strptime(sequence, '%Y-%m-%d-%H-%M-%S'))
        number = int(frame) if frame.isdigit() else list(self._files[sequence]).index(frame)
        lidars = {}
        if sweep is not None:
            points, intensity = self._sweep(sweep)
            lidars['lidar'] = (points, intensity, np.linalg.inv(GRID_FROM_LIDAR[self.grid_frame]))
        cameras = {'raw': (self.camera, self._cam_from_ego(self.camera_turn_deg), self.source(image))}
        return ImportedFrame(frame, begin + FRAME_SECONDS * number, cameras, {GRID: labels}, lidars=lidars)

    def _read_camera(self, radius_range: tuple[float, float] | None) -> OmniCamera:
        path = self.root / 'PAL_intrinsic_calib_results.txt'
        if not path.is_file():
            raise ImportFailedError(f'{path}: expected the calibration of the lens, got none')
        calib = read_ocamcalib(path)
        annulus = radius_range or calib.radius_range
        if annulus is None:
            whole = TaylorCamera.from_ocamcalib(path, radius_range=(0.0, 0.5 * min(calib.width, calib.height)))
            edges = np.polynomial.Polynomial(whole.coefficients)(np.radians(UNFOLDED_DEG))
            annulus = (float(edges.min()), float(edges.max()))
            self.evidence.append(f'{path}: annulus {annulus[0]:.1f}..{annulus[1]:.1f} px, elevations +50..-10 degrees')
        return read_calibration(path, radius_range=annulus)

    def _find_files(self, folder: Path) -> dict[str, tuple[Path, Path | None, Path]]:
        images = files_by_stem(folder / 'images_raw', ('.jpg', '.png'), 'annular pictures')
        labels = files_by_stem(folder / self.label_folder, ('.npy',), 'label grids')
        sweeps = files_by_stem(folder / 'lidar', ('.pcd',), 'sweeps')
        bare = sorted(set(labels) - set(images))
        if bare:
            raise ImportFailedError(f'{folder}: expected a picture for every label grid, got none for {bare[:5]}')
        return {frame: (images[frame], sweeps.get(frame), labels[frame]) for frame in sorted(labels)}

    def _labels(self, path: Path) -> np.ndarray:
        """Training labels (A, B, C) uint8 of a file of voxels, axes in its order."""
        return relabel(load_array(path), TRAINING_LABELS, str(path))

    def _sweep(self, path: Path) -> tuple[np.ndarray, np.ndarray]:
        """Points (N, 3) in metres and their intensity (N,) in [0, 1]; 0 where the file has none."""
        cloud = read_points(path)
        intensity = np.zeros(len(cloud.points)) if cloud.intensity is None else cloud.intensity.astype(np.float64)
        return cloud.points, np.clip(intensity / (255.0 if intensity.max(initial=0) > 1 else 1.0), 0, 1)

    def _sampled(self, most: int = SAMPLED_FRAMES) -> list[tuple[Path, Path, Path]]:
        whole = [files for frames in self._files.values() for files in frames.values() if files[1] is not None]
        if not whole:
            raise ImportFailedError(f'{self.root}: expected sweeps of frames with labels, got none')
        return whole[:: max(1, len(whole) // most)][:most]  # type: ignore[return-value]

    def _find_reading(self, axes: Axes | None, grid_frame: str | None) -> tuple[Axes, str]:
        sampled = self._sampled()
        stored = [load_array(label) for _, _, label in sampled]
        shapes = {array.shape for array in stored}
        if len(shapes) != 1:
            raise ImportFailedError(f'{self.root}: expected label grids of one shape, got {sorted(shapes)}')
        try:
            readings = axis_readings(stored[0].shape, GRID) if axes is None else [axes]
        except ReadingError as error:
            raise ReadingError(f'{sampled[0][2]}: {error}') from error
        points = [self._sweep(sweep)[0] for _, sweep, _ in sampled]
        points = [cloud[(cloud != 0).any(axis=1)][::3] for cloud in points]
        shares: dict[str, dict[str, float]] = {}
        for frame in GRID_FROM_LIDAR if grid_frame is None else (grid_frame,):
            pose = GRID_FROM_LIDAR[frame]
            moved = [cloud @ pose[:3, :3].T + pose[:3, 3] for cloud in points]
            for reading in readings:
                counts = [hits(p, arrange(array, reading) != EMPTY_ID, GRID) for p, array in zip(moved, stored)]
                share = sum(hit for hit, _ in counts) / max(sum(inside for _, inside in counts), 1)
                shares.setdefault(' '.join(reading), {})[frame] = share
        by_axes = {name: max(by_frame.values()) for name, by_frame in shares.items()}
        best, line = decide(f'{self.root}: axes of the label grid', by_axes)
        # two frames that differ by less than half a voxel cannot, and need not, be told apart with certainty
        chosen, frame_line = decide(f'{self.root}: frame of the label grid', shares[best], allowed_margin=0.0)
        self.evidence += [line, frame_line]
        return tuple(best.split()), chosen  # type: ignore[return-value]

    def _cam_from_ego(self, turn_deg: float) -> np.ndarray:
        """(4, 4): the lens looks up from its place in the grid's frame; at 0 the top of the picture faces forward."""
        turn = np.radians(turn_deg)
        pose = np.eye(4)
        # right in the picture is left of the robot for who looks up; down in it is backwards
        pose[0, :2] = -np.sin(turn), np.cos(turn)
        pose[1, :2] = -np.cos(turn), -np.sin(turn)
        grid_from_camera = GRID_FROM_LIDAR[self.grid_frame] @ np.linalg.inv(GRID_FROM_LIDAR['camera'])
        if self.grid_frame == 'lidar':
            return pose @ np.linalg.inv(grid_from_camera)
        pose[:3, 3] = -pose[:3, :3] @ grid_from_camera[:3, 3]
        return pose

    def _find_turn(self) -> float:
        sampled = self._sampled(TURN_FRAMES)
        scans = [self._sweep(sweep)[0] for _, sweep, _ in sampled]
        size = (self.camera.width, self.camera.height)
        images = [read_rgb(image, size) for image, _, _ in sampled]
        lidar_from_ego = np.linalg.inv(GRID_FROM_LIDAR[self.grid_frame])
        level = View(self.camera, self._cam_from_ego(0.0))
        edges, by_turn = azimuth_scores(level, scans, images, lidar_from_ego, TURN_STEP_DEG)
        best = max(by_turn, key=lambda turn: by_turn[turn])
        apart = {turn: s for turn, s in by_turn.items() if 15 < abs(turn - best) < 345}
        second = max(apart, key=lambda turn: apart[turn])
        said = f'{by_turn[best]:.3f} at {best} degrees, then {apart[second]:.3f} at {second}, over {edges} depth edges'
        if by_turn[best] - apart[second] < TURN_NOISE * 0.29 / max(edges, 1) ** 0.5:
            raise ReadingError(
                f'{self.root}: expected pictures whose edges agree with depth edges of the sweeps at one turn about '
                f'the lens axis, got {said}; say which it is: --camera-turn DEGREES'
            )
        self.evidence.append(f'{self.root}: turn of the picture about the lens axis: {best} degrees ({said})')
        return float(best)
