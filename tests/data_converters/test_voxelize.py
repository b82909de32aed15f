"""Aggregation in a room whose occupancy is known in closed form: a floor, a box, a moving box."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from data_converters import ground_truth
from data_converters.grid_counts import tally
from data_converters.ground_truth import label_sequence
from data_converters.voxelize import (
    Scan,
    SequenceMap,
    VoxelizeSettings,
    count_labels,
    even_pixels,
    read_occupancy,
    write_occupancy,
)
from projects.OneOcc.core.formats.recording import Frame, Recording
from projects.OneOcc.core.geometry import CartesianGrid, EquirectCamera, OmniCamera

FLOOR, BOX, MOVER = 1, 2, 3
GRID = CartesianGrid((32, 32, 8), 0.4, (-6.4, -6.4, -1.3))
HEIGHT = 0.75
BOX_BOUNDS = np.array([[2.0, -1.5, 0.0], [4.0, 1.7, 1.1]])


def hit_box(origin, rays, bounds):
    with np.errstate(divide='ignore', invalid='ignore'):
        times = (bounds[:, None] - origin) / rays
    near, far = np.nanmax(times.min(axis=0), axis=1), np.nanmin(times.max(axis=0), axis=1)
    return np.where((near <= far) & (near > 0), near, np.inf)


def scan_room(origin, mover=None, count=6000, no_return_label=0):
    """Even rays over the sphere from `origin`; a ray without return becomes a far free one."""
    n = np.arange(count) + 0.5
    z = 1 - 2 * n / count
    phi = n * np.pi * (1 + 5**0.5)
    rays = np.stack([np.sqrt(1 - z * z) * np.cos(phi), np.sqrt(1 - z * z) * np.sin(phi), z], 1)
    times = [
        np.where(rays[:, 2] < 0, -origin[2] / np.minimum(rays[:, 2], -1e-9), np.inf),
        hit_box(origin, rays, BOX_BOUNDS),
    ]
    times.append(np.full(count, np.inf) if mover is None else hit_box(origin, rays, mover))
    times = np.stack(times)
    nearest, reach = times.argmin(axis=0), times.min(axis=0)
    labels = np.where(np.isfinite(reach), nearest + 1, no_return_label).astype(np.uint8)
    ends = origin + rays * np.where(np.isfinite(reach), reach, 50)[:, None]
    return Scan(np.asarray(origin), ends, labels, labels == MOVER)


def pose_at(x, y, yaw=0.0):
    pose = np.eye(4)
    pose[:2, :2] = [[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]]
    pose[:3, 3] = [x, y, HEIGHT]
    return pose


def truth(pose, samples=8):
    """Share of each voxel that is solid, and the label of its larger solid part."""
    steps = (np.arange(samples) + 0.5) / samples * GRID.voxel_size
    offsets = np.stack(np.meshgrid(steps, steps, steps, indexing='ij'), -1).reshape(-1, 3)
    corners = GRID.centers().numpy() - GRID.voxel_size / 2
    points = (corners[..., None, :] + offsets) @ pose[:3, :3].T + pose[:3, 3]
    box = ((points >= BOX_BOUNDS[0]) & (points <= BOX_BOUNDS[1])).all(-1)
    floor = points[..., 2] < 0
    share_box, share_floor = box.mean(-1), floor.mean(-1)
    label = np.where(share_box > share_floor, BOX, FLOOR)
    return np.where(share_box + share_floor > 0, label, 0), share_box + share_floor


@pytest.fixture(scope='module')
def ride():
    origins = [np.array([x, y, HEIGHT]) for x in np.linspace(-3, 6.5, 10) for y in (-3.2, 3.1)]
    scans = [scan_room(origin) for origin in origins]
    return SequenceMap(scans, np.array([[-2.0, -2, HEIGHT], [2, 2, HEIGHT]]), [GRID], 3)


@pytest.mark.parametrize('yaw', [0.0, 0.6, -2.0])
def test_labels_agree_with_the_exact_room(ride, yaw):
    pose = pose_at(0.33, -0.21, yaw)
    labels = ride.labels(pose, GRID)
    expected, share = truth(pose)
    seen = labels != 255
    right = labels == expected
    assert seen.mean() > 0.6
    assert right[seen].mean() > 0.98
    # what is wrong are voxels that the surface barely enters or where two classes share the voxel
    assert (share[seen & ~right] < 0.99).all()


def test_the_inside_of_solids_stays_unknown(ride):
    pose = pose_at(0.0, 0.0)
    labels = ride.labels(pose, GRID)
    _, share = truth(pose)
    buried = np.zeros(GRID.shape, bool)
    full = share > 0.999
    buried[1:-1, 1:-1, 1:-1] = np.logical_and.reduce(
        [np.roll(full, shift, axis)[1:-1, 1:-1, 1:-1] for axis in range(3) for shift in (-1, 0, 1)]
    )
    assert buried.sum() > 20
    assert (labels[buried] == 255).all()


def test_nothing_scanned_is_all_unknown():
    empty = SequenceMap([], np.zeros((1, 3)), [GRID], 3)
    assert (empty.labels(pose_at(0, 0), GRID) == 255).all()


def test_moving_things_come_from_their_own_instant_only():
    movers = [np.array([[-3.0, y, 0.0], [-1.8, y + 1.2, 1.6]]) for y in (-4.0, 0.0, 4.0)]
    origin = np.array([0.0, -3.0, HEIGHT])
    scans = [scan_room(origin + [0.1 * i, 0, 0], mover, 20000) for i, mover in enumerate(movers)]
    ride = SequenceMap(scans, np.zeros((1, 3)) + [0, 0, HEIGHT], [GRID], 3)
    pose = pose_at(0, 0)
    static_only = ride.labels(pose, GRID)
    assert not (static_only == MOVER).any()
    for own, mover in zip(scans, movers):
        labels = ride.labels(pose, GRID, [own])
        centers = GRID.centers().numpy() + pose[:3, 3]
        marked = centers[labels == MOVER]
        assert len(marked) > 3
        assert (marked > mover[0] - 0.4).all() and (marked < mover[1] + 0.4).all()
        # its inside was seen empty at other instants, yet is not claimed to be empty now
        inside = ((centers > mover[0] + 0.2) & (centers < mover[1] - 0.2)).all(-1)
        assert inside.any() and not (labels[inside] == 0).any()


def test_unlabelled_returns_stop_rays_but_claim_no_class():
    scan = scan_room(np.array([0.0, 0, HEIGHT]), count=20000)
    unlabelled = Scan(
        scan.origin, scan.ends, np.where(scan.labels == BOX, 255, scan.labels).astype(np.uint8), scan.dynamic
    )
    positions = np.array([[0.0, 0, HEIGHT]])
    with_class = SequenceMap([scan], positions, [GRID], 3).labels(pose_at(0, 0), GRID)
    without = SequenceMap([unlabelled], positions, [GRID], 3).labels(pose_at(0, 0), GRID)
    assert (with_class == BOX).any() and not (without == BOX).any()
    # where the box stands on the floor, the floor has the only votes
    assert np.isin(without[with_class == BOX], [255, FLOOR]).all()
    assert (without[with_class == BOX] == 255).mean() > 0.7


def relabelled(scan, label):
    return replace(scan, labels=np.where(scan.labels == 0, 0, label).astype(np.uint8))


@pytest.mark.parametrize('labelled', [3, 1])
def test_unlabelled_scans_take_no_label_away(labelled):
    scans = [jittered(scan_room(np.array([x, 0.0, HEIGHT]), count=8000)) for x in np.linspace(-1, 1, 6)]
    unlabelled = [relabelled(scan, 255) for scan in scans[3:]]
    positions = np.array([[0.0, 0, HEIGHT]])
    alone = SequenceMap(scans[:labelled], positions, [GRID], 3).labels(pose_at(0, 0, 0.3), GRID)
    both = SequenceMap([*scans[:labelled], *unlabelled], positions, [GRID], 3).labels(pose_at(0, 0, 0.3), GRID)
    classed = (alone > 0) & (alone < 255)
    assert classed.sum() > 500
    assert not (both[classed] == 255).any()
    # a voxel with a single hit can still turn out to be free; none changes to another class
    assert np.isin(both[classed], [0, *range(1, 4)]).all()
    assert (both[classed & (both > 0)] == alone[classed & (both > 0)]).all()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_unlabelled_hits_change_no_class(seed):
    rng = np.random.default_rng(seed)
    shape = (6, 5, 4)
    decider = SequenceMap([], np.zeros((1, 3)), [GRID], 3, VoxelizeSettings(min_hits=int(rng.integers(1, 4))))
    hits = (rng.integers(0, 4, (*shape, 4)) * (rng.random((*shape, 4)) < 0.4)).astype(np.uint32)
    share, shadow = rng.random(shape), rng.random(shape) < 0.2
    before = decider._decide(*tally(hits), share, shadow)
    hits[..., 3] += rng.integers(0, 50, shape).astype(np.uint32)
    after = decider._decide(*tally(hits), share, shadow)
    classed = (before > 0) & (before < 255)
    np.testing.assert_array_equal(after[classed], before[classed])
    occupied_by_both = (hits.sum(axis=-1) >= 50) & hits[..., :3].any(axis=-1)
    assert not (after[occupied_by_both] == 255).any()


def jittered(scan, seed=0):
    """No return lies on a border of voxels, where the last digit decides."""
    return replace(scan, ends=scan.ends + np.random.default_rng(seed).normal(0, 0.02, scan.ends.shape))


def shifted(scan, shift):
    return replace(scan, origin=scan.origin + shift, ends=scan.ends + shift)


@pytest.mark.parametrize('hit_cell, distance', [(0.05, 3276.8), (0.05, 2000.123), (0.02, 1310.72)])
@pytest.mark.parametrize('axis', [0, 1, 2])
def test_far_places_change_nothing(axis, hit_cell, distance):
    scans = [jittered(scan_room(np.array([x, 0.0, HEIGHT]), count=30000), seed=int(x) + 2) for x in (-1.0, 1.0)]
    shift = np.eye(3)[axis] * distance
    near = [shifted(scan, shift) for scan in scans]
    pose = pose_at(0, 0, 0.4)
    pose[:3, 3] += shift
    chosen = VoxelizeSettings(hit_cell=hit_cell)
    alone = SequenceMap(near, [pose[:3, 3]], [GRID], 3, chosen).labels(pose, GRID)
    positions = [pose[:3, 3] - shift, pose[:3, 3]]
    both = SequenceMap([*scans, *near], positions, [GRID], 3, chosen).labels(pose, GRID)
    np.testing.assert_array_equal(both, alone)
    assert ((alone > 0) & (alone < 255)).sum() > 500


def test_labels_are_the_same_far_from_the_origin():
    scans = [jittered(scan_room(np.array([x, 0.0, HEIGHT]), count=8000)) for x in (-1.0, 1.0)]
    pose = pose_at(0, 0, 0.4)
    here = SequenceMap(scans, [pose[:3, 3]], [GRID], 3).labels(pose, GRID)
    shift = np.array([4.0e6, 5.0e5, 0.0])
    pose[:3, 3] += shift
    there = SequenceMap([shifted(scan, shift) for scan in scans], [pose[:3, 3]], [GRID], 3).labels(pose, GRID)
    np.testing.assert_array_equal(there, here)


def test_a_border_between_tiles_is_not_seen():
    """At x = 512 m one tile ends; the room stands across it."""
    shift = np.array([512.0, 512.0, 0.0])
    scans = [shifted(scan_room(np.array([x, y, HEIGHT])), shift) for x in (-3, -1, 1, 6.0) for y in (-3.2, 3.1)]
    positions = np.array([[-2.0, -2, HEIGHT], [2, 2, HEIGHT]]) + shift
    ride = SequenceMap(scans, positions, [GRID], 3)
    pose = pose_at(0.33, -0.21, 0.6)
    expected, _ = truth(pose)
    pose[:3, 3] += shift
    labels = ride.labels(pose, GRID)
    seen = labels != 255
    assert seen.mean() > 0.5 and (labels == expected)[seen].mean() > 0.98


@pytest.mark.parametrize('num_classes', [40, 254])
def test_any_number_of_classes_keeps_apart(num_classes):
    """The classes' names do not matter, nor how many there are."""
    few = [jittered(scan_room(np.array([x, 0.0, HEIGHT]), count=8000)) for x in (-1.0, 1.0)]
    names = np.array([0, num_classes - 33, num_classes - 1, num_classes], np.uint8)
    many = [replace(scan, labels=names[scan.labels]) for scan in few]
    positions = np.array([[0.0, 0, HEIGHT]])
    labels = SequenceMap(few, positions, [GRID], 3).labels(pose_at(0, 0), GRID)
    of_many = SequenceMap(many, positions, [GRID], num_classes).labels(pose_at(0, 0), GRID)
    known = labels < 255
    np.testing.assert_array_equal(of_many[known], names[labels[known]])
    assert (of_many[~known] == 255).all()


