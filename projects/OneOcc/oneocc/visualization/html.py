"""One self-contained HTML file: voxels to turn and look into, the panorama they were seen in, a ride over time."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ...core.formats.atomic_files import write_text
from ...core.formats.labels import UNKNOWN
from ...core.geometry import CartesianGrid, EquirectCamera, View
from .palette import ERROR_CLASSES, ERROR_PALETTE, Labels, as_labels, colour_table, error_labels

_FOLDER = Path(__file__).parent
_SCRIPTS = ('page_scene.js', 'page_view.js', 'page_panorama.js', 'page_controls.js')
_JPEG_QUALITY = 82
TRUTH_CAPTION, SIGHT_CAPTION = 'only where truth is known', 'only what the camera can know'


@dataclass(frozen=True)
class Panorama:
    """A level equirectangular picture, straight ahead in its middle.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        view: an `EquirectCamera` of its size; its `cam_from_ego` is a translation.
    """

    image: np.ndarray
    view: View

    def __post_init__(self) -> None:
        if not isinstance(self.view.camera, EquirectCamera):
            raise ValueError(f'panorama: expected an equirectangular view, got {type(self.view.camera).__name__}')
        if not np.allclose(self.view.cam_from_ego[:3, :3], np.eye(3), atol=1e-6):
            raise ValueError('panorama: expected a level view that looks ahead, got a turned one')
        self.view.check_image_size(self.image.shape[:2], 'panorama')


def panorama_of(images: Mapping[str, np.ndarray], cameras: Mapping[str, View | Mapping]) -> Panorama | None:
    """The first of a sample's images (H, W, 3) that is a level panorama; None where none is."""
    for name, image in images.items():
        view = View.of(cameras[name])
        level = np.allclose(view.cam_from_ego[:3, :3], np.eye(3), atol=1e-6)
        if isinstance(view.camera, EquirectCamera) and level:
            return Panorama(image, view)
    return None


@dataclass(frozen=True)
class PageFrame:
    """One moment of a page.

    Attributes:
        volumes: name -> labels (X, Y, Z) uint8.
        name, time: of the frame; seconds.
        panorama: what was seen.
        probability: (X, Y, Z) 0..1 of the volume 'prediction'.
        known: (X, Y, Z) bool, voxels that the page's switch keeps; where the ground truth is known by default.
    """

    volumes: Mapping[str, Labels]
    name: str = ''
    time: float = 0.0
    panorama: Panorama | None = None
    probability: np.ndarray | None = None
    known: np.ndarray | None = None


def write_html(
    path: str | Path,
    labels: Labels | Mapping[str, Labels],
    grid: CartesianGrid,
    palette: Sequence[Sequence[int]],
    classes: Sequence[str],
    title: str = 'OneOcc',
    unknown: str = 'hide',
    panorama: Panorama | None = None,
    probability: np.ndarray | None = None,
    known: np.ndarray | None = None,
) -> Path:
    """Write a page that any browser shows without a network.

    Args:
        path: of the page; its folder is made.
        labels: one volume (X, Y, Z) uint8, or name -> volume. Where both 'ground truth' and
            'prediction' are given their error is a third volume to choose.
        grid, palette, classes: of the labels; ``palette`` and ``classes`` do not hold empty.
        title: heading of the page.
        unknown: ``'show'`` draws unknown voxels from the start; they can be switched on anyway.
        panorama, probability, known: see `PageFrame`.

    Returns:
        The path.
    """
    named = labels if isinstance(labels, Mapping) else {'labels': labels}
    frame = PageFrame(named, panorama=panorama, probability=probability, known=known)
    return write_ride_html(path, [frame], grid, palette, classes, title, unknown)


