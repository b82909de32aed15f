"""Radial depth of a view: predicted, measured or true; and what of it becomes points."""

from __future__ import annotations

import os.path as osp
import zlib
from typing import Any

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS

from ....core.formats.depth_maps import DepthScale, check_scale, find_depth_map, read_depth_map, read_scale
from ....core.geometry import View
from ....core.geometry.depth_error import degrade_depth
from ....core.geometry.depth_points import depth_points, nearest_ranges, nearest_resample, range_from_cube_depth
from .loading import _refuse_changed_frame, _told

SOURCES = ('predicted', 'points', 'truth')


@TRANSFORMS.register_module()
class LoadDepth(BaseTransform):
    """Radial depth of a view; adds ``depth``: view -> (H, W) float32 metres of the view's own size, 0 = unknown.

    Packed by ``PackOccInputs(keys=('imgs', 'depth', ...))`` it reaches a model as ``depth``: view -> (B, H, W). It
    stands after the transforms that resize or unwrap the view; maps of another size are resampled, each pixel taking
    the value of the one that holds its centre, so they must show the same field of view. Black pixels, which a lens or
    an unwrapped view does not see, have no predicted depth, whatever the network says of them.

    Args:
        source: 'predicted' (P+D) reads the file of the sample below ``folder``, whatever network wrote it;
            'points' (P+L) is the range of the nearest LiDAR point in each pixel, so most pixels are unknown;
            'truth' (P+Dgt) reads the map that the set declares, as simulators have it.
        view: name of the view.
        folder: of the predictions, ``<sample_id>.npy`` or ``.png`` in it (``core/formats/depth_maps.py``); below the
            data root of the set unless it is absolute.
        unit_m: metres that a value of 1 in these files stands for; a network whose depth is right up to a scale has
            it here. By default what ``depth.json`` in the folder states; one of the two must be there.
        kind: 'range', or 'cube' for the depth along the axis of a cube's face; None as ``unit_m``, else 'range'.
        max_range: what is farther is unknown, metres.

    Raises:
        ValueError: a source that is none, a folder missing for predictions or given for another source.
        CorruptSampleError: a file is missing, damaged or no map of depths.
        KeyError: no such view, no points, or a set without true depth.
    """

    def __init__(
        self,
        source: str = 'predicted',
        view: str = 'equi',
        folder: str | None = None,
        unit_m: float | None = None,
        kind: str | None = None,
        max_range: float | None = None,
    ) -> None:
        if source not in SOURCES:
            raise ValueError(f'source: expected one of {SOURCES}, got {source!r}')
        if (source == 'predicted') != (folder is not None):
            raise ValueError(f"folder: expected one with source='predicted' alone, got {folder!r} with {source!r}")
        if folder is None and (unit_m is not None or kind is not None):
            raise ValueError(f"unit_m and kind belong to source='predicted', got {unit_m!r} and {kind!r}")
        if max_range is not None and not max_range > 0:
            raise ValueError(f'max_range: expected metres above 0, got {max_range}')
        self.source, self.view, self.folder, self.max_range = source, view, folder, max_range
        self.scale = None if unit_m is None else DepthScale(unit_m, kind or 'range')
        self.kind = kind

    def transform(self, results: dict) -> dict:
        _refuse_changed_frame(results, self)
        if self.view not in results.get('cameras', {}):
            raise KeyError(
                f'{results.get("sample_id")}: no view {self.view!r} to have depth; there are '
                f'{sorted(results.get("cameras", {}))}'
            )
        view = View.of(results['cameras'][self.view])
        depth = self._from_points(results, view) if self.source == 'points' else self._from_file(results, view)
        if self.max_range is not None:
            depth = np.where(depth <= self.max_range, depth, np.float32(0))
        results.setdefault('depth', {})[self.view] = depth
        return results

    def _from_points(self, results: dict, view: View) -> np.ndarray:
        if 'points' not in results:
            raise KeyError(f"{results['sample_id']}: LoadDepth(source='points') needs LoadLiDARPoints before it")
        return nearest_ranges(torch.from_numpy(results['points']), view).numpy()

    def _from_file(self, results: dict, view: View) -> np.ndarray:
        path, scale = self._file(results)
        depth = _told('depth', str(path), lambda: read_depth_map(path, scale.unit_m))
        if scale.kind == 'cube':
            depth = range_from_cube_depth(depth, view.camera.resized(depth.shape[1], depth.shape[0]))
        depth = nearest_resample(depth, view.camera.height, view.camera.width)
        image = results.get('imgs', {}).get(self.view) if self.source == 'predicted' else None
        return depth if image is None else np.where(image.any(axis=-1), depth, np.float32(0))

    def _file(self, results: dict) -> tuple[Any, DepthScale]:
        """Path and scale of the sample's map."""
        sample = results['sample_id']
        if self.folder is not None:
            folder = osp.join(results.get('data_root', ''), self.folder)
            path = _told('depth', f'{folder}/{sample}', lambda: find_depth_map(folder, sample))
            return path, self._scale_of(folder)
        declared = results.get('depth_files', {})
        if self.view not in declared:
            raise KeyError(
                f'{sample}: the set declares no true depth of the view {self.view!r}, only of {sorted(declared)}: '
                'simulated sets with a depth camera do, once their infos are made by this release'
            )
        path = declared[self.view]['path']
        return path, _told('depth', path, lambda: check_scale(declared[self.view], path))

    def _scale_of(self, folder: str) -> DepthScale:
        """Given, or stated by the folder."""
        if self.scale is None:
            stated = read_scale(folder)
            if stated is None:
                raise ValueError(
                    f'{folder}: expected the scale of its maps as unit_m of LoadDepth or in depth.json there, got '
                    'neither'
                )
            self.scale = DepthScale(stated.unit_m, self.kind or stated.kind)
        return self.scale

    def __repr__(self) -> str:
        return f'LoadDepth(source={self.source!r}, view={self.view!r}, folder={self.folder!r})'