def test_classes_32_apart_do_not_drop_each_other():
    """Label 33 right below label 1, with the border of a voxel in between."""
    x, y = (axis.reshape(-1) for axis in np.meshgrid(*[np.linspace(1.22, 1.58, 8)] * 2))
    layers = [np.stack([x, y, np.full_like(x, z)], axis=1) for z in (0.30, 0.245)]
    labels = np.repeat(np.array([1, 33], np.uint8), len(x))
    scan = Scan(np.array([0.0, 0, HEIGHT]), np.concatenate(layers), labels, np.zeros(len(labels), bool))
    found = SequenceMap([scan], [scan.origin], [GRID], 40).labels(pose_at(0, 0), GRID)
    assert found[19, 19, 1:3].tolist() == [33, 1]


def test_unobserved_is_what_no_ray_and_no_hit_reached():
    positions = np.array([[0.0, 0, HEIGHT]])
    pose = pose_at(0, 0, 0.3)
    labels, unobserved = SequenceMap([], positions, [GRID], 3).observe(pose, GRID)
    assert unobserved.all() and (labels == 255).all()
    mover = np.array([[-3.0, -1.0, 0.0], [-1.8, 0.2, 1.6]])
    scan = scan_room(np.array([0.0, -3.0, HEIGHT]), mover, 20000)
    unlabelled = replace(scan, labels=np.where(scan.labels == FLOOR, 255, scan.labels).astype(np.uint8))
    ride = SequenceMap([unlabelled], positions, [GRID], 3)
    labels, unobserved = ride.observe(pose, GRID, [unlabelled])
    np.testing.assert_array_equal(labels, ride.labels(pose, GRID, [unlabelled]))
    assert (labels[unobserved] == 255).all()
    assert 0 < unobserved.sum() < (labels == 255).sum()
    ends = (unlabelled.ends - pose[:3, 3]) @ pose[:3, :3]
    cells = np.floor((ends - GRID.origin) / GRID.voxel_size).astype(int)
    inside = ((cells >= 0) & (cells < GRID.shape)).all(axis=1) & (unlabelled.labels > 0)
    near = np.linalg.norm(unlabelled.ends - unlabelled.origin, axis=1) < 20
    assert not unobserved[tuple(cells[inside & near].T)].any()
    # far below the floor nothing was seen
    assert unobserved[GRID.centers().numpy()[..., 2] + HEIGHT < -0.4].all()


