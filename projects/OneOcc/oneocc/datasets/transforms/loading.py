"""Images, voxel labels and LiDAR points from disk, each checked against what the info promises."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Mapping, Sequence

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS

from ....core.formats.images import check_options
from ....core.geometry import CartesianGrid, View
from ..errors import CorruptSampleError, one_bad_file
from .read_image import read_image

__all__ = ['LoadLiDARPoints', 'LoadOccupancy', 'LoadPanorama', 'read_image', 'read_occupancy', 'read_sweep']

UNKNOWN = 255
_UNREADABLE = (OSError, ValueError, EOFError, SyntaxError, zipfile.BadZipFile, zlib.error)


@TRANSFORMS.register_module()
class LoadPanorama(BaseTransform):
    """Read the images of the views; adds ``imgs``: view -> (H, W, 3) uint8 RGB.

    Args:
        views: which cameras to read, all of the frame by default; the calibration of the
            others is dropped.
        bit_depth: bits that the camera uses in files of more than 8 bits a channel, e.g. 12; by
            default what the file states, and a file that does not is refused.
        orientation: what an EXIF orientation other than 1 means: 'refuse', 'apply' (the
            calibration was made on turned pixels) or 'ignore' (on the pixels as stored).

    Raises:
        CorruptSampleError: an image is missing, damaged, not one opaque RGB picture, or its size
            is not the one that its calibration was made for.
        KeyError: a view that the frame does not have.
    """

    def __init__(
        self, views: Sequence[str] | None = None, bit_depth: int | None = None, orientation: str = 'refuse'
    ) -> None:
        self.views = None if views is None else tuple(views)
        check_options(bit_depth, orientation)
        self.bit_depth, self.orientation = bit_depth, orientation

    def transform(self, results: dict) -> dict:
        _refuse_changed_frame(results, self)
        views = tuple(results['cameras']) if self.views is None else self.views
        missing = [view for view in views if view not in results['cameras']]
        if missing:
            raise KeyError(f'{results["sample_id"]}: no camera {missing}; it has {sorted(results["cameras"])}')
        results['cameras'] = {view: results['cameras'][view] for view in views}
        results['imgs'] = {}
        for view in views:
            path, camera = results['img_paths'][view], View.of(results['cameras'][view]).camera
            size = (camera.width, camera.height)
            image = read_image(path, size, self.bit_depth, self.orientation)
            results['imgs'][view] = image
        return results

    def __repr__(self) -> str:
        return f'LoadPanorama(views={self.views}, bit_depth={self.bit_depth}, orientation={self.orientation!r})'


@TRANSFORMS.register_module()
class LoadOccupancy(BaseTransform):
    """Read the voxel labels; adds ``gt_occ`` (X, Y, Z) uint8 and sets ``grid``.

    Args:
        grid: the expected ``shape``, ``voxel_size`` and ``origin``; by default the grid that the
            set declares. Give it to choose among several resolutions, or to be sure.

    Raises:
        CorruptSampleError: the file is missing, truncated, of another grid or other classes, or
            holds labels out of range; the message names the file and both values.
        KeyError: the frame has no labels of this shape.
    """

    def __init__(self, grid: Mapping | None = None) -> None:
        self.grid = None if grid is None else CartesianGrid(**grid)

    def transform(self, results: dict) -> dict:
        _refuse_changed_frame(results, self)
        grid = results['grid'] if self.grid is None else self.grid
        name = 'x'.join(str(size) for size in grid.shape)
        if name not in results['occupancy_paths']:
            raise KeyError(
                f'{results["sample_id"]}: no labels for the grid {name}; it has {sorted(results["occupancy_paths"])}'
            )
        path = results['occupancy_paths'][name]
        results['gt_occ'] = read_occupancy(path, grid, results['classes'])
        results['grid'] = grid
        return results

    def __repr__(self) -> str:
        return f'LoadOccupancy(grid={self.grid})'


@TRANSFORMS.register_module()
class LoadLiDARPoints(BaseTransform):
    """Read one sweep; adds ``points`` (N, 4) float32: x, y, z in metres in the EGO frame, intensity.

    Args:
        lidar: which sensor, by its name in the info.
        with_labels: also add ``point_labels`` (N,) uint8, 255 where a point has none.
        keep_labels: keep only points of these labels.
        drop_labels: remove points of these labels.
        with_dynamic: also add ``point_dynamic`` (N,) bool.

    Raises:
        CorruptSampleError: the file is missing or truncated, an array is missing or has another
            shape, or a coordinate is not finite.
        KeyError: the frame has no such sensor.
    """

    def __init__(
        self,
        lidar: str = 'lidar',
        with_labels: bool = False,
        keep_labels: Sequence[int] | None = None,
        drop_labels: Sequence[int] = (),
        with_dynamic: bool = False,
    ) -> None:
        self.lidar = lidar
        self.with_labels = with_labels
        self.keep_labels = None if keep_labels is None else tuple(keep_labels)
        self.drop_labels = tuple(drop_labels)
        self.with_dynamic = with_dynamic

    def transform(self, results: dict) -> dict:
        _refuse_changed_frame(results, self)
        if self.lidar not in results['lidars']:
            raise KeyError(f'{results["sample_id"]}: no lidar {self.lidar!r}; it has {sorted(results["lidars"])}')
        sensor = results['lidars'][self.lidar]
        filtered = self.keep_labels is not None or bool(self.drop_labels)
        keys = ['points', 'intensity']
        keys += ['label'] if self.with_labels or filtered else []
        keys += ['dynamic'] if self.with_dynamic else []
        sweep = read_sweep(sensor['path'], keys)
        # Float64 until the points are in the ego frame, float32 afterwards.
        ego_from_lidar = np.linalg.inv(sensor['lidar_from_ego'])
        points = sweep['points'].astype(np.float64) @ ego_from_lidar[:3, :3].T
        points += ego_from_lidar[:3, 3]
        kept = np.ones(len(points), dtype=bool)
        if self.keep_labels is not None:
            kept &= np.isin(sweep['label'], self.keep_labels)
        if self.drop_labels:
            kept &= ~np.isin(sweep['label'], self.drop_labels)
        intensity = sweep['intensity'].reshape(-1, 1)
        results['points'] = np.hstack([points, intensity]).astype(np.float32)[kept]
        if self.with_labels:
            results['point_labels'] = sweep['label'].astype(np.uint8)[kept]
        if self.with_dynamic:
            results['point_dynamic'] = sweep['dynamic'].astype(bool)[kept]
        return results

    def __repr__(self) -> str:
        return (
            f'LoadLiDARPoints(lidar={self.lidar!r}, with_labels={self.with_labels}, '
            f'keep_labels={self.keep_labels}, drop_labels={self.drop_labels})'
        )


@one_bad_file
def read_occupancy(path: str, grid: CartesianGrid, classes: Sequence[str]) -> np.ndarray:
    """The labels (X, Y, Z) uint8 of an occupancy file, or ``CorruptSampleError`` saying why not.

    The file must hold ``labels``, ``voxel_size_m``, ``origin_m`` and ``classes`` as expected;
    labels are 0 (empty), 1..C or 255 (unknown).
    """
    content = _read_npz(path, ('labels', 'voxel_size_m', 'origin_m', 'classes'), 'occupancy')
    labels = content['labels']
    if labels.shape != tuple(grid.shape):
        raise CorruptSampleError(f'{path}: expected a grid of {tuple(grid.shape)}, but the file has {labels.shape}')
    if labels.dtype != np.uint8:
        raise CorruptSampleError(f'{path}: expected uint8 labels, but got {labels.dtype}')
    voxel_size = float(content['voxel_size_m'])
    if not math.isclose(voxel_size, float(grid.voxel_size), rel_tol=1e-6):
        raise CorruptSampleError(
            f'{path}: expected voxels of {float(grid.voxel_size):g} m, but the file has {voxel_size:g} m'
        )
    origin = np.asarray(content['origin_m'], dtype=np.float64)
    expected_origin = np.asarray(grid.origin, dtype=np.float64)
    if origin.shape != (3,) or not np.allclose(origin, expected_origin, atol=1e-6):
        raise CorruptSampleError(
            f'{path}: expected the origin {expected_origin.tolist()} m, but the file has {origin.tolist()} m'
        )
    found = tuple(str(name) for name in content['classes'])
    if found != tuple(classes):
        raise CorruptSampleError(f'{path}: expected the classes {tuple(classes)}, but the file has {found}')
    wrong = np.unique(labels[(labels > len(found)) & (labels != UNKNOWN)])
    if wrong.size:
        raise CorruptSampleError(
            f'{path}: expected labels 0..{len(found)} or {UNKNOWN}, but the file has {wrong.tolist()}'
        )
    return labels


@one_bad_file
def read_sweep(path: str, keys: Sequence[str]) -> dict[str, np.ndarray]:
    """The named arrays of a LiDAR file, of equal length N; ``points`` (N, 3) in the LIDAR frame."""
    sweep = _read_npz(path, keys, 'LiDAR')
    points = sweep['points']
    if points.ndim != 2 or points.shape[1] != 3:
        raise CorruptSampleError(f'{path}: expected points of (N, 3), but got {points.shape}')
    for key in keys:
        if len(sweep[key]) != len(points):
            raise CorruptSampleError(f'{path}: expected {len(points)} values of {key!r}, but got {len(sweep[key])}')
    broken = int((~np.isfinite(points)).any(axis=1).sum())
    if broken:
        raise CorruptSampleError(f'{path}: expected finite coordinates, but {broken} of {len(points)} points are not')
    return sweep


def _read_npz(path: str, keys: Sequence[str], kind: str) -> dict[str, np.ndarray]:
    try:
        # Pickled objects stay refused: a data file must not be able to run code.
        with np.load(path, allow_pickle=False) as archive:
            missing = [key for key in keys if key not in archive.files]
            if missing:
                raise CorruptSampleError(f'{path}: expected the arrays {list(keys)}, but the file has {archive.files}')
            return {key: archive[key] for key in keys}
    except CorruptSampleError:
        raise
    except FileNotFoundError as error:
        raise CorruptSampleError(f'{path}: the {kind} file is missing') from error
    except (*_UNREADABLE, AttributeError) as error:
        # A bare .npy array has no __enter__, hence AttributeError and TypeError below.
        raise CorruptSampleError(f'{path}: expected a complete {kind} .npz, but it cannot be read: {error}') from error
    except TypeError as error:
        raise CorruptSampleError(f'{path}: expected an .npz archive: {error}') from error


def _refuse_changed_frame(results: dict, transform: BaseTransform) -> None:
    if 'ego_from_recorded_ego' in results:
        raise ValueError(
            f'{type(transform).__name__} reads data in the recorded ego frame and must stand '
            'before the augmentations that change it'
        )
