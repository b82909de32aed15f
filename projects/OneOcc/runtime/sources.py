"""Where frames come from: a folder of images, a recording, a video or camera, a bag. Pixels as they are, RGB."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..core.formats.atomic_files import read_json
from ..core.formats.paths import inside
from .sinks import MissingExtraError

IMAGE_SUFFIXES = ('.png', '.jpg', '.jpeg', '.bmp', '.webp', '.npy')
CHANNELS = {'rgb8': (3, False), 'bgr8': (3, True), 'rgba8': (4, False), 'bgra8': (4, True), 'mono8': (1, False)}


class SourceError(RuntimeError):
    """A source that gives no more frames, in one sentence; a live one may be opened again."""


class FrameError(ValueError):
    """One frame that cannot be used; the next may be."""


@dataclass(frozen=True)
class SourceFrame:
    """The images of one instant: by camera name, or one for the only camera; (H, W, 3) uint8 RGB. Time in seconds."""

    stamp: float
    images: dict[str, np.ndarray] | np.ndarray


@dataclass
class Source:
    """A source that can be opened again.

    Attributes:
        name: as messages call it.
        frames: opens it, and iterates over the frames; entries that are errors stand for frames that are none.
        live: frames come when they come; a live source that dies is opened again.
    """

    name: str
    frames: Callable[[], Iterator[SourceFrame | FrameError]]
    live: bool = False


def open_source(kind: str, path: str, cameras: Sequence[str], rate: float = 10.0, topic: str | None = None) -> Source:
    """A source by its kind, checked as far as that can be done without reading it.

    Args:
        kind: 'folder', 'recording', 'video' or 'bag'.
        path: of the folder, file or bag; of a video also the number of a camera.
        cameras: names that the bundle needs.
        rate: frames a second of a folder, whose files know no time.
        topic: of a bag's images; by default its only one.

    Raises:
        SourceError: nothing there, or nothing usable.
    """
    if kind == 'video' and path.isdigit():
        return Source(f'camera {path}', lambda: video_frames(int(path), live=True), live=True)
    there = Path(path)
    if not there.exists():
        raise SourceError(f'--source {kind}: expected {path}, which is not there')
    if kind == 'folder':
        files = (
            sorted(file for file in there.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES) if there.is_dir() else []
        )
        if not files:
            raise SourceError(f'{path}: expected a folder of images ({", ".join(IMAGE_SUFFIXES)}), got none')
        return Source(path, lambda: folder_frames(files, rate))
    if kind == 'recording':
        return Source(path, lambda: recording_frames(there, cameras))
    if kind == 'bag':
        return Source(path, lambda: bag_frames(there, topic))
    if kind == 'video':
        return Source(path, lambda: video_frames(path, live=False))
    raise SourceError(f"--source: expected 'video', 'folder', 'bag' or 'recording', got {kind!r}")


def read_image(content: bytes, name: str) -> np.ndarray:
    """(H, W, 3) uint8 RGB of an image file's or message's bytes; needs Pillow but for .npy.

    Raises:
        FrameError: it cannot be decoded; the message names it.
    """
    try:
        if name.endswith('.npy'):
            image = np.load(io.BytesIO(content), allow_pickle=False)
        else:
            from PIL import Image

            image = np.array(Image.open(io.BytesIO(content)).convert('RGB'))
    except ImportError as error:
        raise MissingExtraError("image files need Pillow: pip install 'oneocc[robot]'") from error
    except Exception as error:  # decoders raise of everything
        raise FrameError(f'{name}: expected an image, but it cannot be decoded: {error}') from error
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise FrameError(f'{name}: expected uint8 (H, W, 3), got {image.dtype} {image.shape}')
    return image


def folder_frames(files: Sequence[Path], rate: float) -> Iterator[SourceFrame | FrameError]:
    """Images in the order of their names; frame i is of the time i / rate."""
    for index, file in enumerate(files):
        try:
            yield SourceFrame(index / rate, read_image(file.read_bytes(), str(file)))
        except (FrameError, OSError) as error:
            yield FrameError(str(error))


def recording_frames(folder: Path, cameras: Sequence[str]) -> Iterator[SourceFrame | FrameError]:
    """The frames of a recording with their times; instants at which only other sensors spoke are passed over."""
    folder = folder.parent if folder.name == 'recording.json' else folder
    path = folder / 'recording.json'
    try:
        frames = [frame for frame in read_json(path)['frames'] if set(cameras) <= set(frame['files'])]
    except (FileNotFoundError, ValueError, KeyError, TypeError) as error:
        raise SourceError(f'{path}: expected a recording, but it cannot be read: {error}') from error
    if not frames:
        raise SourceError(f'{path}: expected frames with images of {list(cameras)}, got none')
    for frame in frames:
        try:
            where = f'{path}: frame {frame["id"]}'
            images = {}
            for camera in cameras:
                file = inside(folder, frame['files'][camera], where)
                images[camera] = read_image(file.read_bytes(), str(file))
            yield SourceFrame(float(frame['time']), images)
        except (FrameError, OSError, ValueError, KeyError, TypeError) as error:
            yield FrameError(str(error))


def video_frames(source: str | int, live: bool) -> Iterator[SourceFrame | FrameError]:
    """A file's frames with the times that it gives them, or a camera's with those at which they came."""
    try:
        import cv2
    except ImportError as error:
        raise MissingExtraError("videos need OpenCV: pip install 'oneocc[robot]'") from error
    capture = cv2.VideoCapture(source)
    try:
        if not capture.isOpened():
            raise SourceError(f'{source}: expected a video that OpenCV can decode, got none')
        while True:
            there, image = capture.read()
            stamp = capture.get(cv2.CAP_PROP_POS_MSEC) / 1e3  # of the frame that was read
            if not there:
                if live:
                    raise SourceError(f'camera {source}: it gives no more frames')
                return
            yield SourceFrame(time.time() if live else stamp, np.ascontiguousarray(image[..., ::-1]))
    finally:
        capture.release()


def bag_frames(path: Path, topic: str | None) -> Iterator[SourceFrame | FrameError]:
    """Images of a ROS 1 or ROS 2 bag with the times of their headers."""
    try:
        from rosbags.highlevel import AnyReader
        from rosbags.typesys import Stores, get_typestore
    except ImportError as error:
        raise MissingExtraError("bags need the package rosbags: pip install 'oneocc[robot]'") from error
    try:
        with AnyReader([path], default_typestore=get_typestore(Stores.ROS2_HUMBLE)) as reader:
            found = [c for c in reader.connections if c.msgtype.split('/')[-1] in ('Image', 'CompressedImage')]
            chosen = [c for c in found if topic in (None, c.topic)]
            if len({connection.topic for connection in chosen}) != 1:
                raise SourceError(
                    f'{path}: expected {"one topic" if topic is None else topic} of images, got '
                    f'{sorted(c.topic for c in found)}; --topic names one'
                )
            for connection, _, raw in reader.messages(connections=chosen):
                yield _bag_frame(reader.deserialize(raw, connection.msgtype), connection.topic)
    except SourceError:
        raise
    except Exception as error:  # readers of other people's files raise of everything
        raise SourceError(f'{path}: expected a bag, but it cannot be read: {error}') from error


def _bag_frame(message: Any, topic: str) -> SourceFrame | FrameError:
    time_of = message.header.stamp
    stamp = time_of.sec + time_of.nanosec * 1e-9
    try:
        if hasattr(message, 'format'):
            return SourceFrame(stamp, read_image(message.data.tobytes(), topic))
        return SourceFrame(stamp, raw_image(message, topic))
    except FrameError as error:
        return error


def raw_image(message: Any, topic: str) -> np.ndarray:
    """sensor_msgs/Image -> (H, W, 3) uint8 RGB."""
    if message.encoding not in CHANNELS:
        raise FrameError(f'{topic}: expected an encoding of {sorted(CHANNELS)}, got {message.encoding!r}')
    channels, reverse = CHANNELS[message.encoding]
    data = np.asarray(message.data, np.uint8)
    if message.step < message.width * channels or data.size < message.step * message.height:
        raise FrameError(f'{topic}: expected {message.step * message.height} bytes of an image, got {data.size}')
    rows = data[: message.step * message.height].reshape(message.height, message.step)
    image = rows[:, : message.width * channels].reshape(message.height, message.width, channels)
    image = np.repeat(image, 3, axis=2) if channels == 1 else image[..., :3]
    return np.ascontiguousarray(image[..., ::-1] if reverse else image)
