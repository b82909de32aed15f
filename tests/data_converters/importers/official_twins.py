"""A small world written down in the layouts of the public sets, and what should be read back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from data_converters.importers.cube_depth import pixel_rays, range_to_face_depth
from data_converters.importers.grid_readings import Axes, stored_as
from data_converters.importers.human360occ import GRIDS
from data_converters.importers.quadocc import GRID, GRID_FROM_LIDAR
from projects.OneOcc.core.geometry import TaylorCamera, write_ocamcalib
from tests.data_converters.importers.box_world import Eye

XYZ: Axes = ('x', 'y', 'z')
QUADOCC_IDS = np.array([255, 5, 8, 1, 10], np.uint8)  # empty, road, building, vehicle, vegetation
QUADOCC_LABELS = np.array([0, 3, 4, 1, 5], np.uint8)
CARLA_TAGS = np.array([0, 24, 4, 14, 10], np.uint8)  # road line, wall, car, terrain
H3O_LABELS = np.array([0, 1, 3, 5, 4], np.uint8)
LENS = TaylorCamera(
    (94.236, -61.717, 4.278, -5.164, 4.836, -1.665), (161.5, 121.5), ((1, 0), (0, 1)), 320, 240, radius_range=(40, 118)
)
UP = np.array([[0.0, 1, 0, 0], [-1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])


def eyes(sequence: int, frames: int) -> list[Eye]:
    """Where the robot stands in each frame."""
    return [Eye(0.45 * index - 0.5, 0.7 * sequence - 0.4) for index in range(frames)]


def write_pcd(path: Path, points: np.ndarray, intensity: np.ndarray) -> None:
    """A binary PCD as Livox drivers write it."""
    rows = np.zeros(len(points), dtype=[('x', '<f4'), ('y', '<f4'), ('z', '<f4'), ('intensity', '<f4')])
    rows['x'], rows['y'], rows['z'] = points.T
    rows['intensity'] = intensity
    header = (
        'VERSION 0.7\nFIELDS x y z intensity\nSIZE 4 4 4 4\nTYPE F F F F\nCOUNT 1 1 1 1\n'
        f'WIDTH {len(rows)}\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS {len(rows)}\nDATA binary\n'
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(header.encode() + rows.tobytes())


def as_quadocc(root: Path, sequences: list[str], frames: int = 4, axes: Axes = XYZ, turn_deg: float = 0.0) -> Path:
    """QuadOcc's layout; seven points of padding in every sweep, the grid in the camera's frame."""
    root.mkdir(parents=True)
    write_ocamcalib(root / 'PAL_intrinsic_calib_results.txt', LENS.to_ocamcalib())
    turn = np.radians(turn_deg)
    spin = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    lidar_from_camera = np.linalg.inv(GRID_FROM_LIDAR['camera'])
    for number, name in enumerate(sequences):
        folder = root / 'sequences' / name
        for part in ('images_raw', 'new_finally_label'):
            (folder / part).mkdir(parents=True)
        for index, eye in enumerate(eyes(number, frames)):
            image = eye.picture(LENS, spin @ np.linalg.inv(UP)[:3, :3])
            Image.fromarray(image).save(folder / f'images_raw/{index:06d}.jpg', quality=95)
            points = eye.sweep() @ lidar_from_camera[:3, :3].T + lidar_from_camera[:3, 3]
            padded = np.concatenate([np.zeros((7, 3)), points])
            write_pcd(folder / f'lidar/{index:06d}.pcd', padded, np.full(len(padded), 51.0))
            np.save(folder / f'new_finally_label/{index:06d}.npy', stored_as(QUADOCC_IDS[eye.labels(GRID)], axes))
    return root


def as_human360occ(root: Path, sequences: list[str], frames: int = 3, axes: Axes = XYZ, face: bool = True) -> Path:
    """Human360Occ's layout: the last sequence validates both splits."""
    root.mkdir(parents=True)
    for file in ('splits_homo.json', 'splits_heter.json'):
        (root / file).write_text(json.dumps(dict(train=sequences[:-1], val=sequences[-1:])))
    rays = pixel_rays(192, 96)
    for number, name in enumerate(sequences):
        for part in ('panorama_rgb', 'panorama_depth_m', *GRIDS):
            (root / name / part).mkdir(parents=True)
        for index, eye in enumerate(eyes(number, frames)):
            eye = Eye(eye.x, eye.y, 1.55)
            _write_human(root / name, f'{index:06d}', eye, rays, axes, face)
    return root


def _write_human(folder: Path, frame: str, eye: Eye, rays: np.ndarray, axes: Axes, face: bool) -> None:
    from projects.OneOcc.core.geometry import EquirectCamera

    Image.fromarray(eye.picture(EquirectCamera(192, 96), np.eye(4))).save(folder / f'panorama_rgb/{frame}.png')
    distance = np.minimum(eye.depth(192, 96), 1000.0)
    depth = range_to_face_depth(distance, rays) if face else distance
    np.save(folder / f'panorama_depth_m/{frame}.npy', depth.astype(np.float32))
    for part, grid in GRIDS.items():
        np.save(folder / part / f'{frame}.npy', stored_as(CARLA_TAGS[eye.labels(grid)], axes))
