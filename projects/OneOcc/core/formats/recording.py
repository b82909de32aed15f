"""The recording: what a robot, a simulator or the synthetic world writes down of one ride.

A recording is a folder with `recording.json` and the sensor files beside it:

    recording.json   format 'oneocc-recording', version, name, classes, rig, dense, meta, frames
    <camera>/<id>.png     uint8 RGB image of that camera
    <lidar>/<id>.npz      points float32 (N, 3) in the lidar frame, metres; intensity float32 (N,)
                          in [0, 1]; label uint8 (N,), 1..C, 255 = unlabelled; dynamic bool (N,)
    depth/<id>.png        uint16 radial range in units of `dense.depth_unit_m` (2 mm), 0 = no return
    semantic/<id>.png     uint8 label 1..C, 0 = sky or nothing, 255 = unlabelled
    dynamic/<id>.png      uint8, 1 where the pixel lies on a moving object (optional)

Depth, semantic and dynamic lie in the pixels of the camera `dense.camera`. A frame carries the
files that exist for it. `world_from_ego` is smoothed and gravity-aligned, `world_from_body` the
true pose of the sensor mount (where it is not known, leave it out: ego is taken for it).
Sensor mounts are `a_from_body`: metres, 4x4, the body frame x forward, y left, z up.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from .atomic_files import read_npz, read_png, write_json, write_npz, write_png
from .labels import UNKNOWN

FORMAT = 'oneocc-recording'
VERSION = 1
DEPTH_UNIT_M = 0.002
LIDAR_KEYS = ('points', 'intensity', 'label', 'dynamic')
UNLABELLED = UNKNOWN


class RecordingError(ValueError):
    """A recording that cannot be used; the message names the file, the expected and the actual."""


@dataclass
class Frame:
    """One instant: pose of the gait-smoothed ego, pose of the true body, and the sensor files."""

    id: str
    time: float
    world_from_ego: np.ndarray
    world_from_body: np.ndarray
    files: dict[str, str] = field(default_factory=dict)


@dataclass
class Recording:
    """A ride: rig, frames and where their files lie.

    Attributes:
        cameras: Per camera its model as `to_dict()` gives it, and `cam_from_body` (4, 4).
        lidars: Per lidar `lidar_from_body` (4, 4).
        dense_camera: The camera in whose pixels depth and semantics lie, or None.
    """

    root: Path
    name: str
    classes: tuple[str, ...]
    cameras: dict[str, dict[str, Any]]
    lidars: dict[str, np.ndarray]
    meta: dict[str, Any]
    frames: list[Frame] = field(default_factory=list)
    dense_camera: str | None = None
    depth_unit_m: float = DEPTH_UNIT_M

    @classmethod
    def read(cls, root: str | Path) -> Recording:
        """Read and validate `root`/recording.json; sensor files are checked when they are read.

        Raises:
            FileNotFoundError: No recording there.
            RecordingError: Broken JSON, another format, NaN or non-rigid poses, unknown sensors.
        """
        path = Path(root) / 'recording.json'
        if not path.is_file():
            raise FileNotFoundError(f'{path}: no such recording')
        try:
            content = json.loads(path.read_text(encoding='utf-8'))
        except ValueError as error:
            raise RecordingError(f'{path}: not a JSON file (truncated?): {error}') from error
        try:
            recording = cls._from_json(Path(root), content)
        except (KeyError, TypeError, AttributeError) as error:
            raise RecordingError(f'{path}: missing or misplaced entry: {error!r}') from error
        recording.validate()
        return recording

    @classmethod
    def _from_json(cls, root: Path, content: dict) -> Recording:
        path = root / 'recording.json'
        for key, expected in (('format', FORMAT), ('version', VERSION)):
            if content.get(key) != expected:
                raise RecordingError(f'{path}: {key}: expected {expected!r}, got {content.get(key)!r}')
        cameras, lidars = {}, {}
        for name, camera in content['rig'].get('cameras', {}).items():
            cameras[name] = dict(
                camera, cam_from_body=_matrix(camera['cam_from_body'], f'{path}: rig: {name}: cam_from_body')
            )
        for name, lidar in content['rig'].get('lidars', {}).items():
            lidars[name] = _matrix(lidar['lidar_from_body'], f'{path}: rig: {name}: lidar_from_body')
        frames = []
        for index, frame in enumerate(content['frames']):
            at = f'{path}: frames[{index}]'
            ego = _matrix(frame['world_from_ego'], f'{at}: world_from_ego')
            body = _matrix(frame.get('world_from_body', frame['world_from_ego']), f'{at}: world_from_body')
            frames.append(Frame(frame['id'], float(frame['time']), ego, body, dict(frame['files'])))
        dense = content.get('dense') or {}
        return cls(
            root,
            content['name'],
            tuple(content['classes']),
            cameras,
            lidars,
            dict(content['meta']),
            frames,
            dense.get('camera'),
            float(dense.get('depth_unit_m', DEPTH_UNIT_M)),
        )

    def write(self) -> None:
        """Validate and write recording.json; the sensor files must have been written before."""
        self.validate()
        dense = None if self.dense_camera is None else dict(camera=self.dense_camera, depth_unit_m=self.depth_unit_m)
        write_json(
            self.root / 'recording.json',
            dict(
                format=FORMAT,
                version=VERSION,
                name=self.name,
                classes=list(self.classes),
                rig=dict(cameras=self.cameras, lidars={n: dict(lidar_from_body=m) for n, m in self.lidars.items()}),
                dense=dense,
                meta=self.meta,
                frames=[
                    dict(
                        id=f.id,
                        time=f.time,
                        world_from_ego=f.world_from_ego,
                        world_from_body=f.world_from_body,
                        files=f.files,
                    )
                    for f in self.frames
                ],
            ),
        )

    def validate(self) -> None:
        """Refuse what no converter could use: bad poses or times, unknown sensors, stray paths."""
        path = self.root / 'recording.json'
        if not self.frames:
            raise RecordingError(f'{path}: frames: expected at least one, got none')
        if not self.classes or len(set(self.classes)) != len(self.classes):
            raise RecordingError(f'{path}: classes: expected distinct names, got {self.classes}')
        if self.dense_camera is not None and self.dense_camera not in self.cameras:
            raise RecordingError(
                f'{path}: dense: expected one of the cameras {sorted(self.cameras)}, got {self.dense_camera!r}'
            )
        for name, camera in self.cameras.items():
            _check_rigid(camera['cam_from_body'], f'{path}: rig: {name}: cam_from_body')
        for name, matrix in self.lidars.items():
            _check_rigid(matrix, f'{path}: rig: {name}: lidar_from_body')
        known = {*self.cameras, *self.lidars} | ({'depth', 'semantic', 'dynamic'} if self.dense_camera else set())
        last_time, ids = -np.inf, set()
        for index, frame in enumerate(self.frames):
            at = f'{path}: frames[{index}] ({frame.id})'
            _check_rigid(frame.world_from_ego, f'{at}: world_from_ego')
            _check_rigid(frame.world_from_body, f'{at}: world_from_body')
            if not frame.time > last_time:
                raise RecordingError(f'{at}: time: expected after {last_time}, got {frame.time}')
            if frame.id in ids:
                raise RecordingError(f'{at}: id: expected a new one, got {frame.id!r} again')
            if not set(frame.files) <= known:
                raise RecordingError(f'{at}: files: expected sensors among {sorted(known)}, got {sorted(frame.files)}')
            for file in frame.files.values():
                if PurePosixPath(file).is_absolute() or '..' in PurePosixPath(file).parts:
                    raise RecordingError(f'{at}: expected a path inside the recording, got {file}')
            last_time = frame.time
            ids.add(frame.id)

    def write_image(self, frame: Frame, name: str, image: np.ndarray) -> None:
        """Write an image, depth or semantic map as PNG and note it in the frame."""
        frame.files[name] = f'{name}/{frame.id}.png'
        write_png(self.root / frame.files[name], image)

    def write_depth(self, frame: Frame, range_m: np.ndarray) -> None:
        """Write radial range (H, W) in metres; inf, NaN and what exceeds uint16: no return."""
        units = np.nan_to_num(range_m / self.depth_unit_m, nan=0, posinf=0)
        units = np.where(units < 65535.5, np.rint(units), 0).astype(np.uint16)
        self.write_image(frame, 'depth', units)

    def write_lidar(self, frame: Frame, name: str, scan: dict[str, np.ndarray]) -> None:
        """Write one sweep; points are rounded to 1/1024 m, intensity to 1/256 (finer is noise)."""
        frame.files[name] = f'{name}/{frame.id}.npz'
        write_npz(
            self.root / frame.files[name],
            points=(np.rint(scan['points'] * 1024) / 1024).astype(np.float32),
            intensity=(np.rint(scan['intensity'] * 256) / 256).astype(np.float32),
            label=scan['label'].astype(np.uint8),
            dynamic=scan['dynamic'].astype(bool),
        )

    def read_image(self, frame: Frame, name: str) -> np.ndarray:
        """RGB image (H, W, 3) uint8 of camera `name`, of the size that its model states."""
        image = self._read_png(frame, name)
        self._check_map(image, frame, name, name, np.uint8, 3)
        return image

    def read_depth(self, frame: Frame) -> np.ndarray:
        """Radial range (H, W) float32 in metres; 0 = no return."""
        depth = self._read_png(frame, 'depth')
        self._check_map(depth, frame, 'depth', self.dense_camera, np.uint16, 2)
        return depth.astype(np.float32) * np.float32(self.depth_unit_m)

    def read_semantic(self, frame: Frame) -> np.ndarray:
        """Labels (H, W) uint8: 1..C, 0 sky or nothing, 255 unlabelled."""
        semantic = self._read_png(frame, 'semantic')
        self._check_map(semantic, frame, 'semantic', self.dense_camera, np.uint8, 2)
        self._check_labels(semantic, self.root / frame.files['semantic'])
        return semantic

    def read_dynamic(self, frame: Frame) -> np.ndarray:
        """Bool (H, W): pixel on a moving object; all False where the recording does not say."""
        camera = self.cameras[self.dense_camera]
        if 'dynamic' not in frame.files:
            return np.zeros((camera['height'], camera['width']), bool)
        dynamic = self._read_png(frame, 'dynamic')
        self._check_map(dynamic, frame, 'dynamic', self.dense_camera, np.uint8, 2)
        return dynamic > 0

    def read_lidar(self, frame: Frame, name: str) -> dict[str, np.ndarray]:
        """One sweep: points (N, 3) float32 in the lidar frame, intensity, label, dynamic (N,)."""
        path = self._path(frame, name)
        try:
            scan = read_npz(path, LIDAR_KEYS)
        except ValueError as error:
            raise RecordingError(str(error)) from error
        count = len(scan['points'])
        for key, shape in zip(LIDAR_KEYS, ((count, 3), (count,), (count,), (count,))):
            if scan[key].shape != shape:
                raise RecordingError(f'{path}: {key}: expected shape {shape}, got {scan[key].shape}')
        if not np.isfinite(scan['points']).all():
            bad = int((~np.isfinite(scan['points'])).any(axis=1).sum())
            raise RecordingError(
                f'{path}: points: expected finite metres, got {bad} of {count} points with NaN or infinity'
            )
        self._check_labels(scan['label'], path)
        return scan

    def _path(self, frame: Frame, name: str) -> Path:
        if name not in frame.files:
            raise RecordingError(
                f'{self.root / "recording.json"}: frame {frame.id}: expected a {name!r} file, got {sorted(frame.files)}'
            )
        return self.root / frame.files[name]

    def _read_png(self, frame: Frame, name: str) -> np.ndarray:
        try:
            return read_png(self._path(frame, name))
        except RecordingError:
            raise
        except ValueError as error:
            raise RecordingError(str(error)) from error

    def _check_map(self, image: np.ndarray, frame: Frame, name: str, camera: str, dtype: type, ndim: int) -> None:
        model = self.cameras[camera]
        expected = (model['height'], model['width']) + (3,) * (ndim == 3)
        if image.shape != expected or image.dtype != dtype:
            raise RecordingError(
                f'{self.root / frame.files[name]}: expected {expected} '
                f'{np.dtype(dtype)} as camera {camera!r} states, '
                f'got {image.shape} {image.dtype}'
            )

    def _check_labels(self, labels: np.ndarray, path: Path) -> None:
        wrong = labels[(labels > len(self.classes)) & (labels != UNLABELLED)]
        if wrong.size:
            raise RecordingError(f'{path}: expected labels 0..{len(self.classes)} or {UNLABELLED}, got {int(wrong[0])}')


def _matrix(value: Any, where: str) -> np.ndarray:
    matrix = np.asarray(value, dtype=np.float64) if value is not None else np.empty(0)
    if matrix.shape != (4, 4):
        raise RecordingError(f'{where}: expected a 4x4 matrix, got shape {matrix.shape}')
    return matrix


def _check_rigid(matrix: np.ndarray, where: str) -> None:
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
        raise RecordingError(f'{where}: expected a finite 4x4 pose, got {matrix.tolist()}')
    rotation = matrix[:3, :3]
    if (
        np.abs(rotation @ rotation.T - np.eye(3)).max() > 1e-4
        or np.linalg.det(rotation) < 0
        or (matrix[3] != [0, 0, 0, 1]).any()
    ):
        raise RecordingError(f'{where}: expected a rigid transform, got {matrix.tolist()}')
