"""The folder layout of SemanticKITTI (velodyne/, labels/, image_2/, poses.txt, calib.txt) as a rig."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from data_converters.recorders.pose_track import RideError
from data_converters.recorders.rig import Rig, rig_from_dict

# x forward, y left, z up to x right, y down, z forward: what Tr is but for a degree and a hand's breadth
NOMINAL_TR = np.array([[0.0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1]])
CLASSES = (
    'car bicycle motorcycle truck other-vehicle person bicyclist motorcyclist road parking sidewalk other-ground '
    'building fence vegetation trunk terrain pole traffic-sign'
).split()
# raw id -> class, as the benchmark learns them; "moving" ones are dynamic, all others unlabelled
LABEL_MAP = {
    10: 'car', 11: 'bicycle', 13: 'other-vehicle', 15: 'motorcycle', 16: 'other-vehicle', 18: 'truck',
    20: 'other-vehicle', 30: 'person', 31: 'bicyclist', 32: 'motorcyclist', 40: 'road', 44: 'parking', 48: 'sidewalk',
    49: 'other-ground', 50: 'building', 51: 'fence', 60: 'road', 70: 'vegetation', 71: 'trunk', 72: 'terrain',
    80: 'pole', 81: 'traffic-sign', 252: 'moving car', 253: 'moving bicyclist', 254: 'moving person',
    255: 'moving motorcyclist', 256: 'moving other-vehicle', 257: 'moving other-vehicle', 258: 'moving truck',
    259: 'moving other-vehicle',
}  # fmt: skip


def semantickitti_rig(folder: Path, tr: np.ndarray | None = None, image_size: tuple[int, int] | None = None) -> Rig:
    """The rig of a sequence folder; the body is the LiDAR.

    Args:
        tr: camera_from_lidar (4, 4), for a calib.txt without the row Tr.
        image_size: (width, height) of the images in image_2; by default those of the first one.

    Raises:
        FileNotFoundError: No calib.txt.
        RideError: No Tr in it and none given, or another layout.
    """
    rows = read_calib(folder / 'calib.txt')
    if 'Tr' in rows:
        tr = np.vstack([rows['Tr'].reshape(3, 4), (0, 0, 0, 1)])
    if tr is None:
        raise RideError(
            f'{folder / "calib.txt"}: expected the row Tr (camera from LiDAR, 12 numbers), got {sorted(rows)}; '
            'give it with '
            '--tr, or --tr nominal for the axes alone'
        )
    content: dict[str, Any] = dict(
        classes=list(CLASSES),
        cameras=_cameras(folder, rows, tr, image_size),
        lidars=dict(
            lidar=dict(folder='velodyne', lidar_from_body=np.eye(4).tolist(), intensity_max=1.0, label_map=LABEL_MAP)
        ),
        # poses are the left camera's, in its first frame
        pose=dict(
            file='poses.txt',
            format='kitti',
            child_from_body=tr.tolist(),
            world_from_poses=np.linalg.inv(tr).tolist(),
            max_gap=0.5,
        ),
        ego=dict(cutoff_hz=None),
    )
    if (folder / 'labels').is_dir():
        content['lidars']['lidar']['labels'] = 'labels'
    if not (folder / 'poses.txt').is_file():
        content['pose'] = {}
    return rig_from_dict(content, folder / 'calib.txt')


def read_calib(path: Path) -> dict[str, np.ndarray]:
    """Rows `NAME: 12 numbers` of a KITTI calibration.

    Raises:
        FileNotFoundError: No such file.
        RideError: Something else.
    """
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such file')
    rows = {}
    for line in path.read_text().splitlines():
        name, colon, numbers = line.partition(':')
        try:
            values = np.array([float(word) for word in numbers.split()])
        except ValueError:
            continue  # dates and other notes of the raw data's files
        if colon and values.size == 12:
            rows[name.strip()] = values
    if not rows:
        raise RideError(f'{path}: expected rows NAME: 12 numbers, got none')
    return rows


def _cameras(folder: Path, rows: dict[str, np.ndarray], tr: np.ndarray, size: tuple[int, int] | None) -> dict[str, Any]:
    images = sorted((folder / 'image_2').glob('*.png')) if (folder / 'image_2').is_dir() else []
    if 'P2' not in rows or not (images or size):
        return {}
    if size is None:
        from PIL import Image

        with Image.open(images[0]) as image:
            size = image.size
    projection = rows['P2'].reshape(3, 4)
    offset = np.eye(4)
    offset[:3, 3] = np.linalg.solve(projection[:, :3], projection[:, 3])
    model = dict(
        model='pinhole',
        focal_length=[projection[0, 0], projection[1, 1]],
        principal_point=[projection[0, 2] + 0.5, projection[1, 2] + 0.5],  # KITTI's pixels have integer centres
        width=size[0],
        height=size[1],
    )
    return dict(image_2=dict(folder='image_2', model=model, cam_from_body=(offset @ tr).tolist()))
