"""A film of a ride: the panorama above, occupancy below, as MP4 (OpenCV) or GIF (Pillow)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from ...core.formats.atomic_files import write_atomically
from ...core.geometry import CartesianGrid
from .html import PageFrame
from .overlay import overlay_labels
from .palette import PAPER, as_labels
from .perspective import render_perspective
from .sheet import _fit, legend
from .topdown import render_topdown

WIDTH = 1024
KINDS = ('.mp4', '.gif')


class VideoError(ValueError):
    """A film that cannot be written here; the message says what else can."""


class RideVideo:
    """Collects frames of one size and writes the film when it is closed; until then nothing lies under its name.

    Args:
        path: `.mp4` or `.gif`.
        grid, palette, classes: of the labels.
        fps: frames a second.

    Raises:
        VideoError: another suffix, or OpenCV has no encoder for MP4.
    """

    def __init__(
        self,
        path: str | Path,
        grid: CartesianGrid,
        palette: Sequence[Sequence[int]],
        classes: Sequence[str],
        fps: float = 4.0,
    ) -> None:
        self.path = Path(path)
        if self.path.suffix not in KINDS:
            raise VideoError(f'{self.path}: expected a film ending in {" or ".join(KINDS)}, got {self.path.suffix!r}')
        if not 0 < fps <= 120:
            raise VideoError(f'fps: expected a number above 0 and up to 120, got {fps}')
        self.grid, self.palette, self.classes, self.fps = grid, palette, classes, fps
        self._size: tuple[int, int] | None = None
        self._writer: Any = None
        self._pictures: list[Image.Image] = []

    @property
    def _temporary(self) -> Path:
        return self.path.with_name(f'.{self.path.stem}.{os.getpid()}.tmp{self.path.suffix}')

    def add(self, frame: PageFrame) -> None:
        """Draw one moment behind the others."""
        picture = ride_picture(frame, self.grid, self.palette, self.classes)
        if self._size is None:
            self._size = (picture.shape[1], picture.shape[0])
        elif (picture.shape[1], picture.shape[0]) != self._size:
            picture = _fit(picture, *self._size)
        if self.path.suffix == '.gif':
            self._pictures.append(
                Image.fromarray(picture).resize((self._size[0] // 2, self._size[1] // 2)).quantize(128)
            )
            return
        if self._writer is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = cv2.VideoWriter(str(self._temporary), cv2.VideoWriter.fourcc(*'mp4v'), self.fps, self._size)
            if not self._writer.isOpened():
                self._temporary.unlink(missing_ok=True)
                raise VideoError(f'{self.path}: OpenCV has no encoder for MP4 here: write a GIF instead')
        self._writer.write(np.ascontiguousarray(picture[..., ::-1]))

    def close(self) -> Path:
        """Write the film; VideoError where no frame was added."""
        if self._size is None:
            raise VideoError(f'{self.path}: expected frames, got none')
        if self.path.suffix == '.gif':
            first, *others = self._pictures
            duration = round(1000 / self.fps)
            write_atomically(
                self.path,
                lambda file: first.save(file, 'GIF', save_all=True, append_images=others, duration=duration, loop=0),
            )
        else:
            self._writer.release()
            os.replace(self._temporary, self.path)
        return self.path


def ride_picture(
    frame: PageFrame, grid: CartesianGrid, palette: Sequence[Sequence[int]], classes: Sequence[str]
) -> np.ndarray:
    """One moment: the panorama with the prediction over it, below it the prediction in perspective and from above.

    Where the frame has a ground truth it stands beside the prediction, from above.

    Returns:
        (H, 1024, 3) uint8 RGB, H even.
    """
    labels = as_labels('prediction', frame.volumes.get('prediction', next(iter(frame.volumes.values()))))
    strips = []
    if frame.panorama is not None:
        view = frame.panorama.view
        for picture in (
            frame.panorama.image,
            overlay_labels(frame.panorama.image, labels, grid, palette, view.camera, view.cam_from_ego),
        ):
            height = round(WIDTH * picture.shape[0] / picture.shape[1])
            strips.append(cv2.resize(picture, (WIDTH, height), interpolation=cv2.INTER_AREA))
    side = 400
    below = [render_perspective(labels, grid, palette, width=WIDTH - side, height=side)]
    below.append(_fit(render_topdown(labels, palette, side, 'hide', grid), side))
    strips += [np.concatenate(below, axis=1), legend(classes, palette, WIDTH)]
    picture = np.concatenate(strips)
    if picture.shape[0] % 2:
        picture = np.concatenate((picture, np.full((1, WIDTH, 3), PAPER, np.uint8)))
    return picture
