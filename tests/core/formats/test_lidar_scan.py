"""Sweeps: padding, NaN and scales of intensity, the robot's own body."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from projects.OneOcc.core.formats.lidar_scan import SweepError, check_body, clean_sweep, own_body, unit_intensity
from projects.OneOcc.core.formats.recording import RecordingError
from tests.core.formats.rides import make_ride


@pytest.mark.parametrize(
    'values, largest, expected',
    [
        (np.array([0, 0.25, 1], np.float32), None, [0, 0.25, 1]),
        (np.array([np.nan, np.inf, 0.5, -np.inf]), None, [0, 0, 0.5, 0]),
        (np.array([0, 51, 255], np.uint8), None, [0, 0.2, 1]),
        (np.array([0, 65535], np.uint16), None, [0, 1]),
        (np.array([0, 51, 255], np.float32), 255, [0, 0.2, 1]),
        (np.array([0, 51, 102], np.uint8), 102, [0, 0.5, 1]),
        (np.zeros(0, np.float32), None, []),
    ],
)
def test_intensity_is_brought_to_one_scale_by_its_type_or_by_what_is_stated(values, largest, expected):
    unit = unit_intensity(values, 'x', largest)
    np.testing.assert_allclose(unit, expected, atol=1e-6)
    assert unit.dtype.kind == 'f'


@pytest.mark.parametrize('values', [[0, 255.0], [-0.5, 0.5], [0.2, 1.5]])
def test_other_scales_are_refused_with_their_range(values):
    with pytest.raises(SweepError, match=rf'x.npz: intensity: expected values in \[0, 1\].*got {values[0]:g}\.\.'):
        unit_intensity(np.array(values), 'x.npz')


@given(st.lists(st.booleans(), max_size=30))
@settings(deadline=None)
def test_padding_is_dropped_from_every_array_and_counted(padded):
    mask = np.array(padded, bool)
    points = np.arange(3.0 * len(mask)).reshape(-1, 3) + 1
    points[mask] = 0
    arrays = dict(points=points, intensity=np.full(len(mask), np.nan), label=np.arange(len(mask)) % 3)
    found, count = clean_sweep(arrays, 'x', num_classes=2)
    assert count == mask.sum()
    np.testing.assert_array_equal(found['points'], points[~mask])
    np.testing.assert_array_equal(found['label'], arrays['label'][~mask])
    assert not found['intensity'].any()


def test_recordings_apply_the_rules_when_writing_and_reading(tmp_path):
    def edit(index, scan):
        scan['points'][:7] = 0
        scan['intensity'] = np.full(len(scan['points']), 51, np.uint8) if index else scan['intensity'] * np.nan
        return scan

    ride = make_ride(tmp_path, frames=2, edit=edit)
    assert np.load(ride.root / ride.frames[0].files['lidar'])['points'].any(axis=1).all()
    assert not ride.read_lidar(ride.frames[0], 'lidar')['intensity'].any()
    np.testing.assert_allclose(ride.read_lidar(ride.frames[1], 'lidar')['intensity'], 0.2, atol=1 / 256)
    path = ride.root / ride.frames[0].files['lidar']
    scan = dict(np.load(path))
    scan['points'][:5] = 0
    np.savez(path, **scan)
    assert len(ride.read_lidar(ride.frames[0], 'lidar')['points']) == len(scan['points']) - 5
    assert ride.padding == {'lidar/000000.npz': 5}
    for wrong, words in (
        (dict(scan, intensity=scan['intensity'] + 200), 'intensity'),
        (dict(scan, label=scan['label'] + 300), 'labels'),
        (dict(scan, points=scan['points'] * np.nan), 'finite'),
    ):
        with pytest.raises(RecordingError, match=words):
            ride.write_lidar(ride.frames[0], 'lidar', wrong)


def test_a_stated_scale_holds_for_writing_and_reading(tmp_path):
    ride = make_ride(tmp_path, frames=1)
    scan = ride.read_lidar(ride.frames[0], 'lidar')
    ride.intensity_max['lidar'] = 255
    ride.write_lidar(ride.frames[0], 'lidar', dict(scan, intensity=np.full(len(scan['label']), 127.5)))
    assert np.load(ride.root / 'lidar/000000.npz')['intensity'].max() == 127.5
    np.testing.assert_allclose(ride.read_lidar(ride.frames[0], 'lidar')['intensity'], 0.5)


def test_the_body_is_near_the_sensor_or_in_its_box():
    points = np.array([[0.1, 0, 0.5], [0, 0, -0.4], [2, 0, 0], [0.4, 0, -0.4], [0.41, 0, -0.4]])
    assert own_body(points, np.array([0, 0, 0.5]), 0.6).tolist() == [True, False, False, False, False]
    box = (-0.4, -0.2, -0.5, 0.4, 0.2, 0.2)
    assert own_body(points, np.array([0, 0, 0.5]), 0.6, box).tolist() == [True, True, False, True, False]
    assert not own_body(points, np.zeros(3), 0.0).any()


@pytest.mark.parametrize('reach, box', [(-1, None), (np.nan, None), (0, (0, 0, 0, 0, 1, 1)), (0, (1, 2, 3))])
def test_ranges_and_boxes_that_mean_nothing_are_refused(reach, box):
    with pytest.raises(ValueError, match='expected'):
        check_body(reach, box)
