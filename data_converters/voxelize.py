"""From a recording to ground truth: the whole ride aggregated into the ego grid of every key frame.

Static and dynamic returns are kept apart. All static returns of the ride go into one world-aligned
map, once: the hits thinned to one per 5 cm cell and class (so that a vote counts surface, not
closeness to the sensor), and the number of rays that passed every cell of a third of a voxel. A key
frame then bins the hits exactly into its own rotated grid and looks the free space up; returns from
moving objects come from the key frame's own sweep only. A voxel is

* the most frequent class of its hits (ties: the lowest label), if it has `min_hits` of them,
* else empty, if at least `free_share` of its volume was passed by rays,
* else unknown (255): never seen, seen too little, or unlabelled, or in the shadow of a moving
  object, where what the other instants saw does not hold.

Hits win over passing rays, because a ray that grazes the ground passes a hundred voxels that hold
it; only a voxel with very few hits that is nearly all passed is empty (range noise at an edge).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from data_converters.ray_carving import carve, count_free, count_hits, first_of_each
from projects.OneOcc.core.formats.labels import UNKNOWN as UNLABELLED
from projects.OneOcc.core.formats.occupancy import OCCUPANCY_KEYS, count_labels, read_occupancy, write_occupancy
from projects.OneOcc.core.formats.recording import Frame, Recording
from projects.OneOcc.core.geometry import CartesianGrid, EquirectCamera, camera_from_dict

__all__ = [
    'OCCUPANCY_KEYS',
    'PanoramaScanner',
    'Scan',
    'SequenceMap',
    'VoxelizeSettings',
    'count_labels',
    'lidar_scan',
    'read_occupancy',
    'write_occupancy',
]


@dataclass(frozen=True)
class VoxelizeSettings:
    """How evidence becomes labels; lengths in metres.

    Attributes:
        hit_cell: Cell to which static hits are thinned.
        map_cells: Cells of the free-space map per edge of the finest voxel.
        min_hits: Hit cells that make a voxel occupied.
        free_share: Share of the volume that rays must have passed for an empty voxel.
        weak_hits, weak_share: A voxel with at most so many hits, and at least so much of its volume
            passed, is empty all the same.
        min_passes: Rays that make a cell of the map free.
        keep_back: Rays stop counting this far before their return.
        ground_clearance: They also stop this far above a return that they graze from above.
        max_range: Longer rays count this far only; farther returns are dropped.
        ray_spacing_deg: Panoramas are thinned to about this angle between rays.
        shadow: Unknown depth behind a moving surface.
        min_range: Returns nearer to their sensor are the robot itself: dropped and counted; 0 keeps all.
        body_box: (x0, y0, z0, x1, y1, z1) around the robot in the body frame; returns inside are dropped
            and counted too.
    """

    hit_cell: float = 0.05
    map_cells: int = 3
    min_hits: int = 1
    free_share: float = 0.7
    weak_hits: int = 1
    weak_share: float = 0.9
    min_passes: int = 1
    keep_back: float = 0.1
    ground_clearance: float = 0.3
    max_range: float = 20.0
    ray_spacing_deg: float = 1.0
    shadow: float = 2.0
    min_range: float = 0.6
    body_box: tuple[float, float, float, float, float, float] | None = None


@dataclass(frozen=True)
class Scan:
    """Returns of one instant in the world frame.

    Attributes:
        origin: (3,) sensor position.
        ends: (N, 3) end points; of a ray without return, a point far along it.
        labels: (N,) uint8: class of the return, 0 = no return (free all along), 255 = unlabelled.
        dynamic: (N,) bool, return from a moving object.
    """

    origin: np.ndarray
    ends: np.ndarray
    labels: np.ndarray
    dynamic: np.ndarray


def lidar_scan(recording: Recording, frame: Frame, name: str = 'lidar') -> Scan:
    """The sweep of one frame, placed with the true body pose."""
    sweep = recording.read_lidar(frame, name)
    world_from_lidar = frame.world_from_body @ np.linalg.inv(recording.lidars[name])
    ends = sweep['points'].astype(np.float64) @ world_from_lidar[:3, :3].T + world_from_lidar[:3, 3]
    labels = np.where(sweep['label'] == 0, UNLABELLED, sweep['label']).astype(np.uint8)
    return Scan(world_from_lidar[:3, 3], ends, labels, sweep['dynamic'])


class PanoramaScanner:
    """Turns depth and semantic panoramas into scans: rays of the camera, thinned to an even angle.

    Pixels on moving objects are never thinned away.
    """

    def __init__(self, recording: Recording, settings: VoxelizeSettings) -> None:
        mount = recording.cameras[recording.dense_camera]
        camera = camera_from_dict(mount)
        self._recording, self._settings = recording, settings
        self._body_from_cam = np.linalg.inv(mount['cam_from_body'])
        v, u = np.meshgrid(np.arange(camera.height) + 0.5, np.arange(camera.width) + 0.5, indexing='ij')
        rays, valid = camera.unproject(torch.from_numpy(np.stack([u, v], axis=-1)))
        self._rays = rays.numpy()
        self._valid = valid.numpy() & camera.valid_mask().numpy()
        self._kept = self._valid & _even_pixels(camera, settings.ray_spacing_deg)

    def scan(self, frame: Frame) -> Scan:
        """Scan of one frame, placed with the true body pose."""
        depth = self._recording.read_depth(frame)
        semantic = self._recording.read_semantic(frame)
        dynamic = self._recording.read_dynamic(frame) & self._valid & (depth > 0)
        sky = (depth == 0) & (semantic == 0)
        chosen = (self._kept & (sky | (depth > 0))) | dynamic
        world_from_cam = frame.world_from_body @ self._body_from_cam
        reach = np.where(sky, 2 * self._settings.max_range, depth)[chosen]
        ends = self._rays[chosen] * reach[:, None] @ world_from_cam[:3, :3].T
        labels = semantic[chosen]
        labels[(labels == 0) & (depth[chosen] > 0)] = UNLABELLED
        return Scan(world_from_cam[:3, 3], ends + world_from_cam[:3, 3], labels, dynamic[chosen])


class SequenceMap:
    """Static evidence of a whole ride in one world-aligned map.

    Args:
        scans: All scans of the ride.
        ego_positions: (F, 3) positions around which labels will be asked for.
        grids: Label grids that will be asked for; the finest sets the cells of the map.
        num_classes: C.
    """

    def __init__(
        self,
        scans: Iterable[Scan],
        ego_positions: np.ndarray,
        grids: Sequence[CartesianGrid],
        num_classes: int,
        settings: VoxelizeSettings | None = None,
    ) -> None:
        settings = settings or VoxelizeSettings()
        self.settings, self.num_classes = settings, num_classes
        self._cell = min(grid.voxel_size for grid in grids) / settings.map_cells
        low, high = _bounds(ego_positions, grids)
        self._low = np.floor(low / self._cell) * self._cell
        self._passes = np.zeros(np.ceil((high - self._low) / self._cell).astype(int), np.uint8)
        batch: list[tuple[np.ndarray, np.ndarray]] = []
        for scan in scans:
            self._carve(scan)
            batch.append(self._static_hits(scan))
            if sum(len(labels) for _, labels in batch) > 4_000_000:
                batch = [self._thin(batch)]
        self._points, self._columns = self._thin(batch)

    def labels(self, world_from_ego: np.ndarray, grid: CartesianGrid, own_scans: Sequence[Scan] = ()) -> np.ndarray:
        """Ground truth (X, Y, Z) uint8 around one pose; moving objects come from `own_scans`."""
        settings = self.settings
        map_from_world = np.eye(4)
        map_from_world[:3, 3] = -self._low
        map_from_ego = map_from_world @ world_from_ego
        ego_from_map = np.linalg.inv(map_from_ego)
        origin = np.asarray(grid.origin, dtype=np.float64)
        hits = np.zeros((*grid.shape, self.num_classes + 1), np.uint16)
        count_hits(hits, self._points, self._columns, ego_from_map, origin, grid.voxel_size)
        shadow = np.zeros(grid.shape, np.uint8)
        for scan in own_scans:
            points, columns = self._thin([self._hits(scan, scan.dynamic)])
            count_hits(hits, points, columns, ego_from_map, origin, grid.voxel_size)
            self._cast_shadow(shadow, scan, np.linalg.inv(world_from_ego), grid)
        samples = min(max(2, round(grid.voxel_size / self._cell)), 3)
        free = np.zeros(grid.shape, np.uint16)
        count_free(free, self._passes, settings.min_passes, self._cell, map_from_ego, origin, grid.voxel_size, samples)
        return self._decide(hits, free / samples**3, shadow > 0)

    def _decide(self, hits: np.ndarray, free_share: np.ndarray, shadow: np.ndarray) -> np.ndarray:
        settings = self.settings
        total = hits.sum(axis=-1, dtype=np.int32)
        weak = (total <= settings.weak_hits) & (free_share >= settings.weak_share)
        occupied = (total >= settings.min_hits) & ~weak
        winner = hits.argmax(axis=-1)
        labels = np.full(total.shape, UNLABELLED, np.uint8)
        labels[~occupied & ~shadow & (free_share >= settings.free_share)] = 0
        known = occupied & (winner < self.num_classes)
        labels[known] = winner[known] + 1
        return labels

    def _carve(self, scan: Scan) -> None:
        settings = self.settings
        reach = scan.ends - scan.origin
        length = np.linalg.norm(reach, axis=1)
        # near its end a grazing ray runs inside cells that hold the very surface it ends on
        descent = np.maximum(-reach[:, 2] / np.maximum(length, 1e-9), 1e-3)
        back = np.maximum(settings.keep_back, np.minimum(settings.ground_clearance / descent, 0.5 * length))
        back = np.where(reach[:, 2] < 0, back, settings.keep_back)
        back[scan.labels == 0] = 0
        carve(
            self._passes,
            np.zeros(3),
            self._cell,
            scan.origin[None] - self._low,
            scan.ends - self._low,
            back,
            settings.max_range,
        )

    def _hits(self, scan: Scan, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        near = np.linalg.norm(scan.ends - scan.origin, axis=1) <= self.settings.max_range
        chosen = chosen & (scan.labels > 0) & near
        points = (scan.ends[chosen] - self._low).astype(np.float32)
        labels = scan.labels[chosen]
        columns = np.where(labels == UNLABELLED, self.num_classes, labels.astype(np.int64) - 1)
        return points, columns

    def _static_hits(self, scan: Scan) -> tuple[np.ndarray, np.ndarray]:
        points, columns = self._hits(scan, ~scan.dynamic)
        extent = np.asarray(self._passes.shape) * self._cell
        inside = ((points >= 0) & (points < extent)).all(axis=1)
        return points[inside], columns[inside]

    def _thin(self, batch: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
        """Keep the first hit of each class in every hit cell."""
        if not batch:
            return np.zeros((0, 3), np.float32), np.zeros(0, np.int64)
        points = np.concatenate([points for points, _ in batch])
        columns = np.concatenate([columns for _, columns in batch])
        # offset and 2**16 cells an axis keep the key of any point near the map non-negative
        cells = np.floor(points / self.settings.hit_cell).astype(np.int64) + 2**10
        keys = ((cells[:, 0] * 2**16 + cells[:, 1]) * 2**16 + cells[:, 2]) * 32 + columns
        first = first_of_each(keys)
        return points[first], columns[first]

    def _cast_shadow(self, shadow: np.ndarray, scan: Scan, ego_from_world: np.ndarray, grid: CartesianGrid) -> None:
        chosen = scan.dynamic & (scan.labels > 0)
        if not chosen.any() or self.settings.shadow <= 0:
            return
        ends = scan.ends[chosen] @ ego_from_world[:3, :3].T + ego_from_world[:3, 3]
        origin = ego_from_world[:3, :3] @ scan.origin + ego_from_world[:3, 3]
        reach = ends - origin
        beyond = reach / np.linalg.norm(reach, axis=1, keepdims=True) * self.settings.shadow
        carve(
            shadow,
            np.asarray(grid.origin, dtype=np.float64),
            grid.voxel_size,
            ends,
            ends + beyond,
            np.zeros(len(ends)),
            np.inf,
        )


def _bounds(ego_positions: np.ndarray, grids: Sequence[CartesianGrid]) -> tuple[np.ndarray, np.ndarray]:
    """Box that holds every grid at every position, whatever its heading."""
    radius = max(
        np.hypot(max(abs(g.origin[0]), abs(g.upper[0])), max(abs(g.origin[1]), abs(g.upper[1]))) for g in grids
    )
    below, above = min(g.origin[2] for g in grids), max(g.upper[2] for g in grids)
    ego_positions = np.asarray(ego_positions, dtype=np.float64)
    low = ego_positions.min(axis=0) + [-radius, -radius, below]
    high = ego_positions.max(axis=0) + [radius, radius, above]
    return low, high


def _even_pixels(camera, spacing_deg: float) -> np.ndarray:
    """Mask (H, W) of pixels about `spacing_deg` apart; rows near a panorama's poles are thinned."""
    keep = np.zeros((camera.height, camera.width), bool)
    if not isinstance(camera, EquirectCamera):
        keep[:] = True
        return keep
    per_pixel = 360.0 / camera.width
    row_step = max(1, round(spacing_deg / per_pixel))
    band = camera.elevation_max - camera.elevation_min
    for row in range(row_step // 2, camera.height, row_step):
        elevation = camera.elevation_max - band * (row + 0.5) / camera.height
        step = max(1, round(spacing_deg / per_pixel / max(np.cos(elevation), 1e-3)))
        keep[row, (row * 7) % step :: step] = True
    return keep
