"""What a recording must be, in one place: for reading, for writing and before labels are made from it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..geometry import camera_from_dict
from .labels import check_classes
from .lidar_scan import check_sweep_file
from .paths import UnsafeNameError, check_name, inside
from .poses import is_finite_number, rigid_pose
from .trajectory import check_trajectory, check_upright

if TYPE_CHECKING:
    from .recording import Frame, Recording

DENSE_MAPS = ('depth', 'semantic', 'dynamic')
NAMED_META = ('lighting', 'weather', 'map')
_DENSE_MODES = {'depth': ('I;16', 'I;16B', 'I'), 'semantic': ('L',), 'dynamic': ('L', '1')}


class RecordingError(ValueError):
    """A recording that cannot be used; the message names the file, the expected and the actual."""


def check_recording(recording: Recording, need_images: bool = True) -> None:
    """Refuse what neither a converter nor a training could use; looks at no sensor file.

    Args:
        need_images: Refuse a ride without a single image too; whoever writes may have none yet.

    Raises:
        RecordingError: Names recording.json, the first wrong entry, the expected and the actual.
    """
    path = recording.root / 'recording.json'
    _name(recording.name, f'{path}: name')
    check_classes(recording.classes, f'{path}: classes', RecordingError)
    _check_meta(recording.meta, path)
    _check_rig(recording, path)
    if not recording.frames:
        raise RecordingError(f'{path}: frames: expected at least one, got none')
    _check_frames(recording, path)
    if need_images:
        _check_images(recording, path)
    check_trajectory(recording.frames, where=str(path), error=RecordingError)
    check_upright(recording.frames, where=str(path), error=RecordingError)


def check_sensor_files(recording: Recording) -> None:
    """Refuse files that are missing, images of another size, sweeps of other shapes; reads headers only.

    Raises:
        RecordingError: Names the frame, the file, the expected and the actual.
    """
    index = recording.root / 'recording.json'
    for number, frame in enumerate(recording.frames):
        for sensor in frame.files:
            where = f'{index}: frames[{number}] ({frame.id}): {sensor}'
            path = sensor_path(recording, frame, sensor)
            if not path.is_file():
                raise RecordingError(f'{where}: expected the file {path}, got none there')
            if sensor in recording.lidars:
                try:
                    check_sweep_file(path)
                except ValueError as error:
                    raise RecordingError(f'{where}: {error}') from error
            else:
                camera = recording.cameras[recording.camera_of(sensor)]
                _check_image_header(path, camera, _DENSE_MODES.get(sensor), where)
        if 'depth' in frame.files and 'semantic' not in frame.files:
            raise RecordingError(
                f'{index}: frames[{number}] ({frame.id}): files: expected a semantic map beside the depth map, '
                f'got {sorted(frame.files)}'
            )


def sensor_path(recording: Recording, frame: Frame, sensor: str) -> Path:
    """Where a file of a frame lies, inside the recording; links may lead elsewhere (it is only read)."""
    where = f'{recording.root / "recording.json"}: frame {frame.id}: {sensor}'
    try:
        return inside(recording.root, frame.files[sensor], where, follow_links=True)
    except UnsafeNameError as error:
        raise RecordingError(str(error)) from error


def _name(name: Any, where: str) -> None:
    try:
        check_name(name, where)
    except UnsafeNameError as error:
        raise RecordingError(str(error)) from error


def _check_meta(meta: Any, path: Path) -> None:
    if not isinstance(meta, dict):
        raise RecordingError(f'{path}: meta: expected an object, got {type(meta).__name__}')
    for key in NAMED_META:
        if key in meta and not (isinstance(meta[key], str) and meta[key]):
            raise RecordingError(f'{path}: meta.{key}: expected a name or no such entry, got {meta[key]!r}')


def _check_rig(recording: Recording, path: Path) -> None:
    for name in _sensor_names(recording):
        _name(name, f'{path}: rig: name of a sensor')
    twice = set(recording.cameras) & set(recording.lidars) or {*recording.cameras, *recording.lidars} & {*DENSE_MAPS}
    if twice:
        raise RecordingError(
            f'{path}: rig: expected names of sensors used once, none of {list(DENSE_MAPS)}, got {sorted(twice)}'
        )
    if recording.dense_camera is not None and recording.dense_camera not in recording.cameras:
        raise RecordingError(
            f'{path}: dense: expected one of the cameras {sorted(recording.cameras)}, got {recording.dense_camera!r}'
        )
    if not _is_positive(recording.depth_unit_m):
        raise RecordingError(f'{path}: dense: depth_unit_m: expected metres above 0, got {recording.depth_unit_m!r}')
    for name, camera in recording.cameras.items():
        rigid_pose(camera.get('cam_from_body'), f'{path}: rig: {name}: cam_from_body', RecordingError)
        try:
            if isinstance(camera.get('mask'), str):
                inside(recording.root, camera['mask'], 'mask', follow_links=True)
            camera_from_dict(camera, recording.root)
        except (ValueError, TypeError, KeyError, OverflowError, OSError) as error:
            raise RecordingError(f'{path}: rig: {name}: {error}') from error
    for name, matrix in recording.lidars.items():
        rigid_pose(matrix, f'{path}: rig: {name}: lidar_from_body', RecordingError)
    for name, largest in recording.intensity_max.items():
        if name not in recording.lidars or not _is_positive(largest):
            raise RecordingError(
                f'{path}: rig: {name}: intensity_max: expected a number above 0 for one of the lidars '
                f'{sorted(recording.lidars)}, got {largest!r}'
            )


def _check_frames(recording: Recording, path: Path) -> None:
    known = {*_sensor_names(recording)} | ({*DENSE_MAPS} if recording.dense_camera else set())
    last_time, ids = -math.inf, set()
    for index, frame in enumerate(recording.frames):
        _name(frame.id, f'{path}: frames[{index}]: id')
        at = f'{path}: frames[{index}] ({frame.id})'
        rigid_pose(frame.world_from_ego, f'{at}: world_from_ego', RecordingError)
        rigid_pose(frame.world_from_body, f'{at}: world_from_body', RecordingError)
        if not (is_finite_number(frame.time) and frame.time > last_time):
            expected = 'finite seconds' if index == 0 else f'after {last_time}'
            raise RecordingError(f'{at}: time: expected {expected}, got {frame.time!r}')
        if frame.id in ids:
            raise RecordingError(f'{at}: id: expected a new one, got {frame.id!r} again')
        if not isinstance(frame.files, dict) or not set(frame.files) <= known:
            found = sorted(frame.files, key=str) if isinstance(frame.files, dict) else type(frame.files).__name__
            raise RecordingError(f'{at}: files: expected sensors among {sorted(known)}, got {found}')
        for sensor in frame.files:
            try:
                inside(recording.root, frame.files[sensor], f'{at}: files: {sensor}', follow_links=True)
            except UnsafeNameError as error:
                raise RecordingError(f'{error}; expected a path inside the recording') from error
        last_time = frame.time
        ids.add(frame.id)


def _check_images(recording: Recording, path: Path) -> None:
    if not any(set(frame.files) & set(recording.cameras) for frame in recording.frames):
        raise RecordingError(
            f'{path}: frames: expected at least one frame with an image of a camera (its labels are what a training '
            f'reads), got {len(recording.frames)} frames and the cameras {sorted(recording.cameras)}'
        )


def _check_image_header(path: Path, camera: dict[str, Any], modes: tuple[str, ...] | None, where: str) -> None:
    from PIL import Image

    try:
        with Image.open(path) as image:
            size, mode = image.size, image.mode
    except Exception as error:  # Pillow raises many kinds for broken headers
        raise RecordingError(f'{where}: expected a readable image, got {path}: {error}') from error
    expected = (camera['width'], camera['height'])
    if size != expected:
        raise RecordingError(
            f'{where}: expected {expected[0]}x{expected[1]} pixels as the camera states, '
            f'got {size[0]}x{size[1]} in {path}'
        )
    if modes is not None and mode not in modes:
        raise RecordingError(f'{where}: expected an image of mode {" or ".join(modes)}, got {mode} in {path}')


def _sensor_names(recording: Recording) -> Iterator[str]:
    yield from recording.cameras
    yield from recording.lidars


def _is_positive(value: Any) -> bool:
    return is_finite_number(value) and value > 0
