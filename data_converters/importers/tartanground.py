"""TartanGround: six cameras of 90 degrees on ground robots in simulated places, as panoramas with depth and classes.

ROOT/<place>/<Data_robot>/P0000/image_lcam_front/000000_lcam_front.png     and _back, _left, _right, _top, _bottom
ROOT/<place>/<Data_robot>/P0000/depth_lcam_front/000000_lcam_front_depth.png   float32 metres in the four bytes of RGBA
ROOT/<place>/<Data_robot>/P0000/seg_lcam_front/000000_lcam_front_seg.png       ids of the place
ROOT/<place>/<Data_robot>/P0000/pose_lcam_front.txt                            x y z qx qy qz qw, north east down

The set has no voxel labels of its own: each trajectory becomes a recording with a panorama, range and classes, from
which label_recordings.py makes them. Depth is along each camera's axis and becomes range.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from data_converters.importers.cube_depth import face_depth_to_range, pixel_rays
from data_converters.importers.importer import ImportFailedError
from projects.OneOcc.core.formats.images import read_rgb
from projects.OneOcc.core.formats.labels import UNKNOWN
from projects.OneOcc.core.formats.recording import Frame, Recording
from projects.OneOcc.core.geometry import EquirectCamera, PinholeCamera, RigMap, View, rig_map, stitch
from projects.OneOcc.core.geometry.cube_map import FACES, face_from_ego

FRAME_SECONDS = 0.1
MAX_EDGE_STEP = 0.1
# north east down to x forward, y left, z up; its own inverse
FLIP = np.diag((1.0, -1.0, -1.0, 1.0))


def read_depth(path: Path) -> np.ndarray:
    """Depth (H, W) float32 in metres: float32 in the bytes of an RGBA image, or a .npy file.

    Raises:
        ImportFailedError: missing, or another kind of file.
    """
    if path.suffix == '.npy':
        return np.load(path, allow_pickle=False).astype(np.float32)
    import cv2

    content = np.fromfile(path, np.uint8) if path.is_file() else np.zeros(0, np.uint8)
    image = cv2.imdecode(content, cv2.IMREAD_UNCHANGED) if content.size else None
    if image is None or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 4:
        got = 'none' if image is None else f'{image.dtype} {image.shape}'
        raise ImportFailedError(f'{path}: expected depth as float32 in the bytes of an RGBA PNG, got {got}')
    return np.ascontiguousarray(image).view('<f4')[..., 0]


def write_depth(path: Path, depth: np.ndarray) -> None:
    """Depth (H, W) in metres as `read_depth` reads it."""
    import cv2

    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.ascontiguousarray(depth.astype('<f4')).view(np.uint8).reshape(*depth.shape, 4))


def read_poses(path: Path) -> np.ndarray:
    """(N, 4, 4) world_from_ego from rows x y z qx qy qz qw in axes north, east, down.

    Raises:
        ImportFailedError: missing, or not seven numbers a row.
    """
    if not path.is_file():
        raise ImportFailedError(f'{path}: expected the poses of the trajectory, got none')
    try:
        rows = np.loadtxt(path, ndmin=2)
    except ValueError as error:
        raise ImportFailedError(f'{path}: expected seven numbers a row: {error}') from error
    if rows.shape[1] != 7 or not np.isfinite(rows).all():
        raise ImportFailedError(f'{path}: expected seven finite numbers a row, got {rows.shape[1]}')
    poses = np.tile(np.eye(4), (len(rows), 1, 1))
    x, y, z, w = (rows[:, 3:] / np.linalg.norm(rows[:, 3:], axis=1, keepdims=True)).T
    poses[:, 0, :3] = np.stack([1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)], -1)
    poses[:, 1, :3] = np.stack([2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)], -1)
    poses[:, 2, :3] = np.stack([2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)], -1)
    poses[:, :3, 3] = rows[:, :3]
    return FLIP @ poses @ FLIP


class TartanGroundTrajectory:
    """One trajectory as a recording of panoramas.

    Args:
        folder: the trajectory's own folder, e.g. .../Data_anymal/P0000.
        width: of the panorama in pixels; its height is half of it.
        table: label by id of the place, 1..C, 0 for what has no surface (sky), 255 for what has no class; None takes
            every surface as the one class 'occupied'.
        classes: names of the labels, where a table is given.
        side: which camera of the stereo pairs, 'lcam' or 'rcam'.

    Raises:
        ImportFailedError: a camera, its depth, its classes or the poses are missing.
    """

    def __init__(
        self,
        folder: Path,
        width: int = 768,
        table: Mapping[int, int] | None = None,
        classes: tuple[str, ...] = ('occupied',),
        side: str = 'lcam',
    ) -> None:
        self.folder, self.side, self.table, self.classes = Path(folder), side, table, classes
        self.poses = read_poses(self.folder / f'pose_{side}_front.txt')
        kinds = ['image', 'depth'] + ['seg'] * (table is not None)
        missing = [f'{k}_{side}_{f}' for k in kinds for f in FACES if not (self.folder / f'{k}_{side}_{f}').is_dir()]
        if missing:
            raise ImportFailedError(f'{self.folder}: expected six cameras, got no folder {", ".join(missing[:4])}')
        front = self.folder / f'image_{side}_front'
        self.frames = sorted(path.name[:6] for path in front.iterdir() if path.suffix in ('.png', '.jpg'))
        if not self.frames or len(self.frames) > len(self.poses):
            raise ImportFailedError(
                f'{front}: expected frames with a pose each, got {len(self.frames)}, {len(self.poses)}'
            )
        self.turns = self._find_turns()
        self.panorama = EquirectCamera(width, width // 2)
        self._where: RigMap | None = None
        self._rays = pixel_rays(width, width // 2)

    def write(self, root: Path, name: str, on_frame: Callable[[], Any] = lambda: None) -> Recording:
        """Write the recording into `root`; recording.json comes last."""
        camera = dict(self.panorama.to_dict(), cam_from_body=np.eye(4))
        meta = dict(source='TartanGround', map=self.folder.parents[1].name)
        ride = Recording(root, name, self.classes, dict(equi=camera), {}, meta, dense_camera='equi')
        for index, number in enumerate(self.frames):
            pose = _level(self.poses[index])
            frame = Frame(number, FRAME_SECONDS * index, pose, self.poses[index])
            image, distance, labels = self.panoramas(number)
            ride.write_image(frame, 'equi', image)
            ride.write_depth(frame, distance)
            ride.write_image(frame, 'semantic', labels)
            ride.frames.append(frame)
            on_frame()
        ride.write()
        return ride

    def panoramas(self, number: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Picture (H, W, 3) uint8, range (H, W) in metres, inf without return, and labels (H, W) uint8 of a frame."""
        images = {face: self._turned(face, read_rgb(self._file('image', face, number))) for face in FACES}
        where = self._map(images)
        depths = {face: self._turned(face, read_depth(self._file('depth', face, number))) for face in FACES}
        for face in FACES:
            if depths[face].shape != images[face].shape[:2]:
                raise ImportFailedError(
                    f'{self._file("depth", face, number)}: expected the size of its image, {images[face].shape[:2]}, '
                    f'got {depths[face].shape}'
                )
        depth = stitch(depths, where, fill=np.inf, nearest=True).astype(np.float64)
        distance = face_depth_to_range(np.where(depth > 1e4, np.inf, depth), self._rays)
        if self.table is None:
            labels = np.isfinite(distance).astype(np.uint8)
        else:
            lookup = np.full(256, UNKNOWN, np.uint8)
            for raw, label in self.table.items():
                lookup[raw] = label
            seg = {face: read_rgb(self._file('seg', face, number))[..., 0] for face in FACES}
            grey = {face: self._turned(face, seg[face]) for face in FACES}
            labels = lookup[stitch(grey, where, nearest=True)]
        return stitch(images, where), distance, labels

    def _turned(self, face: str, image: np.ndarray) -> np.ndarray:
        """A square picture (S, S) or (S, S, 3) of a face, turned by the quarters that its face needs."""
        return np.ascontiguousarray(np.rot90(image, self.turns.get(face, 0)))

    def _find_turns(self) -> dict[str, int]:
        """Quarter turns that the top and bottom picture need: along the edge that each shares with the front one, depth
        along both axes is the same, and so are colours."""
        number = self.frames[0]
        front = read_depth(self._file('depth', 'front', number))
        picture = read_rgb(self._file('image', 'front', number)).astype(float)
        turns = {}
        for face, of_front, of_face in (('top', 0, -1), ('bottom', -1, 0)):
            depth = read_depth(self._file('depth', face, number))
            if depth.shape != front.shape or depth.shape[0] != depth.shape[1]:
                raise ImportFailedError(
                    f'{self._file("depth", face, number)}: expected a square as the front picture, {front.shape}, '
                    f'got {depth.shape}'
                )
            off = [_off(front[of_front], np.rot90(depth, turn)[of_face]) for turn in range(4)]
            colours = read_rgb(self._file('image', face, number)).astype(float)
            unlike = [np.abs(picture[of_front] - np.rot90(colours, turn)[of_face]).mean() / 255 for turn in range(4)]
            turns[face] = int(np.argmin(np.add(off, unlike)))
            if off[turns[face]] > MAX_EDGE_STEP:
                raise ImportFailedError(
                    f'{self.folder}: expected a {face} picture that continues the front one, got depths that differ by '
                    f'{100 * off[turns[face]]:.0f} % along their edge at best'
                )
        return turns

    def _map(self, images: Mapping[str, np.ndarray]) -> RigMap:
        """Where the panorama looks into six faces (S, S, ...) by name; made once, for the first frame."""
        sizes = {image.shape[:2] for image in images.values()}
        if len(sizes) != 1 or len(set(next(iter(sizes)))) != 1:
            raise ImportFailedError(f'{self.folder}: expected six square images of one size, got {sorted(sizes)}')
        if self._where is None:
            size = next(iter(sizes))[0]
            lens = PinholeCamera((size / 2, size / 2), (size / 2, size / 2), size, size)
            poses = {face: np.eye(4) for face in FACES}
            for face in FACES:
                poses[face][:3, :3] = face_from_ego(face)
            self._where = rig_map(self.panorama, {face: View(lens, poses[face]) for face in FACES})
        return self._where

    def _file(self, kind: str, face: str, number: str) -> Path:
        end = '' if kind == 'image' else f'_{kind}'
        folder = self.folder / f'{kind}_{self.side}_{face}'
        for suffix in ('.png', '.npy', '.jpg'):
            path = folder / f'{number}_{self.side}_{face}{end}{suffix}'
            if path.is_file():
                return path
        raise ImportFailedError(f'{folder}: expected the file {number}_{self.side}_{face}{end}.png, got none')


