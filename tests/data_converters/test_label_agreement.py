"""Aggregated labels against the exact occupancy of the synthetic worlds that they were made from."""

from collections import Counter
from dataclasses import replace

import pytest

from data_converters.ground_truth import frame_scanner
from data_converters.synthetic.capture.protocols import HUMANSIM_MINI, QUADSIM_MINI
from data_converters.synthetic.capture.record import cached_world, record_sequence
from data_converters.synthetic.capture.truth import KINDS, compare, exact_occupancy, report
from data_converters.voxelize import SequenceMap, VoxelizeSettings


@pytest.mark.parametrize(
    'protocol, sequence, least',
    [
        (replace(QUADSIM_MINI, image_size=(64, 48)), 1, 0.97),
        (replace(HUMANSIM_MINI, maps=1), 0, 0.97),
    ],
    ids=['lidar', 'panorama'],
)
def test_seen_voxels_agree_with_the_exact_world(protocol, sequence, least, tmp_path, capsys):
    plan = protocol.plans()[sequence]
    recording = record_sequence(protocol, plan, tmp_path)
    world = cached_world(protocol.world_kind, plan.world_seed)
    settings = VoxelizeSettings()
    scans_of = frame_scanner(recording, settings)
    scans = [scan for frame in recording.frames for scan in scans_of(frame)]
    positions = [frame.world_from_ego[:3, 3] for frame in recording.frames]
    aggregate = SequenceMap(scans, positions, protocol.grids, len(recording.classes), settings)
    for grid, samples in zip(protocol.grids, (5, 3)):
        total = Counter()
        for frame in recording.frames[3 :: len(recording.frames) // 3]:
            labels = aggregate.labels(frame.world_from_ego, grid, scans_of(frame))
            scene = world.at(frame.time, observer=frame.world_from_body[:2, 3])
            truth = exact_occupancy(scene, frame.world_from_ego, grid, samples)
            total.update(compare(labels, truth))
        with capsys.disabled():
            print(f'\n{plan.name} at {grid.voxel_size} m: {report(total)}')
        assert total['seen'] == total['right'] + sum(total[kind] for kind in KINDS)
        assert total['right'] / total['seen'] >= least
        assert total['occupied_right'] / total['occupied'] > 0.8
        assert total['seen'] / total['voxels'] > 0.3
