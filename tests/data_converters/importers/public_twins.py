"""The same small world in the layouts of KITTI-360 with SSCBench, SemanticKITTI and TartanGround."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from data_converters.importers.tartanground import FLIP, write_depth
from projects.OneOcc.core.geometry import CartesianGrid, PinholeCamera, read_calibration
from projects.OneOcc.core.geometry.cube_map import FACES, face_from_ego
from tests.data_converters.importers.box_world import Eye

DRIVE = '2013_05_28_drive_0000_sync'
FRAMES_WITH_POSE = (1, 4, 6)
FINE = CartesianGrid((256, 256, 32), 0.2, (0.0, -25.6, -2.2))
SSC_LABELS = np.array([0, 7, 11, 1, 13], np.uint8)  # road, building, car, vegetation
SEMANTIC_IDS = np.array([0, 40, 50, 252, 70], np.uint16)  # road, building, moving car, vegetation
SEMANTIC_LABELS = np.array([0, 9, 13, 1, 15], np.uint8)
LEFT = np.array([[1.0, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
RIGHT = np.array([[-1.0, 0, 0, 0], [0, 0, -1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
MEI = """%YAML:1.0
---
model_type: MEI
camera_name: {name}
image_width: 200
image_height: 200
mirror_parameters: {{xi: 2.2134}}
distortion_parameters: {{k1: 0.0168, k2: 1.65, p1: 4.2e-04, p2: 4.2e-04}}
projection_parameters: {{gamma1: 190.0, gamma2: 190.0, u0: 100.0, v0: 99.0}}
"""


def car(number: int) -> Eye:
    """Where the LiDAR of a car stands in a frame."""
    return Eye(1.7 * number - 6.0, 0.3, 1.73)


def write_bin(path: Path, points: np.ndarray) -> None:
    """KITTI's scans: float32 x, y, z, intensity."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.column_stack([points, np.full(len(points), 0.25)]).astype('<f4').tofile(path)


def as_kitti360(root: Path, scans: bool = True) -> Path:
    """Eight frames, three of them with poses, and voxels of those three numbered by their rows."""
    (root / 'calibration').mkdir(parents=True)
    for name in ('image_02', 'image_03'):
        (root / f'calibration/{name}.yaml').write_text(MEI.format(name=name))
    imu_from_cam0 = np.eye(4)
    imu_from_cam0[:3, 3] = 1.5, 0.3, -0.9
    velo_from_cam0 = np.array([[0.0, 0, 1, 0.27], [-1, 0, 0, 0], [0, -1, 0, -0.08], [0, 0, 0, 1]])
    rows = {'image_00': imu_from_cam0}
    for name, pose in (('image_02', LEFT), ('image_03', RIGHT)):
        rows[name] = imu_from_cam0 @ np.linalg.inv(velo_from_cam0) @ np.linalg.inv(pose)
    text = '\n'.join(f'{name}: ' + ' '.join(map(repr, m[:3].ravel().tolist())) for name, m in rows.items())
    (root / 'calibration/calib_cam_to_pose.txt').write_text(text)
    (root / 'calibration/calib_cam_to_velo.txt').write_text(' '.join(map(repr, velo_from_cam0[:3].ravel().tolist())))
    lens = read_calibration(root / 'calibration/image_02.yaml', max_angle=1.59)
    for number in range(8):
        for name, pose in (('image_02', LEFT), ('image_03', RIGHT)):
            path = root / f'data_2d_raw/{DRIVE}/{name}/data_rgb/{number:010d}.png'
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(car(number).picture(lens, np.linalg.inv(pose))).save(path)
        if scans:
            write_bin(root / f'data_3d_raw/{DRIVE}/velodyne_points/data/{number:010d}.bin', car(number).sweep())
    poses = root / f'data_poses/{DRIVE}/poses.txt'
    poses.parent.mkdir(parents=True)
    poses.write_text('\n'.join(f'{n} 1 0 0 {1.7 * n} 0 1 0 0 0 0 1 0' for n in FRAMES_WITH_POSE))
    (root / f'preprocess/labels/{DRIVE}').mkdir(parents=True)
    for row, number in enumerate(FRAMES_WITH_POSE):
        labels = SSC_LABELS[car(number).labels(FINE)]
        labels[:, :, -1] = 255
        np.save(root / f'preprocess/labels/{DRIVE}/{row:06d}_1_1.npy', labels)
    return root