@pytest.mark.parametrize(
    'change, message',
    [
        (dict(labels=np.array([4], np.uint8)), 'expected labels 0..3 or 255, got 4'),
        (dict(labels=np.array([1, 1], np.uint8)), r'expected ends \(N, 3\)'),
        (dict(origin=np.array([np.nan, 0, 0])), 'finite'),
    ],
)
def test_scans_that_do_not_fit_are_refused(change, message):
    scan = replace(Scan(np.zeros(3), np.ones((1, 3)), np.array([1], np.uint8), np.array([False])), **change)
    with pytest.raises(ValueError, match=message):
        SequenceMap([scan], np.zeros((1, 3)), [GRID], 3)


@pytest.mark.parametrize('setting', [dict(hit_cell=0.0), dict(min_passes=256), dict(map_cells=0), dict(max_range=0.0)])
def test_settings_out_of_range_are_named(setting):
    with pytest.raises(ValueError, match=f'{next(iter(setting))}: expected'):
        VoxelizeSettings(**setting)


@pytest.mark.parametrize(
    'step, settings, message',
    [
        (60.0, VoxelizeSettings(), 'ride/000001 at .* at most 50 m from ride/000000 .*, got 60 m'),
        (1e9, VoxelizeSettings(max_step=np.inf), 'ride/000001 at .*1e\\+09'),
        (np.nan, VoxelizeSettings(max_step=np.inf), 'ride/000001 at .nan'),
    ],
)
def test_a_jump_in_the_poses_is_refused_by_name(step, settings, message, tmp_path, monkeypatch):
    # the checks of a recording's own entries, which come first, have tests of their own
    monkeypatch.setattr(ground_truth, 'check_labelable', lambda recording: None)
    poses = [np.eye(4), np.eye(4)]
    poses[1][0, 3] = step
    recording = Recording(tmp_path / 'ride', 'ride', ('floor',), {}, {'lidar': np.eye(4)}, {})
    recording.frames.extend(Frame(f'{i:06d}', float(i), pose, pose) for i, pose in enumerate(poses))
    with pytest.raises(ValueError, match=message):
        label_sequence(recording, tmp_path, [GRID], settings)
    assert not list(tmp_path.iterdir())


