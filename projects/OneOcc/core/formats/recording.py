"""The recording: what a robot, a simulator or the synthetic world writes down of one ride.

A recording is a folder with `recording.json` and the sensor files beside it:

    recording.json   format 'oneocc-recording', version, name, classes, rig, dense, meta, frames;
                     a camera of the rig may name its `mask`, an image of its size, bright where it sees, and
                     instead of `model` and parameters a `calibration`, a file that `read_calibration` knows
    <camera>/<id>.png     uint8 RGB image of that camera
    <lidar>/<id>.npz      points float32 (N, 3) in the lidar frame, metres; intensity float32 (N,)
                          in [0, 1]; label uint8 (N,), 1..C, 255 = unlabelled; dynamic bool (N,);
                          lidar_scan.py has the rules; where the driver told them, time float32
                          (N,) seconds after the frame's time, ring uint16 (N,)
    depth/<id>.png        uint16 radial range in units of `dense.depth_unit_m` (2 mm), 0 = no return
    semantic/<id>.png     uint8 label 1..C, 0 = sky or nothing, 255 = unlabelled
    dynamic/<id>.png      uint8, 1 where the pixel lies on a moving object (optional)

Depth, semantic and dynamic lie in the pixels of the camera `dense.camera`. A frame carries the
files that exist for it. `world_from_ego` is smoothed and gravity-aligned, `world_from_body` the
true pose of the sensor mount (where it is not known, leave it out: ego is taken for it).
Sensor mounts are `a_from_body`: metres, 4x4, the body frame x forward, y left, z up. A lidar whose
intensity has another scale than [0, 1] states its largest value as `intensity_max`.
recording_rules.py holds everything that is checked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..geometry import resolve_calibration
from .atomic_files import png_size, read_json, read_png, write_bytes, write_json, write_npz, write_png
from .labels import UNKNOWN, check_classes
from .lidar_scan import LIDAR_KEYS, clean_sweep, read_sweep
from .paths import UnsafeNameError, inside
from .poses import rigid_pose
from .recording_rules import DENSE_MAPS, RecordingError, check_recording, check_sensor_files, sensor_path

__all__ = [
    'DEPTH_UNIT_M',
    'FORMAT',
    'LIDAR_KEYS',
    'UNLABELLED',
    'VERSION',
    'Frame',
    'Recording',
    'RecordingError',
    'check_recording',
    'check_sensor_files',
]

FORMAT = 'oneocc-recording'
VERSION = 1
DEPTH_UNIT_M = 0.002
UNLABELLED = UNKNOWN
PER_POINT = {'time': np.float32, 'ring': np.uint16}  # beside LIDAR_KEYS, where the driver told them


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
        intensity_max: Per lidar that states it, the intensity in its files that counts as 1.
        padding: Per sweep read so far that had any, its file and the points at (0, 0, 0) dropped.
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
    intensity_max: dict[str, float] = field(default_factory=dict)
    padding: dict[str, int] = field(default_factory=dict, init=False, repr=False, compare=False)

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
        content = read_json(path, RecordingError)
        try:
            recording = cls._from_json(Path(root), content)
        except RecordingError:
            raise
        except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
            raise RecordingError(f'{path}: missing or misplaced entry: {error!r}') from error
        recording.validate()
        return recording

    @classmethod
    def _from_json(cls, root: Path, content: dict) -> Recording:
        path = root / 'recording.json'
        for key, expected in (('format', FORMAT), ('version', VERSION)):
            if content.get(key) != expected:
                raise RecordingError(f'{path}: {key}: expected {expected!r}, got {content.get(key)!r}')
        cameras, lidars, intensity_max = {}, {}, {}
        for name, camera in content['rig'].get('cameras', {}).items():
            pose = rigid_pose(camera['cam_from_body'], f'{path}: rig: {name}: cam_from_body', RecordingError)
            try:
                camera = resolve_calibration(camera, root)
            except (OSError, ValueError, TypeError) as error:
                raise RecordingError(f'{path}: rig: {name}: {error}') from error
            cameras[name] = dict(camera, cam_from_body=pose)
        for name, lidar in content['rig'].get('lidars', {}).items():
            at = f'{path}: rig: {name}: lidar_from_body'
            lidars[name] = rigid_pose(lidar['lidar_from_body'], at, RecordingError)
            if 'intensity_max' in lidar:
                intensity_max[name] = lidar['intensity_max']
        frames = []
        for index, frame in enumerate(content['frames']):
            at = f'{path}: frames[{index}] ({frame["id"]})'
            ego = rigid_pose(frame['world_from_ego'], f'{at}: world_from_ego', RecordingError)
            body = frame.get('world_from_body', frame['world_from_ego'])
            body = rigid_pose(body, f'{at}: world_from_body', RecordingError)
            frames.append(Frame(frame['id'], frame['time'], ego, body, frame['files']))
        dense = content.get('dense') or {}
        return cls(
            root,
            content['name'],
            check_classes(content['classes'], f'{path}: classes', RecordingError),
            cameras,
            lidars,
            content['meta'],
            frames,
            dense.get('camera'),
            dense.get('depth_unit_m', DEPTH_UNIT_M),
            intensity_max,
        )

    def write(self) -> None:
        """Validate and write recording.json; the sensor files must have been written before."""
        check_recording(self, need_images=False)
        dense = None if self.dense_camera is None else dict(camera=self.dense_camera, depth_unit_m=self.depth_unit_m)
        write_json(
            self.root / 'recording.json',
            dict(
                format=FORMAT,
                version=VERSION,
                name=self.name,
                classes=list(self.classes),
                rig=dict(cameras=self.cameras, lidars={name: self._lidar_entry(name) for name in self.lidars}),
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
        """Refuse what no converter could use; see `check_recording`."""
        check_recording(self)

    def camera_of(self, sensor: str) -> str:
        """The camera in whose pixels an image or a dense map lies.

        Raises:
            RecordingError: No such camera, or no camera for dense maps.
        """
        camera = self.dense_camera if sensor in DENSE_MAPS else sensor
        if camera not in self.cameras:
            raise RecordingError(
                f'{self.root / "recording.json"}: {sensor}: expected one of the cameras {sorted(self.cameras)}, '
                f'got {camera!r}'
            )
        return camera

    def write_image(self, frame: Frame, name: str, image: np.ndarray) -> None:
        """Write an image (H, W, 3), depth or semantic map (H, W) as PNG and note it in the frame."""
        write_png(self._new_file(frame, name, 'png'), image)

    def keep_image(self, frame: Frame, name: str, content: bytes, kind: str) -> None:
        """Write an image file as the camera compressed it (`kind`: its suffix) and note it in the frame."""
        write_bytes(self._new_file(frame, name, kind), content)

    def write_depth(self, frame: Frame, range_m: np.ndarray) -> None:
        """Write radial range (H, W) in metres; inf, NaN and what exceeds uint16: no return."""
        units = np.nan_to_num(range_m / self.depth_unit_m, nan=0, posinf=0)
        units = np.where(units < 65535.5, np.rint(units), 0).astype(np.uint16)
        self.write_image(frame, 'depth', units)

    def write_lidar(self, frame: Frame, name: str, scan: dict[str, np.ndarray]) -> None:
        """Write one sweep; points are rounded to 1/1024 m, intensity to 1/256 (finer is noise).

        `time` and `ring` are kept where the scan has them. Points at exactly (0, 0, 0) are left out.

        Raises:
            RecordingError: Against the rules of lidar_scan.py.
        """
        where = f'{self.root}: frame {frame.id}: {name}'
        try:
            scan, _ = clean_sweep(
                {key: np.asarray(scan[key]) for key in (*LIDAR_KEYS, *(key for key in PER_POINT if key in scan))},
                where,
                self.intensity_max.get(name),
                len(self.classes),
            )
        except ValueError as error:
            raise RecordingError(str(error)) from error
        unit = np.rint(scan['intensity'].astype(np.float64) * 256) / 256
        write_npz(
            self._new_file(frame, name, 'npz'),
            points=(np.rint(scan['points'] * 1024) / 1024).astype(np.float32),
            intensity=(unit * self.intensity_max.get(name, 1)).astype(np.float32),
            label=scan['label'].astype(np.uint8),
            dynamic=scan['dynamic'].astype(bool),
            **{key: scan[key].astype(dtype) for key, dtype in PER_POINT.items() if key in scan},
        )

    def read_image(self, frame: Frame, name: str) -> np.ndarray:
        """RGB image (H, W, 3) uint8 of camera `name`, of the size that its model states."""
        image = self._read_png(frame, name)
        self._check_map(image, frame, name, np.uint8, 3)
        return image

    def read_depth(self, frame: Frame) -> np.ndarray:
        """Radial range (H, W) float32 in metres; 0 = no return."""
        depth = self._read_png(frame, 'depth')
        self._check_map(depth, frame, 'depth', np.uint16, 2)
        return depth.astype(np.float32) * np.float32(self.depth_unit_m)

    def read_semantic(self, frame: Frame) -> np.ndarray:
        """Labels (H, W) uint8: 1..C, 0 sky or nothing, 255 unlabelled."""
        semantic = self._read_png(frame, 'semantic')
        self._check_map(semantic, frame, 'semantic', np.uint8, 2)
        wrong = semantic[(semantic > len(self.classes)) & (semantic != UNLABELLED)]
        if wrong.size:
            path = self.root / frame.files['semantic']
            raise RecordingError(f'{path}: expected labels 0..{len(self.classes)} or {UNLABELLED}, got {int(wrong[0])}')
        return semantic

    def read_dynamic(self, frame: Frame) -> np.ndarray:
        """Bool (H, W): pixel on a moving object; all False where the recording does not say."""
        camera = self.cameras[self.camera_of('dynamic')]
        if 'dynamic' not in frame.files:
            return np.zeros((camera['height'], camera['width']), bool)
        dynamic = self._read_png(frame, 'dynamic')
        self._check_map(dynamic, frame, 'dynamic', np.uint8, 2)
        return dynamic > 0

    def read_lidar(self, frame: Frame, name: str) -> dict[str, np.ndarray]:
        """One sweep: points (N, 3) float in the lidar frame, intensity in [0, 1], label, dynamic (N,).

        Points at exactly (0, 0, 0) are dropped and counted in `padding`.
        """
        path = self._path(frame, name)
        try:
            scan, padding = read_sweep(path, LIDAR_KEYS, self.intensity_max.get(name), len(self.classes))
        except ValueError as error:
            raise RecordingError(str(error)) from error
        if padding:
            self.padding[frame.files[name]] = padding
        return scan

    def _lidar_entry(self, name: str) -> dict[str, Any]:
        entry: dict[str, Any] = dict(lidar_from_body=self.lidars[name])
        return entry if name not in self.intensity_max else dict(entry, intensity_max=self.intensity_max[name])

    def _new_file(self, frame: Frame, name: str, kind: str) -> Path:
        file = f'{name}/{frame.id}.{kind}'
        try:
            path = inside(self.root, file, f'{self.root}: file of {name!r}')
        except UnsafeNameError as error:
            raise RecordingError(str(error)) from error
        frame.files[name] = file
        return path

    def _path(self, frame: Frame, name: str) -> Path:
        if name not in frame.files:
            raise RecordingError(
                f'{self.root / "recording.json"}: frame {frame.id}: expected a {name!r} file, got {sorted(frame.files)}'
            )
        return sensor_path(self, frame, name)

    def _read_png(self, frame: Frame, name: str) -> np.ndarray:
        """The stored pixels (H, W) or (H, W, 3) of a file whose header states the size of its camera."""
        path = self._path(frame, name)
        camera = self.cameras[self.camera_of(name)]
        expected = (camera['height'], camera['width'])
        declared = png_size(path) if path.is_file() else None
        if declared not in (None, expected):  # asked before memory is taken for the pixels
            raise RecordingError(f'{path}: expected {expected} pixels as the camera states, got {declared}')
        try:
            return read_png(path)
        except ValueError as error:
            raise RecordingError(str(error)) from error

    def _check_map(self, image: np.ndarray, frame: Frame, name: str, dtype: type, ndim: int) -> None:
        """Refuse what is not (H, W), or with `ndim` 3 (H, W, 3), of the camera's size and of `dtype`."""
        camera = self.camera_of(name)
        model = self.cameras[camera]
        expected = (model['height'], model['width']) + (3,) * (ndim == 3)
        if image.shape != expected or image.dtype != dtype:
            raise RecordingError(
                f'{self.root / frame.files[name]}: expected {expected} '
                f'{np.dtype(dtype)} as camera {camera!r} states, '
                f'got {image.shape} {image.dtype}'
            )
