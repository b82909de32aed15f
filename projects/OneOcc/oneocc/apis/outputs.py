"""Results on disk: pictures, a page, label volumes, point files, and an index over all of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...core.formats.atomic_files import write_json, write_npz
from ...core.formats.paths import flat_name, inside
from ...core.formats.voxel_points import VoxelPoints, voxel_points, write_pcd, write_ply, write_semantickitti
from ..engine.usage_error import UsageError
from ..visualization.html import PageFrame, Panorama, write_html, write_ride_html
from ..visualization.index_page import write_index
from ..visualization.sheet import comparison_sheet, write_picture
from ..visualization.video import KINDS, RideVideo
from .result import OccupancyResult
from .result_bag import ResultBag

FORMATS = ('sheet', 'html', 'npz', 'ply', 'pcd', 'label', 'mcap')
RIDE = 'ride.json'
_MOST_ON_A_PAGE = 200


class ResultWriter:
    """Writes results one after the other into a folder, and at the end what spans all of them.

    Args:
        folder: made if needed.
        formats: of `FORMATS`.
        model: name of the model, for the index.
        video: 'mp4' or 'gif' for a film of the frames.
        fps: frames a second of the film.

    Raises:
        UsageError: a format that is not known, or whose writer is not installed, or a file where the folder should be;
            nothing is written then.
    """

    def __init__(
        self,
        folder: str | Path,
        formats: Sequence[str] = FORMATS[:3],
        model: str = '',
        video: str | None = None,
        fps: float = 4.0,
    ) -> None:
        unknown = sorted(set(formats) - set(FORMATS))
        if unknown:
            raise UsageError(f'formats: expected some of {FORMATS}, got {unknown}')
        there = next(path for path in (Path(folder), *Path(folder).absolute().parents) if path.exists())
        if not there.is_dir():
            raise UsageError(f'{there}: expected a folder to write into, got a file')
        self.folder, self.formats, self.model = Path(folder), tuple(formats), model
        self._bag = ResultBag(self.folder / 'bag') if 'mcap' in formats else None
        self._listed = 0.0
        if video is not None and f'.{video}' not in KINDS:
            raise UsageError(f'video: expected one of {[kind[1:] for kind in KINDS]}, got {video!r}')
        self._film, self._fps = video, fps
        self._video: RideVideo | None = None
        self._entries: list[dict[str, Any]] = []
        self._frames: list[PageFrame] = []
        self._last: OccupancyResult | None = None

    def add(self, result: OccupancyResult) -> list[Path]:
        """Write one result; the files."""
        stem = inside(self.folder, flat_name(result.id), 'frame id')
        entry = result.summary()
        if lidars := result.meta.get('lidars'):
            entry['lidars'] = lidars
        written = []
        for name, suffix, write in (
            ('sheet', '.png', write_sheet),
            ('npz', '.npz', write_result_npz),
            ('ply', '.ply', lambda path, found: write_ply(path, points_of(found))),
            ('pcd', '.pcd', lambda path, found: write_pcd(path, points_of(found))),
            ('label', '.label', lambda path, found: write_semantickitti(path, found.labels, found.unknown)),
        ):
            if name in self.formats:
                path = stem.with_name(stem.name + suffix)
                write(path, result)
                entry[name] = path.name
                written.append(path)
        frame = page_frame(result)
        if 'html' in self.formats or 'npz' in self.formats:
            self._add_page(stem, result, frame, entry, written)
        if self._bag is not None:
            self._bag.add(result)
        if self._film is not None:
            if self._video is None:
                path = self.folder / f'ride.{self._film}'
                self._video = RideVideo(path, result.grid, result.palette, result.classes, self._fps)
            self._video.add(frame)
        self._entries.append(entry)
        self._last = result
        if time.monotonic() - self._listed > 1:
            self._write_list()
            self._listed = time.monotonic()
        return written

    def _add_page(
        self, stem: Path, result: OccupancyResult, frame: PageFrame, entry: dict[str, Any], written: list[Path]
    ) -> None:
        if 'npz' in self.formats and frame.panorama is not None:
            entry['panorama'] = write_picture(stem.with_name(f'{stem.name}_panorama.jpg'), frame.panorama.image).name
            entry['panorama_view'] = dict(
                frame.panorama.view.camera.to_dict(), cam_from_ego=frame.panorama.view.cam_from_ego.tolist()
            )
        if 'html' in self.formats:
            path = stem.with_name(f'{stem.name}.html')
            write_html(
                path, frame.volumes, result.grid, result.palette, result.classes, _title(result), **_extra(frame)
            )
            entry['html'] = path.name
            written.append(path)
            if len(self._frames) < _MOST_ON_A_PAGE:
                self._frames.append(frame)

    def close(self) -> list[Path]:
        """Write ride.json, and for several frames index.html and a page with a time slider; the files."""
        if self._last is None:
            return []
        self._write_list()
        last, written = self._last, [self.folder / RIDE]
        if len(self._frames) > 1:
            page = self.folder / 'ride.html'
            title = f'{self.model}   {self.folder.name}'
            write_ride_html(page, self._frames, last.grid, last.palette, last.classes, title)
            written.append(page)
        if len(self._entries) > 1 and {'sheet', 'html'} & set(self.formats):
            written.append(write_index(self.folder / 'index.html', self._entries, f'{self.model}   {self.folder.name}'))
        for extra in (self._video, self._bag):
            if extra is not None:
                written.append(extra.close())
        return written

    def _write_list(self) -> None:
        """ride.json, which a viewer may be watching."""
        assert self._last is not None
        last = self._last
        write_json(
            self.folder / RIDE,
            dict(
                format='oneocc-results',
                version=1,
                model=self.model,
                classes=list(last.classes),
                palette=[list(colour) for colour in last.palette],
                grid=last.grid.to_dict(),
                frames=self._entries,
            ),
            indent=1,
        )


def write_sheet(path: Path, result: OccupancyResult) -> None:
    """The picture: panorama, the prediction over it, from above and in perspective, with what was assumed."""
    panorama, view = result.panorama()
    images = {'panorama': panorama}
    cameras: dict[str, Any] = {'panorama': view}
    for name, (image, shown) in result.inputs.items():
        images[f'{name} (as the model saw it)'], cameras[f'{name} (as the model saw it)'] = image, shown
    sheet = comparison_sheet(
        images, cameras, None, result.labels, result.grid, result.palette, result.classes, _title(result)
    )
    write_picture(path, sheet)


def write_result_npz(path: Path, result: OccupancyResult) -> None:
    """The prediction in the format of label files, `probability` float16 and `unknown` bool (X, Y, Z) beside it."""
    write_npz(
        path,
        labels=result.labels,
        origin_m=np.asarray(result.grid.origin, np.float64),
        voxel_size_m=np.asarray(result.grid.voxel_size, np.float64),
        classes=np.asarray(list(result.classes), dtype=np.str_),
        probability=result.probability.astype(np.float16),
        unknown=result.unknown,
    )


def points_of(result: OccupancyResult) -> VoxelPoints:
    """The occupied voxels of a result as points."""
    return voxel_points(result.labels, result.grid, result.palette, result.probability)


def page_frame(result: OccupancyResult) -> PageFrame:
    """A result for a page: the prediction, and what of it is known."""
    image, view = result.panorama(1024)
    return PageFrame(
        {'prediction': result.labels},
        result.id,
        result.time,
        Panorama(image, view),
        result.probability,
        ~result.unknown,
    )


def _title(result: OccupancyResult) -> str:
    return f'{result.id}   {result.model}' + ('   GUESSED geometry' if result.guess else '')


def _extra(frame: PageFrame) -> dict[str, Any]:
    return dict(panorama=frame.panorama, probability=frame.probability, known=frame.known)