@TRANSFORMS.register_module()
class DegradeDepth(BaseTransform):
    """Make true depth as wrong as predicted depth is (``degrade_depth``); the same error for a frame every time.

    Args:
        view: name of the view whose depth is changed.
        seed: with the sample's id, of the error of its frame.
        settings: of ``degrade_depth``: relative_error, growth, scale_error, patches, thin_px, blur_px.

    Raises:
        KeyError: the view has no depth.
        TypeError: a setting that ``degrade_depth`` does not have.
    """

    def __init__(self, view: str = 'equi', seed: int = 0, **settings: Any) -> None:
        unknown = set(settings) - {'relative_error', 'growth', 'scale_error', 'patches', 'thin_px', 'blur_px'}
        if unknown:
            raise TypeError(f'DegradeDepth: expected settings of degrade_depth, got {sorted(unknown)}')
        self.view, self.seed, self.settings = view, seed, settings

    def transform(self, results: dict) -> dict:
        depth = _depth_of(results, self.view)
        rng = np.random.default_rng([self.seed, zlib.crc32(results['sample_id'].encode())])
        wrap = View.of(results['cameras'][self.view]).camera.periodic
        results['depth'][self.view] = degrade_depth(depth, rng, wrap=wrap, **self.settings)
        return results

    def __repr__(self) -> str:
        return f'DegradeDepth(view={self.view!r}, seed={self.seed}, {self.settings})'


@TRANSFORMS.register_module()
class PointsFromDepth(BaseTransform):
    """What a view's depth shows as ``points`` (N, 4) float32: x, y, z in metres in the EGO frame, intensity 0.

    Pseudo-LiDAR: a method that reads points then reads depth, whatever its source.

    Args:
        view: name of the view.

    Raises:
        KeyError: the view has no depth.
        ValueError: there are points already.
    """

    def __init__(self, view: str = 'equi') -> None:
        self.view = view

    def transform(self, results: dict) -> dict:
        if 'points' in results:
            raise ValueError(f'{results["sample_id"]}: PointsFromDepth would replace the points that were loaded')
        depth = torch.from_numpy(_depth_of(results, self.view))
        points = depth_points(depth, View.of(results['cameras'][self.view]))
        results['points'] = torch.nn.functional.pad(points, (0, 1)).numpy()
        return results

    def __repr__(self) -> str:
        return f'PointsFromDepth(view={self.view!r})'


def _depth_of(results: dict, view: str) -> np.ndarray:
    if view not in results.get('depth', {}):
        raise KeyError(
            f'{results.get("sample_id")}: no depth of the view {view!r}: LoadDepth belongs before; there is depth of '
            f'{sorted(results.get("depth", {}))}'
        )
    return results['depth'][view]
