"""SemanticKITTI's scene completion: a LiDAR, one camera that looks ahead, voxels ahead of the car.

ROOT/sequences/08/{velodyne,voxels,image_2}/, calib.txt, poses.txt, times.txt (also ROOT/dataset/sequences/...)
voxels/000000.bin       occupied, bits, first one highest; 256 x 256 x 32 of 0.2 m
voxels/000000.label     uint16 ids, where the set has labels; .invalid: bits, what nothing saw

The documented lowest corner is (0, -25.6, -2) in the LiDAR's frame. The official files hold the cells of
(0, -25.6, -2.2): counted on the scans, and refused where neither fits.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from data_converters.importers.grid_readings import decide, hits
from data_converters.importers.importer import ImportedFrame, Importer, ImportFailedError, files_by_stem, relabel
from data_converters.importers.voxel_pyramid import halved
from data_converters.recorders.point_files import read_points
from data_converters.recorders.pose_files import read_pose_file
from data_converters.recorders.semantickitti import read_calib
from projects.OneOcc.core.formats.atomic_files import png_size
from projects.OneOcc.core.geometry import CartesianGrid, PinholeCamera

SHAPE = (256, 256, 32)
CLASSES = (
    'car',
    'bicycle',
    'motorcycle',
    'truck',
    'other-vehicle',
    'person',
    'bicyclist',
    'motorcyclist',
    'road',
    'parking',
    'sidewalk',
    'other-ground',
    'building',
    'fence',
    'vegetation',
    'trunk',
    'terrain',
    'pole',
    'traffic-sign',
)
# ids of the benchmark; moving things count as their still kind, and what has no class is not scored
IDS = {10: 1, 11: 2, 15: 3, 18: 4, 13: 5, 16: 5, 20: 5, 30: 6, 31: 7, 32: 8, 40: 9, 60: 9, 44: 10, 48: 11, 49: 12}
IDS |= {50: 13, 51: 14, 70: 15, 71: 16, 72: 17, 80: 18, 81: 19}
IDS |= {252: 1, 253: 7, 254: 6, 255: 8, 256: 5, 257: 5, 258: 4, 259: 5}
TRAINING_LABELS = {**dict.fromkeys((1, 52, 99), 255), **IDS, 0: 0}
SPLITS = {'train': ('00', '01', '02', '03', '04', '05', '06', '07', '09', '10'), 'val': ('08',)}
Z_ORIGINS = (-2.2, -2.0)
SAMPLED_FRAMES = 6


def unpack_bits(path: Path) -> np.ndarray:
    """(256, 256, 32) bool from a file of bits, the first of each byte the highest.

    Raises:
        ImportFailedError: missing or of another size.
    """
    if not path.is_file():
        raise ImportFailedError(f'{path}: expected a file of voxels, got none')
    content = np.frombuffer(path.read_bytes(), np.uint8)
    if content.size * 8 != np.prod(SHAPE):
        raise ImportFailedError(f'{path}: expected {int(np.prod(SHAPE)) // 8} bytes of voxels, got {content.size}')
    return np.unpackbits(content).reshape(SHAPE).astype(bool)


class SemanticKittiImporter(Importer):
    """SemanticKITTI's scene completion in its official layout; ego is the LiDAR.

    Args:
        root: the folder with sequences/ (or dataset/sequences/).
        geometry: take voxels without their classes, where there are no .label files.
        z_origin: lowest corner of the voxels in metres; None finds which of -2.2 and -2.0 fits.

    Raises:
        ImportFailedError: a file or folder is missing or of another size.
        ReadingError: the scans fall into the voxels under neither origin.
    """

    dataset = 'semantickitti'

    def __init__(self, root: Path, geometry: bool = False, z_origin: float | None = None) -> None:
        super().__init__(root)
        home = next((self.root / d for d in ('dataset/sequences', 'sequences') if (self.root / d).is_dir()), None)
        if home is None:
            raise ImportFailedError(f'{self.root}: expected a folder sequences or dataset/sequences, got none')
        self.geometry = geometry
        self.classes = ('occupied',) if geometry else CLASSES
        known = {name for names in SPLITS.values() for name in names}
        self._home = {folder.name: folder for folder in sorted(home.iterdir()) if (folder / 'voxels').is_dir()}
        self._home = {name: folder for name, folder in self._home.items() if name in known}
        if not self._home:
            raise ImportFailedError(f'{home}: expected sequences {sorted(known)} with a folder voxels, got none')
        self._frames = {name: self._find_frames(folder) for name, folder in self._home.items()}
        self._rigs = {name: self._read_rig(folder) for name, folder in self._home.items()}
        self.z_origin = self._find_origin(Z_ORIGINS if z_origin is None else (z_origin,))
        fine = CartesianGrid(SHAPE, 0.2, (0.0, -25.6, self.z_origin))
        self.grids = (fine, CartesianGrid((128, 128, 16), 0.4, fine.origin))

    def splits(self) -> dict[str, list[str]]:
        found = {split: [name for name in names if name in self._home] for split, names in SPLITS.items()}
        return {split: names for split, names in found.items() if names}

    def settings(self) -> dict[str, Any]:
        return dict(super().settings(), geometry=self.geometry, z_origin=self.z_origin)

    def names(self, sequence: str) -> dict[str, str]:
        return dict(lighting='day')

    def frame_ids(self, sequence: str) -> list[str]:
        return self._frames[sequence]

    def frame(self, sequence: str, frame: str, out: Path) -> ImportedFrame:
        folder, (camera, cam_from_lidar, poses, times) = self._home[sequence], self._rigs[sequence]
        labels, unobserved = self._labels(folder, frame)
        fine, coarse = self.grids
        half_labels, half_unobserved = halved(labels, unobserved)
        scan = read_points(folder / f'velodyne/{frame}.bin')
        intensity = np.zeros(len(scan.points)) if scan.intensity is None else np.clip(scan.intensity, 0, 1)
        cameras = {}
        image = folder / f'image_2/{frame}.png'
        if camera is not None and image.is_file():
            cameras['front'] = (camera, cam_from_lidar, self.source(image))
        index = int(frame)
        return ImportedFrame(
            frame,
            float(times[index]) if times is not None and index < len(times) else 0.1 * index,
            cameras,
            {fine: labels, coarse: half_labels},
            {fine: unobserved, coarse: half_unobserved},
            {'lidar': (scan.points, intensity, np.eye(4))},
            poses[index] if poses is not None and index < len(poses) else np.eye(4),
        )

    def _find_frames(self, folder: Path) -> list[str]:
        wanted = '.bin' if self.geometry else '.label'
        cure = '' if self.geometry else '; --geometry takes the .bin, without classes'
        voxels = files_by_stem(folder / 'voxels', (wanted,), 'voxels', cure)
        scans = files_by_stem(folder / 'velodyne', ('.bin',), 'scans')
        bare = sorted(set(voxels) - set(scans))
        if bare:
            raise ImportFailedError(f'{folder}: expected a scan for every voxel file, got none for {bare[:5]}')
        return sorted(voxels)

    def _labels(self, folder: Path, frame: str) -> tuple[np.ndarray, np.ndarray]:
        """Labels (256, 256, 32) uint8, 255 where invalid and empty, and these voxels as bool of that shape."""
        path = folder / f'voxels/{frame}.label'
        invalid = folder / f'voxels/{frame}.invalid'
        unseen = unpack_bits(invalid) if invalid.is_file() else np.zeros(SHAPE, bool)
        if self.geometry:
            labels = unpack_bits(path.with_suffix('.bin')).astype(np.uint8)
        else:
            raw = np.frombuffer(path.read_bytes(), np.uint16)
            if raw.size != np.prod(SHAPE):
                raise ImportFailedError(f'{path}: expected {int(np.prod(SHAPE))} ids of 2 bytes, got {raw.size}')
            labels = relabel(raw.reshape(SHAPE), TRAINING_LABELS, str(path))
        unseen &= labels == 0
        labels = np.where(unseen, 255, labels).astype(np.uint8)
        return labels, unseen

    def _read_rig(self, folder: Path) -> tuple[PinholeCamera | None, np.ndarray, np.ndarray | None, np.ndarray | None]:
        """Camera image_2, cam_from_lidar (4, 4), LiDAR poses (F, 4, 4), times (F,) in s, as far as the files tell."""
        if not (folder / 'calib.txt').is_file():
            raise ImportFailedError(f'{folder / "calib.txt"}: expected the calibration, got none')
        rows = read_calib(folder / 'calib.txt')
        cam0_from_lidar = np.eye(4)
        if 'Tr' in rows:
            cam0_from_lidar[:3] = rows['Tr'].reshape(3, 4)
        else:
            cam0_from_lidar[:3, :3] = [[0, -1, 0], [0, 0, -1], [1, 0, 0]]
            self.evidence.append(f'{folder}/calib.txt: no row Tr; the LiDAR is taken for level and at the camera')
        camera, cam_from_lidar = None, cam0_from_lidar
        image = next(iter(sorted((folder / 'image_2').glob('*.png'))), None)
        size = png_size(image) if image is not None else None
        if 'P2' in rows and size is not None:
            projection = rows['P2'].reshape(3, 4)
            shift = np.eye(4)
            shift[:3, 3] = np.linalg.solve(projection[:, :3], projection[:, 3])
            cam_from_lidar = shift @ cam0_from_lidar
            focal, center = (projection[0, 0], projection[1, 1]), (projection[0, 2] + 0.5, projection[1, 2] + 0.5)
            camera = PinholeCamera(focal, center, size[1], size[0])
        poses = times = None
        if (folder / 'poses.txt').is_file():
            # KITTI's poses are those of the camera; the LiDAR's, and a world with z up, follow from Tr
            _, cameras = read_pose_file(folder / 'poses.txt', 'kitti')
            poses = np.linalg.inv(cam0_from_lidar) @ cameras @ cam0_from_lidar
        if (folder / 'times.txt').is_file():
            times = np.loadtxt(folder / 'times.txt', ndmin=1)
        return camera, cam_from_lidar, poses, times

    def _find_origin(self, origins: tuple[float, ...]) -> float:
        frames = [(self._home[name], frame) for name in self._home for frame in self._frames[name]]
        frames = [(f, i) for f, i in frames if (f / f'voxels/{i}.bin').is_file()]
        frames = frames[:: max(1, len(frames) // SAMPLED_FRAMES)][:SAMPLED_FRAMES]
        if not frames:
            self.evidence.append(f'{self.root}: z origin {origins[0]} m; without .bin voxels nothing checks it')
            return origins[0]
        shares = {}
        for origin in origins:
            grid = CartesianGrid(SHAPE, 0.2, (0.0, -25.6, origin))
            counts = []
            for folder, frame in frames:
                points = read_points(folder / f'velodyne/{frame}.bin').points
                counts.append(hits(points[points[:, 2] >= -2.0], unpack_bits(folder / f'voxels/{frame}.bin'), grid))
            shares[f'{origin}'] = sum(h for h, _ in counts) / max(sum(inside for _, inside in counts), 1)
        best, line = decide(f'{self.root}: z origin of the voxels in metres', shares)
        self.evidence.append(line)
        return float(best)
