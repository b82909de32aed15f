"""Labels made from SemanticKITTI's scans against the official voxels of the same frame."""

import numpy as np
import pytest

from data_converters.recorders.folder_source import FolderSource
from data_converters.recorders.ride import Cloud
from data_converters.recorders.semantickitti import CLASSES, NOMINAL_TR, semantickitti_rig
from data_converters.voxelize import Scan, SequenceMap, VoxelizeSettings
from projects.OneOcc.core.geometry import CartesianGrid
from tests.realdata import real_file

GRID = CartesianGrid((256, 256, 32), 0.2, (0.0, -25.6, -2.2))


def unpacked(path) -> np.ndarray:
    """One bit a voxel, most significant first, (256, 256, 32)."""
    return np.unpackbits(np.fromfile(path, np.uint8)).reshape(GRID.shape).astype(bool)


@pytest.mark.slow
def test_observed_voxels_agree(capsys):
    folder = real_file('realdata2/08_semantickitti_seq08')
    rig = semantickitti_rig(folder, NOMINAL_TR)
    source = FolderSource(folder, rig)
    track, times = source.track(), source.times('lidar')
    poses, known = track.at(times)
    assert known.all()
    label_map = {raw: name.removeprefix('moving ') for raw, name in rig.lidars['lidar'].options['label_map'].items()}
    scans = []
    for _, number, cloud in source.read({'lidar': set(range(len(times)))}):
        assert isinstance(cloud, Cloud)
        labels = np.full(len(cloud.points), 255, np.uint8)
        dynamic = (cloud.label & 0xFFFF) >= 252
        for raw, name in label_map.items():
            labels[(cloud.label & 0xFFFF) == raw] = CLASSES.index(name) + 1
        ends = cloud.points @ poses[number, :3, :3].T + poses[number, :3, 3]
        scans.append(Scan(poses[number, :3, 3], ends, labels, dynamic))
    settings = VoxelizeSettings(max_range=60.0, min_range=0.0, min_hits=1, weak_hits=0)
    aggregate = SequenceMap(scans, poses[:, :3, 3], [GRID], len(CLASSES), settings)
    labels, unobserved = aggregate.observe(poses[0], GRID, scans[:1])
    occupied = unpacked(folder / 'voxels/000000.bin')
    invalid = unpacked(folder / 'voxels/000000.invalid')
    ours = (labels > 0) & ~((labels == 255) & unobserved)
    # the official input voxels: the returns of this very scan
    own = np.zeros(GRID.shape, bool)
    index = np.floor(
        (scans[0].ends @ poses[0, :3, :3] - poses[0, :3, 3] @ poses[0, :3, :3] - GRID.origin) / 0.2
    ).astype(int)
    inside = ((index >= 0) & (index < GRID.shape)).all(axis=1)
    own[tuple(index[inside].T)] = True
    with capsys.disabled():
        seen = own | (labels == 0)
        state = (ours & occupied & seen).sum() / ((ours | occupied) & seen).sum()
        print(
            f'\nstate IoU with the official input voxels, where this scan saw: {state:.3f}; own returns alone: '
            f'{(own & occupied).sum() / (own | occupied).sum():.3f}; empty that is official occupied: '
            f'{((labels == 0) & occupied).sum() / occupied.sum():.4f}; our empty voxels that are invalid there: '
            f'{((labels == 0) & invalid).sum() / (labels == 0).sum():.3f}'
        )
    assert state > 0.9
    # no class shift: in a voxel with returns of this scan, the class is that of most of its returns
    flat = np.ravel_multi_index(tuple(index[inside].T), GRID.shape)
    votes = np.zeros((own.size, 20), np.int32)
    known_labels = scans[0].labels[inside]
    good = known_labels < 255
    np.add.at(votes, (flat[good], known_labels[good]), 1)
    told = votes.sum(axis=1) > 2
    official_like = votes.argmax(axis=1)
    mine = labels.ravel()
    agree = (mine[told] == official_like[told]).mean()
    with capsys.disabled():
        print(f'class of a voxel is that of most of its own returns: {agree:.3f}')
    assert agree > 0.95
