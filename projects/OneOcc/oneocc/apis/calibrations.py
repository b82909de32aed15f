"""A camera for an image: from a calibration file, or an assumption that is stated as one.

A file is a recording.json, a camera of ours as JSON, or one of any toolbox that `core.geometry.read_calibration` knows.
Without one, an image twice as wide as high is taken for a full sphere, and an annulus between two radii is unrolled
linearly, which is a guess.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...core import geometry
from ...core.formats.atomic_files import read_json
from ...core.geometry import (
    EquirectCamera,
    OmniCamera,
    TaylorCamera,
    camera_from_dict,
    camera_models,
    resolve_calibration,
)
from ..engine.usage_error import UsageError
from .mounts import LOOKS, mount

WALKING_HEIGHT_M = 1.6


class CalibrationError(UsageError):
    """An image and what is said of its camera do not fit; the message has both numbers."""


@dataclass(frozen=True)
class CameraSetup:
    """What somebody says of the camera of their images; everything may be left out.

    Attributes:
        calib: a calibration file, a camera, or None.
        camera: the camera's name where the file holds several.
        equirect: take the images for equirectangular ones whatever their shape.
        radii: (inner, outer) radius in pixels of an annulus; with `calib` its annulus, without one a guess.
        centre: (u, v) of the annulus in pixels; the middle of the image by default.
        elevations_deg: (lowest, highest) elevation of a panorama's band, or of an annulus that is guessed.
        height_m: of the lens above the ground; None: of walking people.
        looks: where the lens points, of `mounts.LOOKS`; None: up for an annulus or a fisheye, level for a panorama.
        heading_deg, tilt_deg, roll_deg: how it is turned, see `mounts.mount`.
        scale_calib: the images were resampled after the calibration: let it follow.
        fov_deg: full angle that the lens sees, where `calib` is a fisheye's or perspective: no file says it.
        lens_model: 'pinhole' or 'fisheye', where an OpenCV file has four coefficients and does not say whose.
    """

    calib: str | Path | OmniCamera | None = None
    camera: str | None = None
    equirect: bool = False
    radii: Sequence[float] | None = None
    centre: Sequence[float] | None = None
    elevations_deg: Sequence[float] | None = None
    height_m: float | None = None
    looks: str | None = None
    heading_deg: float = 0.0
    tilt_deg: float = 0.0
    roll_deg: float = 0.0
    scale_calib: bool = False
    fov_deg: float | None = None
    lens_model: str | None = None

    def __post_init__(self) -> None:
        if self.equirect and (self.calib is not None or self.radii is not None):
            raise UsageError('equirect: expected it alone, got a calibration or radii as well')
        if self.height_m is not None and not 0 < self.height_m < 50:
            raise UsageError(f'height: expected metres above the ground between 0 and 50, got {self.height_m}')
        if self.looks is not None and self.looks not in LOOKS:
            raise UsageError(f'looks: expected one of {sorted(LOOKS)}, got {self.looks!r}')
        if self.fov_deg is not None and not 0 < self.fov_deg < 360:
            raise UsageError(f'fov: expected degrees between 0 and 360, got {self.fov_deg}')
        if self.lens_model not in (None, 'pinhole', 'fisheye'):
            raise UsageError(f"lens model: expected 'pinhole' or 'fisheye', got {self.lens_model!r}")


@dataclass(frozen=True)
class Calibrated:
    """The camera of an image, where it hangs if that is known, and what was assumed.

    Attributes:
        camera: of the image's size.
        cam_from_ego: (4, 4) where the file says it, else None.
        assumptions: sentences.
        guess: whether the geometry is a guess, not a calibration.
    """

    camera: OmniCamera
    cam_from_ego: np.ndarray | None = None
    assumptions: tuple[str, ...] = field(default=())
    guess: bool = False


def camera_for(setup: CameraSetup, size: tuple[int, int], source: str) -> Calibrated:
    """The camera of an image of `size` (width, height); `source` names it in messages.

    Raises:
        CalibrationError: sizes that differ, a picture that is no panorama, radii outside of the image.
        ValueError, FileNotFoundError: a calibration file that cannot be read.
    """
    if setup.calib is not None:
        return _of_size(read_calibration(setup, size), setup, size, source)
    if setup.radii is not None:
        return _guessed_annulus(setup, size, source)
    return _assumed_panorama(setup, size, source)


def read_calibration(setup: CameraSetup, size: tuple[int, int] | None = None) -> Calibrated:
    """The camera of `setup.calib`: a camera, or a file or the folder of a recording.

    Args:
        setup: `calib`, and where the file needs them `camera`, `radii`, `fov_deg`, `lens_model`.
        size: (width, height) in pixels of the images, for files that do not state it.

    Raises:
        FileNotFoundError: no such file.
        CalibrationError: several cameras and none named, or not a calibration; the message names the file.
    """
    if isinstance(setup.calib, OmniCamera):
        return Calibrated(setup.calib)
    path = Path(str(setup.calib))
    path = path / 'recording.json' if path.is_dir() else path
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such calibration file')
    content = read_json(path, CalibrationError) if path.suffix.lower() == '.json' else None
    entry = _own_entry(content, setup.camera, path)
    try:
        if entry is None:
            return Calibrated(_of_toolbox(path, setup, size))
        pose = entry.get('cam_from_ego', entry.get('cam_from_body'))
        lens = {key: value for key, value in entry.items() if key not in ('cam_from_ego', 'cam_from_body', 'image')}
        found = camera_from_dict(resolve_calibration(lens, path.parent), path.parent)
    except geometry.CalibrationError as error:
        raise CalibrationError(str(error)) from error
    except ValueError as error:
        raise CalibrationError(f'{path}: {error}') from error
    return Calibrated(found, None if pose is None else np.asarray(pose, dtype=np.float64))


def _own_entry(content: Any, camera: str | None, path: Path) -> dict[str, Any] | None:
    """A camera's model and parameters, and perhaps its pose, of a file of ours; None: a file of another toolbox."""
    if not isinstance(content, dict):
        return None
    if 'rig' in content:
        return _one_of(content['rig'].get('cameras', {}), camera, path)
    if isinstance(content.get('cameras'), dict):
        return _one_of(content['cameras'], camera, path)
    return content if content.get('model') in camera_models() else None


