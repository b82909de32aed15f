"""Panoramic occupancy frames, read from an ``infos_{split}.json``."""

from __future__ import annotations

import json
import os.path as osp
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmdet3d.registry import DATASETS, TRANSFORMS
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

from ...core.formats.infos import grid_key, read_infos
from ...core.geometry import CartesianGrid, OmniCamera, View, camera_from_dict
from .class_colours import default_palette
from .errors import CorruptSampleCount, CorruptSampleError
from .sequence_frames import SequenceFrames
from .synthetic_twins import how_to_get
from .transforms.loading import LoadOccupancy
from .transforms.previous_frames import LoadPreviousFrames
from .views import loads_for_itself, whole_pipeline

_PLAIN_KEYS = ('sample_id', 'sequence', 'frame', 'time', 'lighting', 'weather', 'map')


@DATASETS.register_module()
class PALOccDataset(BaseDataset):
    """Frames of a panoramic annular lens or an equirectangular camera with voxel labels.

    After loading, ``metainfo`` carries plain values only (they travel into checkpoints):
    ``dataset``, ``split``, ``classes``, ``palette``, ``grid`` (dict of ``shape``, ``voxel_size``,
    ``origin``), ``class_counts`` (C + 1 integers, empty first) and ``unknown_share``.

    A corrupt frame raises :class:`CorruptSampleError` at once in test mode: a score on fewer frames
    would compare with no other. In training it is named in the log, counted, and replaced by the
    next usable frame, always the same one; when more than ``max_corrupt_share`` of the set is
    corrupt the run stops, so a mistake in the config still ends it. Corrupt is what a loading
    transform calls so, and whatever else the operating system reports of a file or its memory.

    Args:
        ann_file: the info file, relative to ``data_root``.
        data_root: folder of one set; paths inside the info file are relative to it.
        pipeline: transforms, built from ``mmdet3d.registry.TRANSFORMS``. With ``views`` or ``points`` only what
            follows the loading; one that loads for itself is taken as it stands.
        views: what of the cameras to load, unwrap and resize, by view (``views.loading_steps``).
        points: arguments of LoadLiDARPoints, {} for its defaults; None loads no points.
        body_pose: give every camera the pose that the body really had, where it is known (UseBodyPose).
        depth: radial depth of a view (LoadDepth), made worse or into points (``views.loading_steps``).
        previous: past frames as further views (LoadPreviousFrames), e.g. ``dict(offsets=(-1, -2))``.
        lighting: keep only frames of this lighting, or of these.
        weather: keep only frames of this weather, or of these.
        stride: keep every stride-th frame of each sequence.
        grid: the label grid: ``shape``, ``voxel_size``, ``origin`` that the set must have, or the name of
            one, e.g. '128x128x16', where a set has several; its default one otherwise. ``grid``,
            ``class_counts`` and ``unknown_share`` of the metainfo follow.
        max_corrupt_share: largest tolerated share of corrupt frames while training.
        unobserved: what voxels count as that no ray and no hit reached, 'ignore' or 'empty' (LoadOccupancy, whose
            own argument counts where the pipeline loads for itself); ``unobserved`` of the metainfo says it, and
            ``class_counts`` and ``unknown_share`` follow.

    Raises:
        FileNotFoundError: the info file is missing; the message says how to get the set.
        ValueError: the info file breaks the schema (a pose that is not finite, an empty split,
            ...), has other classes or grids, or no frame passes the filters; views that cannot be loaded.
    """

    def __init__(
        self,
        ann_file: str,
        data_root: str = '',
        pipeline: Sequence = (),
        lighting: str | Sequence[str] | None = None,
        weather: str | Sequence[str] | None = None,
        stride: int = 1,
        grid: str | Mapping | None = None,
        max_corrupt_share: float = 0.01,
        views: Mapping[str, Mapping] | None = None,
        points: Mapping | None = None,
        body_pose: bool = False,
        unobserved: str = 'ignore',
        depth: Mapping | None = None,
        previous: Mapping | None = None,
        **kwargs: Any,
    ) -> None:
        if int(stride) != stride or stride < 1:
            raise ValueError(f'stride: expected a positive integer, got {stride}')
        self.stride = int(stride)
        self.grid = None if grid is None else grid if isinstance(grid, str) else CartesianGrid(**grid)
        self.max_corrupt_share = max_corrupt_share
        self._wanted = {'lighting': _as_set(lighting), 'weather': _as_set(weather)}
        self._cameras: dict[str, OmniCamera] = {}
        self.corrupt: CorruptSampleCount | None = None
        loaded = dict(views=views, points=points, body_pose=body_pose, depth=depth, previous=previous)
        given = [name for name, value in loaded.items() if value]
        if given and loads_for_itself(pipeline):
            print_log(f'{ann_file}: the pipeline loads for itself, {given} are left aside', logger='current')
        pipeline = whole_pipeline(dict(loaded, pipeline=pipeline, grid=grid, unobserved=unobserved))
        # Built here and not by Compose, so that it works whatever the default scope is.
        pipeline = [TRANSFORMS.build(t) if isinstance(t, Mapping) else t for t in pipeline]
        loaders = [step for step in pipeline if isinstance(step, LoadOccupancy)]
        self.unobserved = loaders[0].unobserved if loaders else unobserved
        self._offsets = next((step.offsets for step in pipeline if isinstance(step, LoadPreviousFrames)), ())
        self._sequences: SequenceFrames | None = None
        super().__init__(
            ann_file=ann_file,
            data_root=data_root,
            pipeline=pipeline,
            data_prefix=kwargs.pop('data_prefix', {}),
            **kwargs,
        )

    def full_init(self) -> None:
        """Load, filter and check that something is left."""
        if self._fully_initialized:
            return
        indices = self._indices
        if indices == 0 or (isinstance(indices, Sequence) and not indices):
            raise ValueError(f'{self.ann_file}: indices={indices} leaves no frame')
        super().full_init()
        self.corrupt = CorruptSampleCount(len(self), self.max_corrupt_share)

    def load_data_list(self) -> list[dict]:
        """Read the info file and merge its metainfo into the dataset's."""
        if not osp.isfile(self.ann_file):
            raise FileNotFoundError(how_to_get(self.ann_file, self.data_root))
        content = read_infos(self.ann_file)
        found = dict(content['metainfo'])
        classes = tuple(found.pop('classes'))
        expected = self._metainfo.get('classes')
        if expected is None:
            self._metainfo['classes'] = classes
        elif tuple(expected) != classes:
            raise ValueError(f'{self.ann_file}: expected the classes {tuple(expected)}, got {classes}')
        if self.grid is not None:
            self._choose_grid(self.grid, found)
        self._count_unobserved(found)
        for key, value in found.items():
            self._metainfo.setdefault(key, value)
        self._choose_palette(len(classes))
        return content['data_list']

    def _count_unobserved(self, metainfo: dict) -> None:
        """Say the policy in the metainfo, and let its counts follow: unobserved voxels are empty, or unknown."""
        metainfo['unobserved'] = self.unobserved
        by_grid = metainfo.pop('unobserved_by_grid', None)
        if self.unobserved == 'ignore':
            return
        if by_grid is None:
            raise ValueError(
                f"{self.ann_file}: unobserved='empty' needs 'unobserved_by_grid' in the metainfo, got a set without "
                'it; make its labels anew'
            )
        counts = list(metainfo['class_counts'])
        never_seen = int(by_grid[grid_key(metainfo['grid']['shape'])])
        voxels = sum(counts) / max(1 - metainfo['unknown_share'], 1e-9)
        counts[0] += never_seen
        metainfo.update(class_counts=counts, unknown_share=max(1 - sum(counts) / max(voxels, 1), 0.0))

    def filter_data(self) -> list[dict]:
        """Keep the wanted lighting and weather, and every stride-th frame of each sequence."""
        kept = self.data_list
        if self._offsets:
            self._sequences = SequenceFrames(kept)
        for key, wanted in self._wanted.items():
            if wanted is None:
                continue
            present = sorted({str(info.get(key)) for info in kept})
            kept = [info for info in kept if info.get(key) in wanted]
            if not kept:
                raise ValueError(f'{self.ann_file}: no frame with {key} in {sorted(wanted)}; the file has {present}')
        seen: dict[str, int] = defaultdict(int)
        strided = []
        for info in kept:
            if seen[info['sequence']] % self.stride == 0:
                strided.append(info)
            seen[info['sequence']] += 1
        return strided

    def get_data_info(self, idx: int) -> dict:
        """One frame as the transforms want it.

        Returns: dict of ``sample_id``, ``data_root``, ``cameras`` (name -> :class:`View`),
        ``img_paths`` (view -> path), ``lidars`` (name -> ``lidar_from_ego``, ``path``, ``intensity_max``),
        ``depth_files`` (view -> ``path``, ``unit_m``, ``kind``), ``occupancy_paths`` (grid name -> path),
        ``world_from_ego``, ``world_from_body``, ``grid`` (CartesianGrid), ``classes``, ``num_classes``, and the plain
        keys of the info; where the pipeline loads them, ``previous_frames``, such a dict for each offset.

        Raises:
            CorruptSampleError: a calibration that no camera model accepts.
        """
        info = super().get_data_info(idx)
        results = self._frame(info)
        if self._sequences is not None:
            entries = self._sequences.previous(info['sample_id'], self._offsets)
            results['previous_frames'] = [self._frame(entry) for entry in entries]
        classes = self._metainfo['classes']
        results.update(sample_idx=info['sample_idx'], grid=self._grid(), classes=classes, num_classes=len(classes))
        return results

    def _frame(self, info: Mapping) -> dict[str, Any]:
        """Calibration, poses and absolute paths of one entry of the info file."""
        results: dict[str, Any] = {key: info[key] for key in _PLAIN_KEYS}
        for key in ('world_from_ego', 'world_from_body'):
            results[key] = np.asarray(info[key], dtype=np.float64)
        results['cameras'], results['img_paths'] = {}, {}
        for view, entry in info['cameras'].items():
            calibration = {k: v for k, v in entry.items() if k not in ('image', 'cam_from_ego')}
            results['img_paths'][view] = osp.join(self.data_root, entry['image'])
            where = f'sample {info["sample_id"]}, camera {view}'
            results['cameras'][view] = self._view(calibration, entry['cam_from_ego'], where)
        results['lidars'] = {
            name: {
                'path': osp.join(self.data_root, entry['path']),
                'lidar_from_ego': np.asarray(entry['lidar_from_ego'], dtype=np.float64),
                'intensity_max': entry.get('intensity_max'),
            }
            for name, entry in info['lidars'].items()
        }
        results['data_root'] = self.data_root
        results['depth_files'] = {
            view: dict(entry, path=osp.join(self.data_root, entry['path']))
            for view, entry in info.get('depth', {}).items()
        }
        results['occupancy_paths'] = {grid: osp.join(self.data_root, path) for grid, path in info['occupancy'].items()}
        return results

    def __getitem__(self, idx: int) -> Any:
        """One packed sample; see the class for what happens to corrupt ones."""
        if not self._fully_initialized:
            self.full_init()
        idx = range(len(self))[idx]
        if self.test_mode:
            return self._prepare(idx)
        for step in range(len(self)):
            candidate = (idx + step) % len(self)
            try:
                return self._prepare(candidate)
            except CorruptSampleError as error:
                assert self.corrupt is not None  # made by full_init
                self.corrupt.record(candidate, error)
        raise CorruptSampleError(f'{self.ann_file}: every one of the {len(self)} frames is corrupt')

    def _prepare(self, idx: int) -> Any:
        """One packed sample; CorruptSampleError also for what other people's transforms raise of its files."""
        try:
            return self.prepare_data(idx)
        except (OSError, EOFError, MemoryError) as error:
            sample = super().get_data_info(idx)['sample_id']
            raise CorruptSampleError(
                f'{self.ann_file}, sample {sample}: expected files that can be read, '
                f'got {type(error).__name__}: {error}'
            ) from error

    def _choose_grid(self, grid: CartesianGrid | str, found: dict) -> None:
        grids = found.get('grids', {grid_key(found['grid']['shape']): found['grid']})
        name = grid if isinstance(grid, str) else grid_key(grid.shape)
        if name not in grids:
            raise ValueError(f'{self.ann_file}: no grid {name!r}; it has {sorted(grids)}')
        if isinstance(grid, CartesianGrid):
            expected, got = grid.to_dict(), CartesianGrid(**grids[name]).to_dict()
            if not all(np.allclose(expected[key], got[key], rtol=0, atol=1e-6) for key in expected):
                raise ValueError(f'{self.ann_file}: expected labels on the grid {expected}, but the set has {got}')
        found['grid'] = grids[name]
        for key in ('class_counts', 'unknown_share'):
            found[key] = found.get(f'{key}_by_grid', {name: found[key]})[name]

    def _choose_palette(self, number: int) -> None:
        """Colours for the classes: a list of one's own need not bring them, nor fit the class's of the set."""
        palette = self._metainfo.get('palette')
        if palette is None or (len(palette) != number and palette == self.METAINFO.get('palette')):
            self._metainfo['palette'] = default_palette(number)
        elif len(palette) != number:
            raise ValueError(f'{self.ann_file}: expected {number} colours for its classes, got {len(palette)}')

    def _grid(self) -> CartesianGrid:
        return CartesianGrid.from_dict(self._metainfo['grid'])

    def _view(self, calibration: dict, cam_from_ego: Sequence[Sequence[float]], where: str) -> View:
        camera = self._camera(calibration, where)
        try:
            return View(camera, np.asarray(cam_from_ego, dtype=np.float64))
        except ValueError as error:
            raise CorruptSampleError(f'{self.ann_file}, {where}: {error}') from error

    def _camera(self, entry: dict, where: str) -> OmniCamera:
        # A set has a handful of calibrations and thousands of frames.
        key = json.dumps(entry, sort_keys=True)
        if key not in self._cameras:
            try:
                self._cameras[key] = camera_from_dict(entry, self.data_root)
            except (KeyError, TypeError, ValueError, OSError) as error:
                raise CorruptSampleError(f'{self.ann_file}, {where}: {error}') from error
        return self._cameras[key]


def _as_set(wanted: str | Sequence[str] | None) -> set[str] | None:
    if wanted is None:
        return None
    return {wanted} if isinstance(wanted, str) else set(wanted)