def test_order_of_scans_does_not_matter():
    scans = [scan_room(np.array([x, 0.0, HEIGHT]), count=3000) for x in (-1.0, 0.0, 1.0)]
    positions = np.array([[0.0, 0, HEIGHT]])
    first = SequenceMap(scans, positions, [GRID], 3).labels(pose_at(0, 0), GRID)
    second = SequenceMap(scans[::-1], positions, [GRID], 3).labels(pose_at(0, 0), GRID)
    assert (first != second).mean() < 1e-3


def test_two_resolutions_of_one_map_agree():
    fine = CartesianGrid((64, 64, 16), 0.2, GRID.origin)
    scans = [scan_room(np.array([x, 2.5, HEIGHT]), count=60000) for x in (-2.0, 1.0)]
    ride = SequenceMap(scans, np.array([[0.0, 0, HEIGHT]]), [GRID, fine], 3, VoxelizeSettings())
    coarse_labels = ride.labels(pose_at(0, 0), GRID)
    fine_labels = ride.labels(pose_at(0, 0), fine)
    blocks = fine_labels.reshape(32, 2, 32, 2, 8, 2).transpose(0, 2, 4, 1, 3, 5).reshape(*GRID.shape, 8)
    near = np.hypot(*GRID.centers().numpy()[..., :2].transpose(3, 0, 1, 2)) < 5
    occupied = near & (coarse_labels > 0) & (coarse_labels < 255)
    assert ((blocks > 0) & (blocks < 255)).any(-1)[occupied].mean() > 0.9
    assert (blocks == 0).any(-1)[coarse_labels == 0].mean() > 0.99


