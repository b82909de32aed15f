"""What an inferencer is given, as frames: a file, an array, a folder, a pattern, a video, a recording."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...core.formats.images import ImageError, read_rgb
from ...core.formats.recording import Recording
from ...core.geometry import View, camera_from_dict
from ..engine.usage_error import UsageError
from .calibrations import CameraSetup, camera_for, pose_for

IMAGES = ('.png', '.jpg', '.jpeg', '.bmp', '.webp')
VIDEOS = ('.mp4', '.avi', '.mov', '.mkv', '.webm', '.m4v')
UNREADABLE = ('.heic', '.heif', '.avif', '.dng', '.insp', '.cr2', '.nef', '.tif', '.tiff')


class InputError(UsageError):
    """Nothing there that could be shown to a model; the message says what was looked for."""


@dataclass(frozen=True)
class Frame:
    """One image, its camera and what was assumed about it.

    Attributes:
        id: names the files that are written; unique within one input.
        image: (H, W, 3) uint8 RGB.
        view: camera and mount in the ego frame.
        time: seconds, where the input has times.
        assumptions: sentences on the calibration.
        guess: whether the geometry is a guess.
        meta: of a recording: `lidars`, `world_from_ego`, `world_from_body` as the data set's frames have them.
    """

    id: str
    image: np.ndarray
    view: View
    time: float = 0.0
    assumptions: tuple[str, ...] = ()
    guess: bool = False
    meta: dict[str, Any] = field(default_factory=dict)


Input = str | Path | np.ndarray | Recording | Sequence[Any]


def frames_of(source: Input, setup: CameraSetup, ego_height_m: float | None, stride: int = 1) -> Iterator[Frame]:
    """Every stride-th frame of an input, one at a time.

    Args:
        source: an image or video file, a folder of images, a pattern with `*`, a folder with recording.json, an array
            (H, W, 3) uint8 RGB, or a sequence of files and arrays.
        setup: of the camera; a recording brings its own.
        ego_height_m: of the ego origin above the ground, as the model was trained.
        stride: 1 for every frame.

    Raises:
        InputError: nothing there, or of a kind that cannot be read.
        CalibrationError: an image and its calibration do not fit.
        ImageError: a damaged file.
    """
    if stride < 1:
        raise InputError(f'stride: expected at least 1, got {stride}')
    if isinstance(source, Recording) or _is_recording(source):
        recording = source if isinstance(source, Recording) else Recording.read(_folder(str(source)))
        yield from _of_recording(recording, setup, ego_height_m, stride)
    elif isinstance(source, (str, Path)) and Path(source).suffix.lower() in VIDEOS:
        yield from _of_video(Path(source), setup, ego_height_m, stride)
    else:
        for index, (name, read) in enumerate(_pictures(source)[::stride]):
            image = read()
            yield _frame(name, image, float(index), setup, ego_height_m, name)


def _frame(
    id_: str, image: np.ndarray, time: float, setup: CameraSetup, ego_height_m: float | None, source: str
) -> Frame:
    """A frame of an image (H, W, 3) uint8 RGB, with the camera and pose that are known or assumed for it."""
    found = camera_for(setup, (image.shape[1], image.shape[0]), source)
    pose, told = pose_for(found, setup, ego_height_m)
    return Frame(id_, image, View(found.camera, pose), time, (*found.assumptions, *told), found.guess)


def _pictures(source: Any) -> list[tuple[str, Callable[[], np.ndarray]]]:
    """Id of every picture of an input, and what reads it as (H, W, 3) uint8 RGB."""
    if isinstance(source, np.ndarray):
        return [('array', lambda: _checked(source))]
    if isinstance(source, (str, Path)):
        files = _files(str(source))
        stems = [file.stem for file in files]
        names = stems if len(set(stems)) == len(stems) else [f'{index:06d}_{stem}' for index, stem in enumerate(stems)]
        return [(name, lambda file=file: _read(file)) for name, file in zip(names, files)]  # type: ignore[misc]
    if isinstance(source, Sequence) and len(source):
        found = [picture for item in source for picture in _pictures(item)]
        return [(f'{index:06d}_{name}', read) for index, (name, read) in enumerate(found)]
    raise InputError(
        f'expected a file, a folder, a pattern, an array or a sequence of them, got {type(source).__name__}'
    )


def _files(text: str) -> list[Path]:
    path = Path(text)
    if path.is_dir():
        found = sorted(
            item for item in path.iterdir() if item.suffix.lower() in IMAGES and not item.name.startswith('.')
        )
        if not found:
            others = sorted({item.suffix.lower() for item in path.iterdir() if item.is_file()})
            raise InputError(
                f'{path}: expected images ({", ".join(IMAGES)}) or recording.json, got {others or "nothing"}'
            )
        return found
    if any(character in text for character in '*?[') and not path.exists():
        found = sorted(Path(item) for item in glob.glob(text))
        if not found:
            raise InputError(f'{text}: expected files that match, got none')
        return found
    if not path.is_file():
        raise InputError(f'{path}: no such file or folder')
    return [path]


def _read(path: Path) -> np.ndarray:
    """(H, W, 3) uint8 RGB of an image file, turned upright as its EXIF orientation says."""
    suffix = path.suffix.lower()
    if suffix in UNREADABLE:
        raise InputError(
            f'{path}: expected PNG, JPEG, BMP or WebP, got {suffix[1:].upper()}: save it as JPEG or PNG first'
        )
    try:
        return read_rgb(path, orientation='apply')
    except ImageError as error:
        if suffix in VIDEOS + IMAGES:
            raise
        raise InputError(
            f'{path}: expected an image ({", ".join(IMAGES)}) or a video, got {suffix}: {error}'
        ) from error


def _checked(image: np.ndarray) -> np.ndarray:
    """The array itself, (H, W, 3) uint8 RGB of 2 x 2 pixels or more; InputError on another one."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or min(image.shape[:2]) < 2:
        raise InputError(f'array: expected (H, W, 3) uint8 RGB, got {image.shape} {image.dtype}')
    return image


