"""One door for calibration files: what toolbox wrote a file is recognised by its content."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .calibration_formats import cameras_in
from .calibration_text import CalibrationError, parse_calibration
from .checks import check_rigid
from .omni_camera import OmniCamera
from .taylor_camera import TaylorCamera

KNOWN = (
    'OCamCalib text, py-OCamCalib JSON, Kalibr camchain YAML, camodocal YAML (KITTI-360, VINS, LF-VIO), ROS '
    'camera_info or OpenCV YAML, Basalt JSON, or a camera of this project as JSON'
)

_OPTIONS = ('camera', 'size', 'mask', 'radius_range', 'max_angle', 'model')


def read_calibration(
    path: str | Path,
    camera: str | None = None,
    size: tuple[int, int] | None = None,
    **options: Any,
) -> OmniCamera:
    """The camera that a calibration file of any known toolbox describes.

    Args:
        path: the file; OCamCalib text, py-OCamCalib JSON, Kalibr YAML, camodocal YAML (KITTI-360), ROS camera_info,
            OpenCV's FileStorage, Basalt JSON or what `to_dict` of a camera gave.
        camera: which one, where a file has several, e.g. 'cam0' of a Kalibr chain.
        size: (width, height) in pixels of the images that it is for; needed where the file does not state it, and a
            file that states another one is refused.
        options: what the camera takes further: `mask`; `radius_range` (pixels) of a Taylor lens; `max_angle` (radians)
            of all others; `model`, 'pinhole' or 'fisheye', where an OpenCV file does not say which.

    Raises:
        FileNotFoundError: no such file.
        CalibrationError: no known format, another image size, or numbers that make no lens; the message names the file.
    """
    content = parse_calibration(path)
    if content is None:
        return _ocamcalib(path, size, options)
    found = cameras_in(content)
    if not found:
        raise CalibrationError(f'{path}: expected {KNOWN}, got the keys {[str(key) for key in content][:12]}')
    if camera is None and len(found) > 1:
        raise CalibrationError(f'{path}: expected `camera` to name one of its cameras {list(found)}, got none')
    name = next(iter(found)) if camera is None else camera
    if name not in found:
        raise CalibrationError(f'{path}: expected one of its cameras {list(found)}, got {name!r}')
    reader, entry = found[name]
    where = f'{path}: {name}' if len(found) > 1 else str(path)
    try:
        return reader(entry, size, **options)
    except KeyError as error:
        raise CalibrationError(f'{where}: expected the entry {error}, got {_names(entry)}') from error
    except (TypeError, ValueError, IndexError, AttributeError) as error:
        raise CalibrationError(f'{where}: {error}') from error


def calibrated_cameras(path: str | Path) -> tuple[str, ...]:
    """Names of the cameras that a calibration file holds."""
    content = parse_calibration(path)
    return ('camera',) if content is None else tuple(cameras_in(content))


def read_camera_chain(path: str | Path) -> dict[str, np.ndarray]:
    """Poses of a Kalibr camchain: (4, 4) cam_from_cam0 in metres by name, the first camera's the identity.

    Raises:
        FileNotFoundError: no such file.
        CalibrationError: no camchain, or one whose cameras are not linked by `T_cn_cnm1`.
    """
    content = parse_calibration(path) or {}
    names = list(cameras_in(content))
    poses: dict[str, np.ndarray] = {}
    pose = np.eye(4)
    for index, name in enumerate(names):
        entry = content.get(name)
        if not isinstance(entry, Mapping) or (index and 'T_cn_cnm1' not in entry):
            raise CalibrationError(f'{path}: {name}: expected a Kalibr camchain with T_cn_cnm1, got {_names(entry)}')
        if index:
            try:
                pose = check_rigid('T_cn_cnm1', np.array(entry['T_cn_cnm1'], dtype=np.float64)) @ pose
            except (TypeError, ValueError) as error:
                raise CalibrationError(f'{path}: {name}: {error}') from error
        poses[name] = pose
    if not poses:
        raise CalibrationError(f'{path}: expected a Kalibr camchain, got the keys {_names(content)}')
    return poses


def resolve_calibration(entry: Mapping[str, Any], folder: str | Path = '') -> dict[str, Any]:
    """A camera's entry of a rig that names a file, as one that holds model and parameters.

    Args:
        entry: `calibration` (path below `folder`), and where needed `camera`, `size` [width, height], `mask`,
            `radius_range`, `max_angle` (radians) or `model`, as `read_calibration` takes them; further keys, such as
            where the camera hangs, are kept. An entry without `calibration` is returned as it is.

    Raises:
        FileNotFoundError, CalibrationError: see `read_calibration`.
    """
    if 'calibration' not in entry:
        return dict(entry)
    options = {key: entry[key] for key in _OPTIONS if entry.get(key) is not None}
    kept = {key: value for key, value in entry.items() if key not in (*_OPTIONS, 'calibration')}
    mask = options.get('mask')
    if isinstance(mask, str):
        options['mask'] = Path(folder) / mask
    if 'size' in options:
        size = options['size']
        if not (isinstance(size, (list, tuple)) and len(size) == 2 and all(type(n) is int and n > 0 for n in size)):
            raise CalibrationError(f'size: expected [width, height], got {size!r}')
        options['size'] = tuple(size)
    found = read_calibration(Path(folder) / str(entry['calibration']), **options).to_dict()
    return {**found, **kept, **({'mask': mask} if isinstance(mask, str) else {})}


def _ocamcalib(path: str | Path, size: tuple[int, int] | None, options: dict[str, Any]) -> OmniCamera:
    try:
        camera = TaylorCamera.from_ocamcalib(path, **options)
    except (TypeError, ValueError) as error:
        told = str(error) if str(path) in str(error) else f'{path}: {error}'
        known = f'; known are {KNOWN}' if 'not a usable' in told else ''
        raise CalibrationError(f'{told}{known}') from error
    if size is not None and (camera.width, camera.height) != tuple(size):
        raise CalibrationError(
            f'{path}: expected a calibration of {size[0]}x{size[1]} images, got one of {camera.width}x{camera.height}'
        )
    return camera


def _names(entry: Any) -> Any:
    return sorted(map(str, entry))[:12] if isinstance(entry, Mapping) else type(entry).__name__
