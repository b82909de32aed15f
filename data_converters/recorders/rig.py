"""The rig file: which topics or folders are which sensors, where they hang, and where the poses come from.

name: monday                       # default: that of the output folder
classes: [floor, wall]             # or quadocc, h3o, geometry (free, occupied, unknown: no classes)
meta: {lighting: day}
body: base_link                    # frame of the body in tf, for mounts that say `tf`
cameras:
  raw:
    topic: /pal/image_raw/compressed     # a folder for from-folder: `folder: images`
    calibration: calib_results.txt       # any file that read_calibration knows, or
                                         # `model: {model: equirect, width: 1024, height: 512}`
    camera: cam0                         # which one, where the calibration has several
    size: [640, 480]                     # where it does not state the image size; max_angle, radius_range likewise
    mask: lens_mask.png                  # optional
    body_from_cam: {xyz: [0, 0, 0.1], rpy_deg: [180, 0, 0]}   # or cam_from_body, 4x4, or tf
lidars:
  lidar:
    topic: /points
    lidar_from_body: [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    intensity_max: 255                   # what an intensity of 1 is
    time_offset: 0.0                     # seconds added to its stamps
pose:
  topic: /odom                           # or `tf: [odom, base_link]`, or `file: poses.txt`
  child_from_body: tf                    # where its child is not the body; default: it is
  world_from_poses: {rpy_deg: [-90, 0, -90]}    # where its world is not z up; here: a camera's axes
  time_offset: 0.0
  max_gap: 0.5
ego: {cutoff_hz: 0.5, gravity: odometry}       # odometry, imu, ground; `imu: /imu`
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from data_converters.recorders.pose_track import DEFAULT_MAX_GAP_S, RideError
from projects.OneOcc.core.formats.labels import H3O_CLASSES, QUADOCC_CLASSES, check_classes
from projects.OneOcc.core.formats.poses import is_finite_number, rigid_pose
from projects.OneOcc.core.geometry import camera_from_dict, resolve_calibration

CLASS_LISTS = {'quadocc': QUADOCC_CLASSES, 'h3o': H3O_CLASSES, 'geometry': ('occupied',)}
GRAVITY = ('odometry', 'imu', 'ground')
DEFAULT_CUTOFF_HZ = 0.5
TF = 'tf'
_CALIBRATION_KEYS = ('camera', 'size', 'radius_range', 'max_angle')  # of `calibration`; so is `model: NAME`
_KEYS = {
    'rig': {'name', 'classes', 'meta', 'body', 'cameras', 'lidars', 'pose', 'ego'},
    'camera': {'topic', 'folder', 'calibration', 'model', 'mask', 'time_offset', 'bit_depth', *_CALIBRATION_KEYS},
    'lidar': {'topic', 'folder', 'intensity_max', 'time_offset', 'labels', 'label_map'},
    'pose': {'topic', 'tf', 'file', 'format', 'child_from_body', 'world_from_poses', 'time_offset', 'max_gap'},
    'ego': {'cutoff_hz', 'gravity', 'imu'},
}


@dataclass(frozen=True)
class SensorEntry:
    """A camera or a LiDAR.

    Attributes:
        source: Its topic, or its folder.
        mount: `a_from_body` (4, 4), or None where tf says it.
        options: What else stands in its entry.
    """

    source: str
    mount: np.ndarray | None
    time_offset: float = 0.0
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PoseEntry:
    """Where the body's poses come from: one of `topic`, `tf` (parent, child), `file`; none of them: from the LiDAR.

    Attributes:
        child_from_body: (4, 4), or None where tf says it.
        world_from_poses: (4, 4), turns the world of the poses so that z points up.
    """

    topic: str | None = None
    tf: tuple[str, str] | None = None
    file: str | None = None
    format: str | None = None
    child_from_body: np.ndarray | None = field(default_factory=lambda: np.eye(4))
    world_from_poses: np.ndarray = field(default_factory=lambda: np.eye(4))
    time_offset: float = 0.0
    max_gap: float = DEFAULT_MAX_GAP_S


@dataclass(frozen=True)
class Rig:
    """What a rig file says.

    Attributes:
        folder: Where its calibrations and masks lie.
        cameras, lidars: Entries by name.
        body: Frame of the body in tf.
        cutoff_hz: Cut-off of the filter that makes ego out of the body's motion; None: ego is only levelled.
    """

    path: Path
    name: str | None
    classes: tuple[str, ...]
    meta: dict[str, Any]
    cameras: dict[str, SensorEntry]
    lidars: dict[str, SensorEntry]
    pose: PoseEntry
    body: str = 'base_link'
    cutoff_hz: float | None = DEFAULT_CUTOFF_HZ
    gravity: str = 'odometry'
    imu: str | None = None

    @property
    def folder(self) -> Path:
        """Where relative paths of the file begin."""
        return self.path.parent

    @property
    def geometry_only(self) -> bool:
        """No classes: every return is an occupied place."""
        return self.classes == CLASS_LISTS['geometry']

    def camera(self, name: str) -> dict[str, Any]:
        """Model and parameters of a camera, as recordings hold them; its mask is not among them.

        Raises:
            RideError: No calibration, or one that makes no camera.
        """
        options = self.cameras[name].options
        where = f'{self.path}: cameras: {name}'
        try:
            if 'calibration' in options:
                if isinstance(options.get('model'), dict):
                    raise ValueError('expected `calibration: FILE` or `model: {...}`, got both')
                keys = ('calibration', 'model', *_CALIBRATION_KEYS)
                return resolve_calibration({key: options[key] for key in keys if key in options}, self.folder)
            extra = [key for key in _CALIBRATION_KEYS if key in options]
            if extra:
                raise ValueError(f'{extra[0]}: expected it beside `calibration: FILE` only, got no calibration')
            if 'model' not in options:
                raise ValueError('expected `calibration: FILE` or `model: {...}`, got neither')
            model = options['model']
            if not isinstance(model, dict):
                raise ValueError(f"model: expected the camera's parameters, got {model!r}")
            return camera_from_dict(model, self.folder).to_dict()
        except (ValueError, TypeError, KeyError, OSError) as error:
            raise RideError(f'{where}: {error}') from error


def read_rig(path: str | Path) -> Rig:
    """Read and check a rig file.

    Raises:
        FileNotFoundError: No such file.
        RideError: Names the file, the entry, the expected and the actual.
    """
    import yaml

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such file; inspect-bag proposes one')
    try:
        content = yaml.safe_load(path.read_text(encoding='utf-8-sig'))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RideError(f'{path}: expected YAML: {" ".join(str(error).split())}') from error
    return rig_from_dict(content, path)


def rig_from_dict(content: Any, path: Path) -> Rig:
    """A rig from the content of its file; raises as `read_rig` does."""
    _keys(content, 'rig', f'{path}')
    cameras = {
        str(name): _sensor(entry, 'camera', 'cam', f'{path}: cameras: {name}')
        for name, entry in (content.get('cameras') or {}).items()
    }
    lidars = {
        str(name): _sensor(entry, 'lidar', 'lidar', f'{path}: lidars: {name}')
        for name, entry in (content.get('lidars') or {}).items()
    }
    ego = content.get('ego') or {}
    _keys(ego, 'ego', f'{path}: ego')
    cutoff = ego.get('cutoff_hz', DEFAULT_CUTOFF_HZ)
    if cutoff is not None and not (is_finite_number(cutoff) and cutoff > 0):
        raise RideError(f'{path}: ego: cutoff_hz: expected hertz above 0, or null for none, got {cutoff!r}')
    gravity = ego.get('gravity', 'odometry')
    if gravity not in GRAVITY:
        raise RideError(f'{path}: ego: gravity: expected one of {", ".join(GRAVITY)}, got {gravity!r}')
    if gravity == 'imu' and not ego.get('imu'):
        raise RideError(f'{path}: ego: expected `imu: TOPIC` for gravity: imu, got none')
    classes = content.get('classes', 'geometry')
    if isinstance(classes, str):
        if classes not in CLASS_LISTS:
            raise RideError(f'{path}: classes: expected a list or one of {", ".join(CLASS_LISTS)}, got {classes!r}')
        classes = CLASS_LISTS[classes]
    meta = content.get('meta') or {}
    if not isinstance(meta, dict):
        raise RideError(f'{path}: meta: expected names with values, got {meta!r}')
    return Rig(
        path,
        None if content.get('name') is None else str(content['name']),
        check_classes(classes, f'{path}: classes', RideError),
        dict(meta),
        cameras,
        lidars,
        _pose(content.get('pose') or {}, f'{path}: pose'),
        str(content.get('body', 'base_link')),
        None if cutoff is None else float(cutoff),
        gravity,
        ego.get('imu'),
    )


def mount_matrix(value: Any, where: str) -> np.ndarray:
    """A pose (4, 4) from four rows, or from {xyz, rpy_deg} (fixed axes x, y, z) or {xyz, quat_xyzw}.

    Raises:
        RideError: Neither.
    """
    if isinstance(value, dict):
        extra = set(value) - {'xyz', 'rpy_deg', 'quat_xyzw'}
        if extra or ('rpy_deg' in value and 'quat_xyzw' in value):
            raise RideError(f'{where}: expected xyz with rpy_deg or quat_xyzw, got {sorted(value)}')
        matrix = np.eye(4)
        try:
            matrix[:3, 3] = value.get('xyz', (0, 0, 0))
            if 'quat_xyzw' in value:
                matrix[:3, :3] = Rotation.from_quat(value['quat_xyzw']).as_matrix()
            else:
                matrix[:3, :3] = Rotation.from_euler('xyz', value.get('rpy_deg', (0, 0, 0)), degrees=True).as_matrix()
        except (ValueError, TypeError) as error:
            raise RideError(f'{where}: expected numbers: {error}') from error
        return rigid_pose(matrix, where, RideError)
    return rigid_pose(value, where, RideError)


def _sensor(entry: Any, kind: str, short: str, where: str) -> SensorEntry:
    if not isinstance(entry, dict):
        raise RideError(f'{where}: expected its entries, got {entry!r}')
    entry = dict(entry)
    forward, backward = f'{short}_from_body', f'body_from_{short}'
    given = [key for key in (forward, backward) if key in entry]
    if len(given) != 1:
        raise RideError(
            f'{where}: expected {forward} or {backward} (4x4, or xyz and rpy_deg, or tf), got {given or "neither"}'
        )
    value = entry.pop(given[0])
    mount = None if value == TF else mount_matrix(value, f'{where}: {given[0]}')
    if mount is not None and given[0] == backward:
        mount = np.linalg.inv(mount)
    _keys(entry, kind, where)
    sources = [key for key in ('topic', 'folder') if entry.get(key)]
    if len(sources) != 1:
        raise RideError(f'{where}: expected `topic: NAME` or `folder: PATH`, got {sources or "neither"}')
    offset = _number(entry.pop('time_offset', 0.0), f'{where}: time_offset')
    return SensorEntry(str(entry.pop(sources[0])), mount, offset, entry)


def _pose(entry: Any, where: str) -> PoseEntry:
    _keys(entry, 'pose', where)
    given = [key for key in ('topic', 'tf', 'file') if entry.get(key)]
    if len(given) > 1:
        raise RideError(f'{where}: expected one of topic, tf, file, got {given}')
    tf = entry.get('tf')
    if tf is not None and not (isinstance(tf, list) and len(tf) == 2):
        raise RideError(f'{where}: tf: expected [parent frame, child frame], got {tf!r}')
    child = entry.get('child_from_body')
    matrix: np.ndarray | None = np.eye(4)
    if child is not None:
        matrix = None if child == TF else mount_matrix(child, f'{where}: child_from_body')
    world = entry.get('world_from_poses')
    gap = _number(entry.get('max_gap', DEFAULT_MAX_GAP_S), f'{where}: max_gap')
    if gap <= 0:
        raise RideError(f'{where}: max_gap: expected seconds above 0, got {gap}')
    return PoseEntry(
        entry.get('topic'),
        None if tf is None else (str(tf[0]), str(tf[1])),
        entry.get('file'),
        entry.get('format'),
        matrix,
        np.eye(4) if world is None else mount_matrix(world, f'{where}: world_from_poses'),
        _number(entry.get('time_offset', 0.0), f'{where}: time_offset'),
        gap,
    )


def _keys(entry: Any, kind: str, where: str) -> None:
    if not isinstance(entry, dict):
        raise RideError(f'{where}: expected entries among {sorted(_KEYS[kind])}, got {type(entry).__name__}')
    extra = sorted(set(map(str, entry)) - _KEYS[kind])
    if extra:
        raise RideError(f'{where}: expected entries among {sorted(_KEYS[kind])}, got {extra[0]!r}')


def _number(value: Any, where: str) -> float:
    if not is_finite_number(value):
        raise RideError(f'{where}: expected a finite number, got {value!r}')
    return float(value)
