"""Images, voxel labels and LiDAR points from disk, each checked against what the info promises."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS

from ....core.formats import lidar_scan
from ....core.formats.images import check_options
from ....core.formats.labels import EMPTY
from ....core.formats.npz_archives import ArchiveError
from ....core.formats.occupancy import load_occupancy
from ....core.geometry import CartesianGrid, View
from ..errors import CorruptSampleError, one_bad_file
from .read_image import read_image

__all__ = ['LoadLiDARPoints', 'LoadOccupancy', 'LoadPanorama', 'read_image', 'read_occupancy', 'read_sweep']

T = TypeVar('T')
UNOBSERVED_POLICIES = ('ignore', 'empty')


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
        unobserved: what voxels count as that no ray and no hit reached: 'ignore' (unknown, right for a
            robot) or 'empty' (as QuadOcc and Human360Occ store them, and the paper counts them).

    Raises:
        CorruptSampleError: the file is missing, truncated, of another grid or other classes, or
            holds labels out of range; the message names the file and both values.
        KeyError: the frame has no labels of this shape.
    """

    def __init__(self, grid: Mapping | None = None, unobserved: str = 'ignore') -> None:
        self.grid = None if grid is None else CartesianGrid(**grid)
        if unobserved not in UNOBSERVED_POLICIES:
            raise ValueError(f'unobserved: expected one of {UNOBSERVED_POLICIES}, got {unobserved!r}')
        self.unobserved = unobserved

    def transform(self, results: dict) -> dict:
        _refuse_changed_frame(results, self)
        grid = results['grid'] if self.grid is None else self.grid
        name = 'x'.join(str(size) for size in grid.shape)
        if name not in results['occupancy_paths']:
            raise KeyError(
                f'{results["sample_id"]}: no labels for the grid {name}; it has {sorted(results["occupancy_paths"])}'
            )
        path = results['occupancy_paths'][name]
        results['gt_occ'] = read_occupancy(path, grid, results['classes'], self.unobserved)
        results['grid'] = grid
        return results

    def __repr__(self) -> str:
        return f'LoadOccupancy(grid={self.grid}, unobserved={self.unobserved!r})'


@TRANSFORMS.register_module()
class LoadLiDARPoints(BaseTransform):
    """Read one sweep; adds ``points`` (N, 4) float32: x, y, z in metres in the EGO frame, intensity.

    The intensity lies in [0, 1], by the rules of ``core/formats/lidar_scan.py``. Points at exactly
    (0, 0, 0) of the sensor are padding: they are dropped, and their number is ``num_padding``.

    Args:
        lidar: which sensor, by its name in the info.
        with_labels: also add ``point_labels`` (N,) uint8, 255 where a point has none.
        keep_labels: keep only points of these labels.
        drop_labels: remove points of these labels.
        with_dynamic: also add ``point_dynamic`` (N,) bool.

    Raises:
        CorruptSampleError: the file is missing or truncated, an array is missing or has another
            shape, a coordinate is not finite, or the intensity has an unknown scale.
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
        sweep, results['num_padding'] = _told(
            'LiDAR', sensor['path'], lambda: lidar_scan.read_sweep(sensor['path'], keys, sensor.get('intensity_max'))
        )
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
def read_occupancy(path: str, grid: CartesianGrid, classes: Sequence[str], unobserved: str = 'ignore') -> np.ndarray:
    """The labels (X, Y, Z) uint8 of an occupancy file, or ``CorruptSampleError`` saying why not.

    The file must hold ``labels``, ``voxel_size_m``, ``origin_m`` and ``classes`` as expected;
    labels are 0 (empty), 1..C or 255 (unknown). With ``unobserved='empty'`` it must say which of the
    unknown voxels nothing was seen of; these become empty.
    """
    found = _told('occupancy', path, lambda: load_occupancy(path, grid, classes))
    if unobserved == 'ignore':
        return found.labels
    if found.unobserved is None:
        raise CorruptSampleError(
            f"{path}: unobserved='empty' needs the array 'unobserved', got a file without it; make the labels anew"
        )
    return np.where(found.unobserved, EMPTY, found.labels).astype(np.uint8)


@one_bad_file
def read_sweep(path: str, keys: Sequence[str]) -> dict[str, np.ndarray]:
    """The named arrays of a LiDAR file, of equal length N; ``points`` (N, 3) in the LIDAR frame."""
    return _told('LiDAR', path, lambda: lidar_scan.read_sweep(path, keys)[0])


def _told(kind: str, path: str, read: Callable[[], T]) -> T:
    """What `read` returns, its errors as ``CorruptSampleError``."""
    try:
        return read()
    except FileNotFoundError as error:
        raise CorruptSampleError(f'{path}: the {kind} file is missing') from error
    except Exception as error:  # libraries that read files raise of everything
        whole = f'; expected a complete {kind} .npz' if type(error) is ArchiveError else ''
        text = str(error) if str(path) in str(error) else f'{path}: {error}'
        raise CorruptSampleError(f'{text}{whole}') from error


def _refuse_changed_frame(results: dict, transform: BaseTransform) -> None:
    if 'ego_from_recorded_ego' in results:
        raise ValueError(
            f'{type(transform).__name__} reads data in the recorded ego frame and must stand '
            'before the augmentations that change it'
        )