def _of_toolbox(path: Path, setup: CameraSetup, size: tuple[int, int] | None) -> OmniCamera:
    options: dict[str, Any] = dict(
        radius_range=None if setup.radii is None else tuple(setup.radii),
        max_angle=None if setup.fov_deg is None else math.radians(setup.fov_deg / 2),
        model=setup.lens_model,
    )
    options = {key: value for key, value in options.items() if value is not None}
    try:
        try:
            return geometry.read_calibration(path, setup.camera, **options)
        except geometry.CalibrationError:
            if size is None:
                raise
            return geometry.read_calibration(path, setup.camera, size, **options)  # where the file states none
    except geometry.CalibrationError as error:
        if isinstance(error.__cause__, TypeError) and options:
            raise CalibrationError(
                f'{path}: expected radii for a Taylor lens, a field of view for any other, a lens model for an OpenCV '
                f'file, got what this one does not take: {error.__cause__}'
            ) from error
        raise


def pose_for(found: Calibrated, setup: CameraSetup, ego_height_m: float | None) -> tuple[np.ndarray, list[str]]:
    """cam_from_ego (4, 4) of a camera, and the assumptions it rests on.

    Args:
        found: the camera; a mount from its file counts unless the setup says where the lens is.
        setup: what the user said.
        ego_height_m: height of the ego origin above the ground that the model was trained with.
    """
    said = setup.looks is not None or any((setup.heading_deg, setup.tilt_deg, setup.roll_deg))
    if found.cam_from_ego is not None and not said and setup.height_m is None:
        return found.cam_from_ego, []
    told = []
    height = setup.height_m
    if height is None:
        height = WALKING_HEIGHT_M
        told.append(f'the lens is {height:g} m above the ground (--height says otherwise)')
    looks = setup.looks or ('level' if found.camera.periodic else 'up')
    if setup.looks is None and not found.camera.periodic:
        told.append('the lens looks straight up, the top of the image facing forward (--looks says otherwise)')
    above = height - (height if ego_height_m is None else ego_height_m)
    if found.cam_from_ego is not None and setup.looks is None:
        turned = mount('level', setup.heading_deg, setup.tilt_deg, setup.roll_deg)
        pose = np.eye(4)
        pose[:3, :3] = found.cam_from_ego[:3, :3] @ turned[:3, :3]
        pose[:3, 3] = -pose[:3, :3] @ (0.0, 0.0, above)
        return pose, told
    return mount(looks, setup.heading_deg, setup.tilt_deg, setup.roll_deg, above), told