def write_ride_html(
    path: str | Path,
    frames: Sequence[PageFrame],
    grid: CartesianGrid,
    palette: Sequence[Sequence[int]],
    classes: Sequence[str],
    title: str = 'OneOcc',
    unknown: str = 'hide',
) -> Path:
    """Write a page with a time slider over several frames, all with the same volumes.

    Args:
        path, grid, palette, classes, title, unknown: see `write_html`.
        frames: at least one.

    Raises:
        ValueError: no frame, frames with other volumes than the first, or shapes that are not the grid's.
    """
    if not frames:
        raise ValueError('frames: expected at least one, got none')
    colour_table(palette)
    if len(palette) != len(classes):
        raise ValueError(f'expected as many colours as classes, got {len(palette)} for {len(classes)}')
    packed = [_packed(frame, grid) for frame in frames]
    names = list(packed[0]['volumes'])
    for frame, entry in zip(frames, packed):
        if list(entry['volumes']) != names:
            raise ValueError(f'frame {frame.name!r}: expected the volumes {names}, got {list(entry["volumes"])}')
        entry['volumes'] = list(entry['volumes'].values())
    first, *others = packed
    for name, volume in zip(names, first['volumes']):
        told = (ERROR_CLASSES, ERROR_PALETTE) if name == 'error' else (classes, palette)
        volume.update(name=name, classes=list(told[0]), palette=[[int(c) for c in colour] for colour in told[1]])
    data = dict(title=title, **grid.to_dict(), show_unknown=unknown == 'show', **first)
    data['known_caption'] = TRUTH_CAPTION if 'ground truth' in names else SIGHT_CAPTION
    if others:
        data['frames'] = others
    # A class named "</script>" must not end the block that holds it.
    text = json.dumps(data).replace('<', '\\u003c')
    path = Path(path)
    write_text(path, _template().replace('__DATA__', text))
    return path


def _template() -> str:
    page = (_FOLDER / 'page.html').read_text(encoding='utf-8')
    script = '\n'.join((_FOLDER / name).read_text(encoding='utf-8') for name in _SCRIPTS)
    style = (_FOLDER / 'page.css').read_text(encoding='utf-8')
    return page.replace('__STYLE__', style).replace('__SCRIPT__', script)


def _packed(frame: PageFrame, grid: CartesianGrid) -> dict[str, Any]:
    """Plain values of a frame: name, time, run lengths of its volumes by name, the panorama."""
    volumes = {name: as_labels(name, volume) for name, volume in frame.volumes.items()}
    truth = volumes.get('ground truth')
    if truth is not None and 'prediction' in volumes:
        volumes['error'] = error_labels(volumes['prediction'], truth)
    known = frame.known if frame.known is not None or truth is None else truth != UNKNOWN
    entry: dict[str, Any] = dict(name=frame.name, time=float(frame.time))
    entry['volumes'] = {name: _runs(name, volume, grid) for name, volume in volumes.items()}
    if known is not None:
        entry['known'] = _runs('known', np.asarray(known).astype(np.uint8), grid)
    if frame.probability is not None and 'prediction' in volumes:
        scaled = np.rint(np.clip(frame.probability, 0, 1) * 255).astype(np.uint8)
        # in 16 steps, and of matter alone: that is what runs are made of
        entry['probability'] = _runs('probability', np.where(volumes['prediction'] > 0, scaled // 16 * 17, 0), grid)
    if frame.panorama is not None:
        entry['panorama'] = _picture(frame.panorama)
    return entry


def _runs(name: str, volume: np.ndarray, grid: CartesianGrid) -> dict[str, str]:
    """A volume (X, Y, Z) uint8 as run lengths: mostly air, it shrinks to a few percent."""
    if volume.shape != tuple(grid.shape):
        raise ValueError(f'{name} is {volume.shape}, but the grid is {grid.shape}')
    flat = np.ascontiguousarray(volume, dtype=np.uint8).reshape(-1)
    starts = np.concatenate(([0], np.flatnonzero(np.diff(flat)) + 1))
    counts = np.diff(np.append(starts, flat.size)).astype('<u4')
    return dict(values=_base64(flat[starts].tobytes()), counts=_base64(counts.tobytes()))


def _picture(panorama: Panorama) -> dict[str, Any]:
    buffer = io.BytesIO()
    Image.fromarray(panorama.image).save(buffer, 'JPEG', quality=_JPEG_QUALITY)
    camera, pose = panorama.view.camera, panorama.view.cam_from_ego
    low, high = camera.elevation_range
    return dict(
        jpeg=_base64(buffer.getvalue()),
        width=camera.width,
        height=camera.height,
        elevation_min=low,
        elevation_max=high,
        eye=(-pose[:3, :3].T @ pose[:3, 3]).tolist(),
    )


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode('ascii')
