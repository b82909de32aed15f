"""From a recording to ground truth: the whole ride aggregated into the ego grid of every key frame.

Static and dynamic returns are kept apart. All static returns of the ride go into one world-aligned
map, once: the hits thinned to one per 5 cm cell and class (so that a vote counts surface, not
closeness to the sensor), and the number of rays that passed every cell of a third of a voxel. A key
frame then bins the hits exactly into its own rotated grid and looks the free space up; returns from
moving objects come from the key frame's own sweep only. A voxel is

* occupied, if it has `min_hits` hits, labelled or not; its class is the most frequent one of its labelled hits (ties:
  the lowest label), and it is unknown only if none of its hits is labelled,
* else empty, if at least `free_share` of its volume was passed by rays,
* else unknown (255): never seen, seen too little, or unlabelled, or in the shadow of a moving
  object, where what the other instants saw does not hold.

Hits win over passing rays, because a ray that grazes the ground passes a hundred voxels that hold
it; only a voxel with very few hits that is nearly all passed is empty (range noise at an edge).
"""

from __future__ import annotations

import sys

if __name__ == '__main__':  # told before the imports, which need the repository on the path
    print(
        'voxelize.py is not a command:',
        'recordings are labelled by label_recordings.py, synthetic sets made by create_data.py',
        file=sys.stderr,
    )
    sys.exit(2)

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from data_converters.cell_blocks import to_dense, whole_box
from data_converters.grid_counts import GridPose, count_free, count_hits, tally
from data_converters.hit_cells import thin
from data_converters.map_tiles import MapTiles, check_positions
from data_converters.ray_carving import Rays, box_of, carve
from projects.OneOcc.core.formats.labels import UNKNOWN as UNLABELLED
from projects.OneOcc.core.formats.occupancy import OCCUPANCY_KEYS, count_labels, read_occupancy, write_occupancy
from projects.OneOcc.core.formats.recording import Frame, Recording
from projects.OneOcc.core.geometry import CartesianGrid, OmniCamera, camera_from_dict

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
# no ride, however slow its frames, goes so far between two of them
TELEPORT_M = 1e5


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
        max_step: Longest way between the ego positions of two frames of a recording.
        min_range: Returns nearer to their sensor are the robot itself: dropped and counted; 0 keeps all.
        body_box: (x0, y0, z0, x1, y1, z1) around the robot in the body frame; returns inside are dropped
            and counted too.

    Raises:
        ValueError: A setting out of its range.
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
    max_step: float = 50.0
    min_range: float = 0.6
    body_box: tuple[float, float, float, float, float, float] | None = None

    def __post_init__(self) -> None:
        for name, least, most in (
            ('hit_cell', 1e-3, np.inf),
            ('map_cells', 1, np.inf),
            ('min_hits', 1, np.inf),
            ('min_passes', 1, 255),
            ('shadow', 0, np.inf),
            ('max_step', 0, np.inf),
            ('min_range', 0, np.inf),
        ):
            if not least <= getattr(self, name) <= most:
                raise ValueError(f'{name}: expected {least} to {most}, got {getattr(self, name)}')
        if not self.max_range > 0:
            raise ValueError(f'max_range: expected more than 0 m, got {self.max_range}')


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
        if recording.dense_camera is None:
            raise ValueError(f'{recording.root}: expected a recording with depth and semantic panoramas, got none')
        mount = recording.cameras[recording.dense_camera]
        camera = camera_from_dict(mount, recording.root)
        self._recording, self._settings = recording, settings
        self._body_from_cam = np.linalg.inv(mount['cam_from_body'])
        v, u = np.meshgrid(np.arange(camera.height) + 0.5, np.arange(camera.width) + 0.5, indexing='ij')
        rays, valid = camera.unproject(torch.from_numpy(np.stack([u, v], axis=-1)))
        self._rays = rays.numpy()
        self._valid = valid.numpy() & camera.valid_mask().numpy()
        self._kept = self._valid & even_pixels(camera, settings.ray_spacing_deg)

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

    Evidence is kept where a grid at an ego position can ask for it, so memory grows with the length of the ride; what
    happens in far places changes no label (`map_tiles.py`).

    Args:
        scans: All scans of the ride.
        ego_positions: (F, 3) positions around which labels will be asked for, in the order of the ride.
        grids: Label grids that will be asked for; the finest sets the cells of the map.
        num_classes: C, at most 254.

    Raises:
        ValueError: Positions that are not finite, or jump by more than 100 km (or `settings.max_step` if that is
            more); a scan with a class beyond C, with arrays of different lengths, or at no finite place.
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
        if not 1 <= num_classes < UNLABELLED:
            raise ValueError(f'num_classes: expected 1 to {UNLABELLED - 1}, got {num_classes}')
        self.settings, self.num_classes = settings, num_classes
        positions = np.asarray(ego_positions, dtype=np.float64)
        check_positions(positions, max(settings.max_step, TELEPORT_M))
        self._cell = min(grid.voxel_size for grid in grids) / settings.map_cells
        self._tiles = MapTiles(positions, grids, self._cell, settings.hit_cell, settings.min_passes)
        for scan in scans:
            self._add(scan)
        for tile in self._tiles:
            tile.hits.finish()

    def labels(self, world_from_ego: np.ndarray, grid: CartesianGrid, own_scans: Sequence[Scan] = ()) -> np.ndarray:
        """Ground truth (X, Y, Z) uint8 around one pose; moving objects come from `own_scans`."""
        return self.observe(world_from_ego, grid, own_scans)[0]

    def observe(
        self, world_from_ego: np.ndarray, grid: CartesianGrid, own_scans: Sequence[Scan] = ()
    ) -> tuple[np.ndarray, np.ndarray]:
        """Ground truth around one pose, and which of its unknown voxels nothing is known about.

        Returns:
            `labels` (X, Y, Z) uint8, and `unobserved` (X, Y, Z) bool: voxels that no ray passed (at the voxel's
            samples) and no hit reached. They are 255 in `labels`, as are voxels that were hit but not labelled, seen
            too little, or in the shadow of a moving object.
        """
        hits = np.zeros((*grid.shape, self.num_classes + 1), np.uint32)
        free, passed = np.zeros(grid.shape, np.uint16), np.zeros(grid.shape, bool)
        samples = min(max(2, round(grid.voxel_size / self._cell)), 3)
        reach = float(np.linalg.norm(np.abs([grid.origin, grid.upper]).max(axis=0)))
        for tile in self._tiles.near(world_from_ego[:3, 3], reach):
            pose = _grid_pose(world_from_ego, tile.low, grid)
            count_hits(hits, *tile.hits.within(*_box_of(pose, grid.shape)), pose)
            count_free(free, passed, tile.passes, self._cell, self.settings.min_passes, pose, samples)
        shadow = self._count_moving(hits, world_from_ego, grid, own_scans)
        total, winner = tally(hits)
        labels = self._decide(total, winner, free / samples**3, shadow)
        return labels, ~passed & (total == 0) & (labels == UNLABELLED)

    def _decide(self, total: np.ndarray, winner: np.ndarray, free_share: np.ndarray, shadow: np.ndarray) -> np.ndarray:
        """Labels (X, Y, Z) uint8 from the hits of each voxel, the label that wins the vote, free share, and shadow.

        An unlabelled hit says "occupied" and nothing about the class: it counts when it is decided whether a voxel is
        occupied, and it has no vote on the class. An occupied voxel is unknown only if no labelled hit lies in it.
        """
        settings = self.settings
        weak = (total <= settings.weak_hits) & (free_share >= settings.weak_share)
        occupied = (total >= settings.min_hits) & ~weak
        labels = np.full(total.shape, UNLABELLED, np.uint8)
        labels[~occupied & ~shadow & (free_share >= settings.free_share)] = 0
        known = occupied & (winner > 0)
        labels[known] = winner[known]
        return labels

    def _add(self, scan: Scan) -> None:
        self._check(scan)
        settings = self.settings
        reach = scan.ends - scan.origin
        length = np.linalg.norm(reach, axis=1)
        # near its end a grazing ray runs inside cells that hold the very surface it ends on
        descent = np.maximum(-reach[:, 2] / np.maximum(length, 1e-9), 1e-3)
        back = np.maximum(settings.keep_back, np.minimum(settings.ground_clearance / descent, 0.5 * length))
        back = np.where(reach[:, 2] < 0, back, settings.keep_back)
        back[scan.labels == 0] = 0
        rays = Rays(scan.origin[None], scan.ends, back)
        for tile in self._tiles.near(scan.origin, settings.max_range):
            tile.carve(rays, settings.max_range)
        self._tiles.add_hits(scan.origin, settings.max_range, *self._hits(scan, ~scan.dynamic))

    def _check(self, scan: Scan) -> None:
        if not np.isfinite(scan.origin).all():
            raise ValueError(f'scan: expected an origin of finite coordinates, got {scan.origin}')
        shapes = scan.ends.shape, scan.labels.shape, scan.dynamic.shape
        count = len(scan.labels)
        if shapes != ((count, 3), (count,), (count,)):
            raise ValueError(f'scan: expected ends (N, 3), labels (N,), dynamic (N,), got {shapes}')
        wrong = scan.labels[(scan.labels > self.num_classes) & (scan.labels != UNLABELLED)]
        if len(wrong):
            raise ValueError(f'scan: expected labels 0..{self.num_classes} or {UNLABELLED}, got {wrong[0]}')

    def _hits(self, scan: Scan, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Points (N, 3) in the world and columns (N,) uint8 of the chosen returns within the range."""
        near = np.linalg.norm(scan.ends - scan.origin, axis=1) <= self.settings.max_range
        chosen = chosen & (scan.labels > 0) & near
        labels = scan.labels[chosen]
        return scan.ends[chosen], np.where(labels == UNLABELLED, self.num_classes, labels - 1).astype(np.uint8)

    def _count_moving(
        self, hits: np.ndarray, world_from_ego: np.ndarray, grid: CartesianGrid, own_scans: Sequence[Scan]
    ) -> np.ndarray:
        """Add the moving returns of a key frame to `hits`; return their shadow (X, Y, Z) bool."""
        low = self._tiles.low_at(world_from_ego[:3, 3])
        pose = _grid_pose(world_from_ego, low, grid)
        ego_from_world = np.linalg.inv(world_from_ego)
        shadow = np.zeros(grid.shape, bool)
        for scan in own_scans:
            self._check(scan)
            if scan.dynamic.any():
                points, columns = self._hits(scan, scan.dynamic)
                count_hits(hits, *thin((points - low).astype(np.float32), columns, self.settings.hit_cell), pose)
                shadow |= self._shadow_of(scan, ego_from_world, grid)
        return shadow

    def _shadow_of(self, scan: Scan, ego_from_world: np.ndarray, grid: CartesianGrid) -> np.ndarray:
        """Voxels (X, Y, Z) bool right behind the moving surfaces of a scan."""
        chosen = scan.dynamic & (scan.labels > 0)
        ends = scan.ends[chosen] @ ego_from_world[:3, :3].T + ego_from_world[:3, 3]
        origin = ego_from_world[:3, :3] @ scan.origin + ego_from_world[:3, 3]
        reach = ends - origin
        beyond = reach / np.maximum(np.linalg.norm(reach, axis=1, keepdims=True), 1e-9) * self.settings.shadow
        corner = np.asarray(grid.origin, dtype=np.float64)
        rays = Rays(ends - corner, ends + beyond - corner, np.zeros(len(ends)))
        cells = whole_box(grid.shape)
        carve(cells, rays, box_of(cells), grid.voxel_size, np.inf)
        return to_dense(cells) > 0


def _grid_pose(world_from_ego: np.ndarray, low: np.ndarray, grid: CartesianGrid) -> GridPose:
    """The grid at a pose, in a map whose corner lies at `low` (3,) in the world."""
    map_from_world = np.eye(4)
    map_from_world[:3, 3] = -low
    map_from_ego = map_from_world @ world_from_ego
    return GridPose(map_from_ego, np.linalg.inv(map_from_ego), np.asarray(grid.origin, np.float64), grid.voxel_size)


def _box_of(pose: GridPose, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Corners (3,), (3,) in metres of the box around a grid in its map."""
    corners = pose.origin + np.array(list(np.ndindex(2, 2, 2))) * shape * pose.voxel
    corners = corners @ pose.map_from_ego[:3, :3].T + pose.map_from_ego[:3, 3]
    return corners.min(axis=0), corners.max(axis=0)


def even_pixels(camera: OmniCamera, spacing_deg: float) -> np.ndarray:
    """Mask (H, W) of pixels about `spacing_deg` apart; rows near a panorama's poles are thinned."""
    if not camera.periodic:
        return np.ones((camera.height, camera.width), bool)
    keep = np.zeros((camera.height, camera.width), bool)
    rays = camera.unproject(camera.pixel_centers()[:, 0])[0].numpy()
    per_pixel = 360.0 / camera.width
    row_step = max(1, round(spacing_deg / per_pixel))
    # the radius of a row's circle on the unit sphere, the cosine of its elevation
    radii = np.hypot(rays[:, 0], rays[:, 1])
    for row in range(row_step // 2, camera.height, row_step):
        step = max(1, round(spacing_deg / per_pixel / max(radii[row], 1e-3)))
        keep[row, (row * 7) % step :: step] = True
    return keep
