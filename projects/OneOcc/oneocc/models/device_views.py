"""The model's views made on its device from what the camera recorded, instead of in the loading pipeline."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from functools import partial

import torch
from mmengine.structures import BaseDataElement
from torch import Tensor

from ...core.geometry import EquirectCamera, View, unwrapped_view
from ...core.geometry.calibration_cache import CalibrationCache
from ...core.ops.recorded_views import (
    ResizeTable,
    UnwrapTable,
    resize_recorded,
    resize_table,
    unwrap_recorded,
    unwrap_table,
)
from ..structures import sample_view

_KEYS = ('height', 'width', 'elevation_min_deg', 'elevation_max_deg', 'unwrap_from', 'keep')


class DeviceViews:
    """Recorded uint8 images -> the views of a model, as the pipeline of a set with these `views` would make them.

    Args:
        views: as a data set's `views`: {name: dict(height, width, unwrap_from, elevation_min_deg, elevation_max_deg,
            keep)}; a view without `unwrap_from` is recorded and resized to height x width where they are given.

    Raises:
        ValueError: a setting that no view has, or a view that is unwrapped from none that is recorded.
    """

    def __init__(self, views: Mapping[str, Mapping]) -> None:
        self.views = {name: dict(view) for name, view in views.items() if view is not None}
        for name, view in self.views.items():
            unknown = sorted(set(view) - set(_KEYS))
            if unknown:
                raise ValueError(f'view {name!r}: expected settings among {_KEYS}, got {unknown}')
            source = view.get('unwrap_from')
            if source is not None and (source not in self.views or 'unwrap_from' in self.views[source]):
                raise ValueError(f'view {name!r}: expected unwrap_from to be a recorded view, got {source!r}')
            if source is not None and not {'height', 'width'} <= set(view):
                raise ValueError(f'view {name!r}: unwrapping needs height and width, got {view}')
        self._tables: CalibrationCache[UnwrapTable | ResizeTable] = CalibrationCache(8)
        self._unwrapped: CalibrationCache[View] = CalibrationCache(8)

    @property
    def recorded(self) -> tuple[str, ...]:
        """Names of the views that come in."""
        return tuple(name for name, view in self.views.items() if 'unwrap_from' not in view)

    def cameras(self, recorded: Mapping[str, View]) -> dict[str, View]:
        """The calibration of every view that comes out, from that of the recorded ones."""
        found = {}
        for name, view in self.views.items():
            if 'unwrap_from' in view:
                source, equi = View.of(recorded[view['unwrap_from']]), self._equirect(view)
                found[name] = self._unwrapped.get((source.key, repr(equi)), partial(unwrapped_view, equi, source))
            elif view.get('keep', True):
                own = View.of(recorded[name])
                found[name] = own.resized(view['width'], view['height']) if 'height' in view else own
        return found

    def tables(self, recorded: Mapping[str, View], device: torch.device) -> dict[str, UnwrapTable | ResizeTable]:
        """{view that is unwrapped or resized: its table} for one calibration; remembered."""
        return {
            name: self._table(view, View.of(recorded[view.get('unwrap_from', name)]), device)
            for name, view in self.views.items()
            if 'unwrap_from' in view or ('height' in view and view.get('keep', True))
        }

    def _equirect(self, view: Mapping) -> EquirectCamera:
        low, high = view.get('elevation_min_deg', -90.0), view.get('elevation_max_deg', 90.0)
        return EquirectCamera(view['width'], view['height'], math.radians(low), math.radians(high))

    def _table(self, view: Mapping, raw: View, device: torch.device) -> UnwrapTable | ResizeTable:
        if 'unwrap_from' not in view:
            size, new = (raw.camera.height, raw.camera.width), (view['height'], view['width'])
            wrap = raw.camera.periodic
            return self._tables.get((size, new, wrap, str(device)), lambda: resize_table(size, *new, wrap).to(device))
        rotation = raw.cam_from_ego[:3, :3]
        equi = self._equirect(view)
        key = json.dumps(
            [raw.camera.to_dict(), equi.to_dict(), rotation.round(12).tolist(), str(device)], sort_keys=True
        )
        return self._tables.get(key, lambda: unwrap_table(equi, raw.camera, rotation).to(device))

    def make(self, images: Mapping[str, Tensor], tables: Mapping[str, UnwrapTable | ResizeTable]) -> dict[str, Tensor]:
        """Recorded images of one calibration, {view: (B, 3, H, W) uint8} -> {view: (B, 3, H', W') float32}, 0..255."""
        made = {}
        for name, view in self.views.items():
            table, image = tables.get(name), images[view.get('unwrap_from', name)]
            if isinstance(table, UnwrapTable):
                made[name] = unwrap_recorded(image, table)
            elif isinstance(table, ResizeTable):
                made[name] = resize_recorded(image, table)
            elif view.get('keep', True):
                made[name] = image.float()
        return made

    def __call__(
        self, images: Mapping[str, Sequence[Tensor]], samples: Sequence[BaseDataElement]
    ) -> dict[str, list[Tensor]]:
        """Make the views of a batch, each sample with its own calibration, which its metainfo then holds.

        Args:
            images: {recorded view: B images (3, H, W) uint8}.
            samples: B samples with the `cameras` of the recorded views.

        Returns:
            {view: B images (3, H', W') float32, grey levels 0..255}.

        Raises:
            ValueError: a recorded view is missing, or an image has another size than its calibration.
        """
        missing = [name for name in self.recorded if name not in images]
        if missing:
            raise ValueError(f'views are made from {list(self.recorded)}, got no {missing} (only {sorted(images)})')
        made: dict[str, list[Tensor]] = {}
        for b, sample in enumerate(samples):
            recorded = {name: sample_view(sample, name) for name in self.recorded}
            own = {}
            for name, view in recorded.items():
                own[name] = images[name][b][None]
                view.check_image_size(own[name].shape[-2:], f'sample {sample.get("sample_id")!r}, view {name!r}')
            tables = self.tables(recorded, own[self.recorded[0]].device)
            for name, image in self.make(own, tables).items():
                made.setdefault(name, []).append(image[0])
            sample.set_metainfo(dict(cameras={**sample.cameras, **self.cameras(recorded)}))
        return made