def as_semantickitti(root: Path, frames: int = 2) -> Path:
    """Sequences 00 and 08."""
    camera = PinholeCamera((60, 60), (48.5, 16.5), 96, 32)
    for name in ('00', '08'):
        folder = root / f'dataset/sequences/{name}'
        (folder / 'voxels').mkdir(parents=True)
        (folder / 'image_2').mkdir()
        for index in range(frames):
            eye = car(2 * index + (name == '08'))
            labels = eye.labels(FINE)
            write_bin(folder / f'velodyne/{index:06d}.bin', eye.sweep())
            np.packbits(labels > 0).tofile(folder / f'voxels/{index:06d}.bin')
            SEMANTIC_IDS[labels].tofile(folder / f'voxels/{index:06d}.label')
            unseen = np.zeros(FINE.shape, bool)
            unseen[:, :, -1] = True
            np.packbits(unseen).tofile(folder / f'voxels/{index:06d}.invalid')
            picture = eye.picture(camera, np.linalg.inv(AHEAD))
            Image.fromarray(picture).save(folder / f'image_2/{index:06d}.png')
        calib = 'P2: 60 0 48 0 0 60 16 0 0 0 1 0\nTr: ' + ' '.join(map(str, AHEAD[:3].ravel()))
        (folder / 'calib.txt').write_text(calib)
        (folder / 'poses.txt').write_text('\n'.join(f'1 0 0 0 0 1 0 0 0 0 1 {1.7 * n}' for n in range(frames)))
        (folder / 'times.txt').write_text('\n'.join(f'{0.1 * n:e}' for n in range(frames)))
    return root


AHEAD = np.array([[0.0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1]])


def as_tartanground(root: Path, frames: int = 2, top_turns: int = 1, trajectories: int = 2) -> Path:
    """Trajectories of one place; its top pictures are turned by quarters."""
    size = 48
    lens = PinholeCamera((size / 2, size / 2), (size / 2, size / 2), size, size)
    rays = lens.unproject(lens.pixel_centers())[0].numpy()
    for number in range(trajectories):
        folder = root / f'OldTown/Data_anymal/P{number:04d}'
        poses = []
        for index in range(frames):
            eye = Eye(0.5 * index - 1.0, 0.5 * number, 0.9)
            pose = np.eye(4)
            pose[:3, 3] = eye.origin
            poses.append(FLIP @ pose @ FLIP)
            for face in FACES:
                ego_from_cam = np.eye(4)
                ego_from_cam[:3, :3] = face_from_ego(face).T
                distance, label = eye.cast(rays @ ego_from_cam[:3, :3].T)
                turns = -top_turns if face == 'top' else 0
                images = dict(image=eye.picture(lens, ego_from_cam), seg=(label * 10).astype(np.uint8))
                for kind, image in images.items():
                    end = '' if kind == 'image' else f'_{kind}'
                    path = folder / f'{kind}_lcam_{face}/{index:06d}_lcam_{face}{end}.png'
                    path.parent.mkdir(parents=True, exist_ok=True)
                    Image.fromarray(np.rot90(image, turns)).save(path)
                depth = np.minimum(distance * rays[..., 2], 1e5)
                write_depth(folder / f'depth_lcam_{face}/{index:06d}_lcam_{face}_depth.png', np.rot90(depth, turns))
        rows = [' '.join(map(str, [*pose[:3, 3], 0, 0, 0, 1])) for pose in poses]
        (folder / 'pose_lcam_front.txt').write_text('\n'.join(rows))
    return root