def _one_of(cameras: Any, name: str | None, path: Path) -> Any:
    if not isinstance(cameras, dict) or not cameras:
        raise CalibrationError(f'{path}: expected cameras, got none')
    if name is None and len(cameras) > 1:
        raise CalibrationError(f'{path}: expected --camera to name one of {sorted(cameras)}')
    name = name or next(iter(cameras))
    if name not in cameras:
        raise CalibrationError(f'{path}: camera: expected one of {sorted(cameras)}, got {name!r}')
    return cameras[name]


def _of_size(found: Calibrated, setup: CameraSetup, size: tuple[int, int], source: str) -> Calibrated:
    camera = found.camera
    if (camera.width, camera.height) == size:
        return found
    same = math.isclose(camera.width / camera.height, size[0] / size[1], rel_tol=0.01)
    if setup.scale_calib and same:
        scale = size[0] / camera.width
        text = f'the calibration of {camera.width}x{camera.height} was scaled by {scale:.3f} to the image'
        return Calibrated(camera.resized(*size), found.cam_from_ego, (*found.assumptions, text), found.guess)
    cure = (
        f'if the images were resampled by {size[0] / camera.width:.3f}, --scale-calib lets it follow'
        if same
        else 'the shapes differ, so the image was cropped or is of another camera'
    )
    raise CalibrationError(
        f'{source}: expected an image of {camera.width}x{camera.height} as {_named(setup.calib)} was made for, got '
        f'{size[0]}x{size[1]}: {cure}'
    )


def _named(calib: object) -> str:
    return 'the calibration' if isinstance(calib, OmniCamera) else str(calib)


def _assumed_panorama(setup: CameraSetup, size: tuple[int, int], source: str) -> Calibrated:
    width, height = size
    low, high = _band(setup.elevations_deg, (-90.0, 90.0))
    if setup.elevations_deg is None and not setup.equirect and not math.isclose(width, 2 * height, rel_tol=0.02):
        shape = 'a portrait photo' if height > width else 'a square one' if width == height else 'another shape'
        raise CalibrationError(
            f'{source}: expected a full-sphere panorama, width 2 x height, or a calibration, got {width}x{height}, '
            f'{shape}: --calib FILE for a calibrated lens, --radii INNER OUTER for an annulus, --elevations LOW HIGH '
            'for a panorama that is a band'
        )
    what = 'a full sphere' if (low, high) == (-90, 90) else f'a band of elevations {low:g}..{high:g} deg'
    text = f'the image is equirectangular, {what}, its middle column straight ahead'
    return Calibrated(EquirectCamera(width, height, math.radians(low), math.radians(high)), assumptions=(text,))


def _guessed_annulus(setup: CameraSetup, size: tuple[int, int], source: str) -> Calibrated:
    """A lens whose radius falls linearly with the elevation: a guess, and called so."""
    assert setup.radii is not None
    if len(setup.radii) != 2:
        raise CalibrationError(f'radii: expected INNER and OUTER in pixels, got {tuple(setup.radii)}')
    inner, outer = (float(radius) for radius in setup.radii)
    low, high = _band(setup.elevations_deg, (-27.0, 51.0))
    u, v = (size[0] / 2, size[1] / 2) if setup.centre is None else (float(c) for c in setup.centre)
    if not 0 <= inner < outer or not (0 < u < size[0] and 0 < v < size[1]) or outer > 2 * max(size):
        raise CalibrationError(
            f'{source}: expected an annulus with 0 <= inner < outer and its centre within {size[0]}x{size[1]}, got the '
            f'radii {inner:g}..{outer:g} px around ({u:g}, {v:g})'
        )
    slope = (inner - outer) / math.radians(high - low)
    camera = TaylorCamera(
        (outer - slope * math.radians(low), slope), (u, v), ((1.0, 0.0), (0.0, 1.0)), *size, radius_range=(inner, outer)
    )
    text = (
        f'GUESS: no calibration; radii {inner:g}..{outer:g} px around ({u:g}, {v:g}) are unrolled linearly to '
        f'elevations {high:g}..{low:g} deg (--elevations LOW HIGH says otherwise): shapes may be wrong by any amount'
    )
    return Calibrated(camera, assumptions=(text,), guess=True)


def _band(given: Sequence[float] | None, default: tuple[float, float]) -> tuple[float, float]:
    if given is None:
        return default
    if len(given) != 2 or not -90 <= given[0] < given[1] <= 90:
        raise CalibrationError(f'elevations: expected -90 <= LOW < HIGH <= 90 degrees, got {tuple(given)}')
    return float(given[0]), float(given[1])
