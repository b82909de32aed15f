"""KITTI-360's fisheyes with SSCBench's voxels: a panorama of the pair, or one side as it was taken.

ROOT/calibration/{image_02.yaml, image_03.yaml, calib_cam_to_pose.txt, calib_cam_to_velo.txt}
ROOT/data_2d_raw/<drive>/image_02/data_rgb/0000000000.png           left fisheye; image_03 is the right one
ROOT/data_3d_raw/<drive>/velodyne_points/data/0000000000.bin        where they are there
ROOT/data_poses/<drive>/poses.txt                                   frame and 12 numbers a row
VOXELS/<drive>/000000_1_1.npy                                       SSCBench: 256 x 256 x 32 of 0.2 m, ids 0..18, 255

Which picture belongs to a voxel file, the frame of that number or the one of that row of the poses, and where the
voxels begin, is counted on the scans: their points must fall into occupied voxels. Ego is the LiDAR.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from data_converters.importers.grid_readings import decide, hits
from data_converters.importers.importer import ImportedFrame, Importer, ImportFailedError, load_array, relabel
from data_converters.importers.voxel_pyramid import halved
from data_converters.recorders.point_files import read_points
from projects.OneOcc.core.formats.atomic_files import write_png
from projects.OneOcc.core.formats.images import read_rgb
from projects.OneOcc.core.formats.labels import UNKNOWN
from projects.OneOcc.core.geometry import (
    CartesianGrid,
    EquirectCamera,
    OmniCamera,
    RigMap,
    View,
    check_rigid,
    read_calibration,
    rig_map,
    stitch,
)

SHAPE = (256, 256, 32)
CLASSES = (
    'car',
    'bicycle',
    'motorcycle',
    'truck',
    'other-vehicle',
    'person',
    'road',
    'parking',
    'sidewalk',
    'other-ground',
    'building',
    'fence',
    'vegetation',
    'terrain',
    'pole',
    'traffic-sign',
    'other-structure',
    'other-object',
)
TRAINING_LABELS = {**{i: i for i in range(len(CLASSES) + 1)}, UNKNOWN: UNKNOWN}
SPLITS = {'train': ('00', '02', '03', '04', '05', '07', '10'), 'val': ('06',), 'test': ('09',)}
SIDES = {'left': 'image_02', 'right': 'image_03'}
NUMBERINGS = ('frame', 'pose-row')
Z_ORIGINS = (-2.0, -2.2)
# both lenses see about half a sphere; what lies beyond in the picture is the rim
MAX_ANGLE_DEG = 91.0
SAMPLED_FRAMES = 6


class Kitti360Importer(Importer):
    """KITTI-360 with SSCBench's voxels.

    Args:
        root: KITTI-360's own folder.
        voxels: folder of the voxels by drive; root/preprocess/labels by default.
        view: 'pair' makes a panorama `equi` of both fisheyes; 'left' or 'right' takes one as it is, as `raw`.
        width: of the panorama in pixels; its height is half of it.
        numbering: 'frame' or 'pose-row'; None finds it.
        z_origin: lowest corner of the voxels in metres; None finds which of -2.0 and -2.2 fits.

    Raises:
        ImportFailedError: a file or folder is missing or of another size.
        ReadingError: the scans fall into the voxels under no reading.
    """

    dataset = 'kitti360'
    classes = CLASSES

    def __init__(
        self,
        root: Path,
        voxels: Path | None = None,
        view: str = 'pair',
        width: int = 1408,
        numbering: str | None = None,
        z_origin: float | None = None,
    ) -> None:
        super().__init__(root)
        if view not in ('pair', *SIDES):
            raise ImportFailedError(f"--view: expected 'pair', 'left' or 'right', got {view!r}")
        self.view, self.width = view, width
        self.voxels = Path(voxels) if voxels is not None else self.root / 'preprocess/labels'
        if not self.voxels.is_dir():
            raise ImportFailedError(f"{self.voxels}: expected the folder of SSCBench's voxels by drive, got none")
        self._files = {folder.name: _voxel_files(folder) for folder in sorted(self.voxels.iterdir()) if folder.is_dir()}
        self._files = {name: files for name, files in self._files.items() if _split_of(name) and files}
        if not self._files:
            raise ImportFailedError(
                f'{self.voxels}: expected drives 2013_05_28_drive_00NN_sync with *_1_1.npy, got none'
            )
        self._views = self._read_views()
        self._poses = {name: self._read_poses(name) for name in self._files}
        self.numbering, self.z_origin = self._find_reading(numbering, z_origin)
        fine = CartesianGrid(SHAPE, 0.2, (0.0, -25.6, self.z_origin))
        self.grids = (fine, CartesianGrid((128, 128, 16), 0.4, fine.origin))
        self._panorama = self._make_panorama() if view == 'pair' else None

    def splits(self) -> dict[str, list[str]]:
        found = {split: [name for name in self._files if _split_of(name) == split] for split in SPLITS}
        return {split: names for split, names in found.items() if names}

    def settings(self) -> dict[str, Any]:
        return dict(
            super().settings(),
            voxels=str(self.voxels.resolve()),
            view=self.view,
            width=self.width,
            numbering=self.numbering,
            z_origin=self.z_origin,
        )

    def names(self, sequence: str) -> dict[str, str]:
        return dict(lighting='day')

    def frame_ids(self, sequence: str) -> list[str]:
        kept = []
        for stem in self._files[sequence]:
            number = self._number(sequence, stem, self.numbering)
            if number is not None and all(self._image(sequence, side, number).is_file() for side in self._views):
                kept.append(stem)
        return kept

    def frame(self, sequence: str, frame: str, out: Path) -> ImportedFrame:
        number = self._number(sequence, frame, self.numbering)
        if number is None:
            raise ImportFailedError(f'{self._files[sequence][frame]}: expected a pose in that row, got none')
        path = self._files[sequence][frame]
        labels = relabel(load_array(path, [SHAPE]), TRAINING_LABELS, str(path))
        fine, coarse = self.grids
        half, half_unobserved = halved(labels, labels == UNKNOWN)
        scan = self._scan(sequence, number)
        lidars = {}
        if scan.is_file():
            cloud = read_points(scan)
            intensity = np.zeros(len(cloud.points)) if cloud.intensity is None else np.clip(cloud.intensity, 0, 1)
            lidars['lidar'] = (cloud.points, intensity, np.eye(4))
        pose = self._poses[sequence].get(number, np.eye(4))
        cameras = self._cameras(sequence, frame, number, out)
        unobserved = {fine: labels == UNKNOWN, coarse: half_unobserved}
        return ImportedFrame(frame, 0.1 * number, cameras, {fine: labels, coarse: half}, unobserved, lidars, pose)

    def _cameras(
        self, sequence: str, frame: str, number: int, out: Path
    ) -> dict[str, tuple[OmniCamera, np.ndarray, str]]:
        """Name -> camera, its pose (4, 4) from ego, and its picture: the raw fisheye, or the panorama stitched now."""
        if self._panorama is None:
            ((side, view),) = self._views.items()
            return {'raw': (view.camera, view.cam_from_ego, self.source(self._image(sequence, side, number)))}
        panorama, pano_from_ego, where = self._panorama
        images = {
            side: read_rgb(self._image(sequence, side, number), (view.camera.width, view.camera.height))
            for side, view in self._views.items()
        }
        name = f'panorama/{sequence}/{frame}.png'
        write_png(out / name, stitch(images, where))
        return {'equi': (panorama, pano_from_ego, name)}

    def _make_panorama(self) -> tuple[EquirectCamera, np.ndarray, RigMap]:
        """The panorama, its pose (4, 4) from ego, and where its pixels look.

        Its centre lies midway between the lenses, so that either is off by as little as can be."""
        centres = [np.linalg.inv(view.cam_from_ego)[:3, 3] for view in self._views.values()]
        pano_from_ego = np.eye(4)
        pano_from_ego[:3, 3] = -np.mean(centres, axis=0)
        panorama = EquirectCamera(self.width, self.width // 2)
        return panorama, pano_from_ego, rig_map(panorama, self._views, pano_from_ego)

    def _read_views(self) -> dict[str, View]:
        folder = self.root / 'calibration'
        to_pose = _rows(folder / 'calib_cam_to_pose.txt')
        # the LiDAR from the left perspective camera, as the file's name says
        velo_from_cam0 = _matrix(_rows(folder / 'calib_cam_to_velo.txt').get('', np.zeros(0)), folder)
        self._imu_from_velo = _matrix(to_pose.get('image_00', np.zeros(0)), folder) @ np.linalg.inv(velo_from_cam0)
        views = {}
        for side, name in SIDES.items():
            if self.view not in ('pair', side):
                continue
            missing = [key for key in ('image_00', name) if key not in to_pose]
            if missing:
                raise ImportFailedError(
                    f'{folder}/calib_cam_to_pose.txt: expected a row {missing[0]}, got {list(to_pose)}'
                )
            pose_from_cam0, pose_from_cam = (_matrix(to_pose[key], folder) for key in ('image_00', name))
            velo_from_cam = velo_from_cam0 @ np.linalg.inv(pose_from_cam0) @ pose_from_cam
            camera = read_calibration(folder / f'{name}.yaml', max_angle=math.radians(MAX_ANGLE_DEG))
            views[side] = View(camera, np.linalg.inv(velo_from_cam))
        return views

    def _read_poses(self, sequence: str) -> dict[int, np.ndarray]:
        """Frame number -> world_from_velodyne (4, 4), metres; empty without a file."""
        path = self.root / f'data_poses/{sequence}/poses.txt'
        if not path.is_file():
            return {}
        rows = np.loadtxt(path, ndmin=2)
        if rows.shape[1] != 13:
            raise ImportFailedError(f'{path}: expected a frame and 12 numbers a row, got {rows.shape[1]}')
        return {int(row[0]): _matrix(row[1:], path) @ self._imu_from_velo for row in rows}

    def _number(self, sequence: str, stem: str, numbering: str) -> int | None:
        if numbering == 'frame':
            return int(stem)
        frames = list(self._poses[sequence])
        return frames[int(stem)] if int(stem) < len(frames) else None

    def _image(self, sequence: str, side: str, number: int) -> Path:
        return self.root / f'data_2d_raw/{sequence}/{SIDES[side]}/data_rgb/{number:010d}.png'

    def _scan(self, sequence: str, number: int) -> Path:
        return self.root / f'data_3d_raw/{sequence}/velodyne_points/data/{number:010d}.bin'

    def _find_reading(self, numbering: str | None, z_origin: float | None) -> tuple[str, float]:
        frames = [(name, stem) for name, files in self._files.items() for stem in files]
        frames = frames[:: max(1, len(frames) // SAMPLED_FRAMES)][:SAMPLED_FRAMES]
        shares, chosen = {}, {}
        for way in NUMBERINGS if numbering is None else (numbering,):
            for origin in Z_ORIGINS if z_origin is None else (z_origin,):
                grid, counts = CartesianGrid(SHAPE, 0.2, (0.0, -25.6, origin)), []
                for name, stem in frames:
                    number = self._number(name, stem, way)
                    if number is None or not self._scan(name, number).is_file():
                        continue
                    occupied = load_array(self._files[name][stem], [SHAPE])
                    points = read_points(self._scan(name, number)).points
                    counts.append(hits(points, (occupied > 0) & (occupied != UNKNOWN), grid))
                if counts:
                    text = f'numbers are {way}s, z origin {origin}'
                    shares[text] = sum(hit for hit, _ in counts) / max(sum(inside for _, inside in counts), 1)
                    chosen[text] = (way, origin)
        if not shares:
            if numbering is None:
                raise ImportFailedError(
                    f'{self.root}: expected scans in data_3d_raw to tell the frame of a voxel file, got none; '
                    f'say it: --numbering {" or ".join(NUMBERINGS)}'
                )
            self.evidence.append(f'{self.root}: no scans; numbers taken for {numbering}s, unchecked')
            return numbering, Z_ORIGINS[0] if z_origin is None else z_origin
        best, line = decide(f'{self.root}: voxels', shares)
        self.evidence.append(line)
        return chosen[best]


def _split_of(drive: str) -> str | None:
    number = drive.rpartition('_drive_00')[2][:2]
    return next((split for split, numbers in SPLITS.items() if number in numbers), None)


def _voxel_files(folder: Path) -> dict[str, Path]:
    return {path.name.removesuffix('_1_1.npy'): path for path in sorted(folder.glob('*_1_1.npy'))}


def _rows(path: Path) -> dict[str, np.ndarray]:
    """Rows `name: numbers` of a calibration file as (K,) float64 by name, '' for a row without a name."""
    if not path.is_file():
        raise ImportFailedError(f'{path}: expected a calibration of KITTI-360, got none')
    rows = {}
    for line in path.read_text().splitlines():
        name, colon, numbers = line.rpartition(':')
        if line.strip():
            try:
                rows[name.strip() if colon else ''] = np.array([float(word) for word in numbers.split()])
            except ValueError as error:
                raise ImportFailedError(f'{path}: expected numbers, got {line.strip()!r:.60}') from error
    return rows


def _matrix(numbers: np.ndarray, where: Any) -> np.ndarray:
    """(4, 4) rigid transform of the 12 numbers of its upper three rows, (12,)."""
    if numbers.size != 12:
        raise ImportFailedError(f'{where}: expected the 12 numbers of a pose, got {numbers.size}')
    try:
        return check_rigid(str(where), np.vstack([numbers.reshape(3, 4), (0, 0, 0, 1)]), tolerance=1e-3)
    except ValueError as error:
        raise ImportFailedError(str(error)) from error