def _off(one: np.ndarray, other: np.ndarray) -> float:
    """Median of how much two rows (W,) of depth differ, as a share; 0 where neither has a return."""
    far = 1e4
    both = (one > 0) & (other > 0) & ((one < far) | (other < far))
    if not both.any():
        return 0.0
    return float(np.median(np.abs(np.log(np.minimum(one[both], far) / np.minimum(other[both], far)))))


def _level(pose: np.ndarray) -> np.ndarray:
    """The pose (4, 4) without roll and pitch: what labels are made in."""
    heading = np.arctan2(pose[1, 0], pose[0, 0])
    level = np.eye(4)
    level[:2, :2] = [[np.cos(heading), -np.sin(heading)], [np.sin(heading), np.cos(heading)]]
    level[:3, 3] = pose[:3, 3]
    return level


def find_trajectories(root: Path) -> dict[str, Path]:
    """Trajectories below a download, by a name of their own: <place>_<robot>_<P0000>.

    Raises:
        ImportFailedError: none there.
    """
    found = {}
    for path in sorted(Path(root).glob('**/pose_lcam_front.txt')):
        parts = path.parent.relative_to(root).parts
        found['_'.join(parts[-3:])] = path.parent
    if not found:
        raise ImportFailedError(f'{root}: expected trajectories with a pose_lcam_front.txt, got none')
    return found