def test_occupancy_files_round_trip_and_name_what_is_wrong(tmp_path):
    labels = np.random.default_rng(0).integers(0, 4, GRID.shape).astype(np.uint8)
    path = tmp_path / 'a.npz'
    write_occupancy(path, labels, GRID, ['floor', 'box', 'mover'])
    back, grid, classes = read_occupancy(path)
    np.testing.assert_array_equal(back, labels)
    assert grid == GRID and classes == ('floor', 'box', 'mover')
    counts, unknown = count_labels(labels, 3)
    assert counts.sum() + unknown == labels.size and len(counts) == 4
    np.savez(path, labels=labels)
    with pytest.raises(ValueError, match='a.npz: expected the arrays'):
        read_occupancy(path)


class Cylinder(OmniCamera):
    """A panorama on a cylinder, as somebody may register one: rows are heights, not elevations."""

    periodic = True

    def __init__(self) -> None:
        self.width, self.height, self.elevation_range = 360, 120, (-1.1, 1.1)

    def unproject(self, pixels):
        phi, height = pixels[..., 0] * (2 * np.pi / 360), 2 - pixels[..., 1] / 30
        rays = torch.stack((phi.cos(), -phi.sin(), height), dim=-1)
        return torch.nn.functional.normalize(rays, dim=-1), torch.ones(pixels.shape[:-1], dtype=torch.bool)

    project = to_dict = resized = mirrored = mirror = None


@pytest.mark.parametrize('camera', [EquirectCamera(360, 180), Cylinder()])
def test_rays_of_any_panorama_are_thinned_to_an_even_angle(camera):
    kept = even_pixels(camera, 2.0)
    radii = np.linalg.norm(camera.unproject(camera.pixel_centers())[0].numpy()[:, 0, :2], axis=1)
    rows = kept.any(axis=1)
    np.testing.assert_array_equal(np.flatnonzero(rows), np.arange(1, camera.height, 2))
    around = 360 * radii[rows] / kept[rows].sum(axis=1)  # degrees from one kept ray of a row to the next
    assert (np.abs(around - 2.0)[radii[rows] > 0.3] < 0.6).all()
    lens = SimpleNamespace(periodic=False, width=8, height=6)
    assert even_pixels(lens, 2.0).all()