def _of_video(path: Path, setup: CameraSetup, ego_height_m: float | None, stride: int) -> Iterator[Frame]:
    import cv2

    if not path.is_file():
        raise InputError(f'{path}: no such video')
    capture = cv2.VideoCapture(str(path))
    try:
        rate = capture.get(cv2.CAP_PROP_FPS) or 30.0
        index = 0
        while capture.grab():
            if index % stride == 0:
                done, image = capture.retrieve()
                if not done or image is None:
                    break
                rgb = np.ascontiguousarray(image[..., ::-1])
                yield _frame(f'{path.stem}_{index:06d}', rgb, index / rate, setup, ego_height_m, str(path))
            index += 1
    finally:
        capture.release()
    if index == 0:
        raise InputError(
            f'{path}: expected a video, got no frame from it: it is damaged, or OpenCV has no codec for it; '
            'save its frames as images and give the folder'
        )


def _is_recording(source: Any) -> bool:
    return isinstance(source, (str, Path)) and (_folder(str(source)) / 'recording.json').is_file()


def _folder(text: str) -> Path:
    path = Path(text)
    return path.parent if path.name == 'recording.json' else path


def _of_recording(recording: Recording, setup: CameraSetup, ego_height_m: float | None, stride: int) -> Iterator[Frame]:
    """A recording's own calibration counts; ego and body are taken as one, as the label maker takes the mount."""
    if not recording.cameras:
        raise InputError(f'{recording.root}: expected a camera in the rig, got none')
    name = setup.camera or next(iter(recording.cameras))
    if name not in recording.cameras:
        raise InputError(f'{recording.root}: camera: expected one of {sorted(recording.cameras)}, got {name!r}')
    entry = dict(recording.cameras[name])
    pose = np.asarray(entry.pop('cam_from_body'), dtype=np.float64)
    view = View(camera_from_dict(entry, recording.root), pose)
    for frame in recording.frames[::stride]:
        if name not in frame.files:
            continue
        lidars = {
            sensor: dict(
                path=str(recording.root / frame.files[sensor]),
                lidar_from_ego=lidar_from_body,
                intensity_max=recording.intensity_max.get(sensor),
            )
            for sensor, lidar_from_body in recording.lidars.items()
            if sensor in frame.files
        }
        meta = dict(lidars=lidars, world_from_ego=frame.world_from_ego, world_from_body=frame.world_from_body)
        yield Frame(frame.id, recording.read_image(frame, name), view, frame.time, meta=meta)
