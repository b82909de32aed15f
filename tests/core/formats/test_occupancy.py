"""Label files: one format for truth and prediction, compared with what is expected before memory is taken."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_converters import voxelize
from projects.OneOcc.core.formats import occupancy
from projects.OneOcc.core.formats.atomic_files import write_npz
from projects.OneOcc.core.formats.labels import UNKNOWN, check_classes
from projects.OneOcc.core.formats.occupancy import (
    OccupancyError,
    count_labels,
    load_occupancy,
    prediction_path,
    read_occupancy,
    save_prediction,
    write_occupancy,
)
from projects.OneOcc.core.geometry import CartesianGrid

GRID = CartesianGrid((6, 5, 4), 0.4, (-1.2, -1.0, -0.8))
CLASSES = ('road', 'building')


@pytest.fixture
def labels():
    labels = np.random.default_rng(0).integers(0, 3, GRID.shape).astype(np.uint8)
    labels[0] = UNKNOWN
    return labels


def test_truth_and_prediction_are_the_same_file(labels, tmp_path):
    write_occupancy(tmp_path / 'a.npz', labels, GRID, CLASSES)
    save_prediction(tmp_path / 'b.npz', labels.astype(np.int64), GRID.origin, GRID.voxel_size, list(CLASSES))
    assert (tmp_path / 'a.npz').read_bytes() == (tmp_path / 'b.npz').read_bytes()
    found = load_occupancy(tmp_path / 'a.npz', GRID, CLASSES)
    np.testing.assert_array_equal(found.labels, labels)
    assert (found.grid, found.classes, found.unobserved) == (GRID, CLASSES, None)
    assert voxelize.read_occupancy is read_occupancy and voxelize.write_occupancy is occupancy.write_occupancy
    counts, unknown = count_labels(labels, 2)
    assert unknown == 20 and counts.sum() == labels.size - 20


def test_unobserved_voxels_are_kept(labels, tmp_path):
    unobserved = np.zeros(GRID.shape, bool)
    unobserved[0, :2] = True
    write_occupancy(tmp_path / 'a.npz', labels, GRID, CLASSES, unobserved)
    np.testing.assert_array_equal(load_occupancy(tmp_path / 'a.npz').unobserved, unobserved)
    assert len(read_occupancy(tmp_path / 'a.npz')) == 3
    unobserved[1] = True
    with pytest.raises(ValueError, match='expected the label 255 in unobserved voxels, got others in 20'):
        write_occupancy(tmp_path / 'a.npz', labels, GRID, CLASSES, unobserved)
    with pytest.raises(ValueError, match='unobserved: expected bool'):
        write_occupancy(tmp_path / 'a.npz', labels, GRID, CLASSES, labels)


@pytest.mark.parametrize(
    'grid, classes, words',
    [
        (CartesianGrid((4, 5, 6), 0.4, GRID.origin), None, r'\(4, 5, 6\), got \(6, 5, 4\)'),
        (CartesianGrid(GRID.shape, 0.2, GRID.origin), None, '0.2 m, got 0.4 m'),
        (CartesianGrid(GRID.shape, 0.4, (0, 0, 0)), None, r'\[0.0, 0.0, 0.0\] m, got'),
        (None, ('building', 'road'), 'expected the classes'),
    ],
)
def test_other_files_are_refused_with_both_values(labels, grid, classes, words, tmp_path):
    write_occupancy(tmp_path / 'a.npz', labels, GRID, CLASSES)
    with pytest.raises(OccupancyError, match=f'a.npz: .*{words}'):
        load_occupancy(tmp_path / 'a.npz', grid, classes)


@pytest.mark.parametrize(
    'change, words',
    [
        (dict(labels=np.zeros((3, 3), np.uint8)), r'expected uint8 \(X, Y, Z\)'),
        (dict(labels=np.zeros(GRID.shape, np.float32)), 'got float32'),
        (dict(labels=np.full(GRID.shape, 9, np.uint8)), r'labels 0\.\.2 or 255, got \[9\]'),
        (dict(classes=np.array(['empty', 'road'])), "without 'empty'"),
        (dict(classes=np.array([1, 2])), 'expected a list of names'),
        (dict(voxel_size_m=np.float64(np.nan)), 'voxel_size'),
        (dict(voxel_size_m=np.array('0.4')), 'voxel_size_m: expected numbers'),
        (dict(origin_m=np.zeros(2)), r'origin_m: expected numbers of shape \(3,\)'),
        (dict(unobserved=np.zeros((2, 2, 2), bool)), 'unobserved: expected bool'),
    ],
)
def test_damaged_files_are_named(labels, change, words, tmp_path):
    arrays = dict(labels=labels, origin_m=np.zeros(3), voxel_size_m=np.float64(0.4), classes=np.array(CLASSES))
    write_npz(tmp_path / 'a.npz', **(arrays | change))
    with pytest.raises(OccupancyError, match=f'a.npz: .*{words}'):
        read_occupancy(tmp_path / 'a.npz')


@pytest.mark.parametrize('wrong', [np.full(GRID.shape, 256), np.full(GRID.shape, -1), np.zeros((6, 5, 3), np.uint8)])
def test_labels_that_do_not_fit_are_not_written(wrong, tmp_path):
    with pytest.raises(OccupancyError, match='a.npz'):
        write_occupancy(tmp_path / 'a.npz', wrong, GRID, CLASSES)
    assert not list(tmp_path.iterdir())


def test_predictions_stay_in_their_folder(tmp_path):
    assert prediction_path(tmp_path, 'seq/0.1') == tmp_path / 'seq/0.1.npz'
    for name in ('../x', '/x', 'a/../../x', ''):
        with pytest.raises(ValueError, match='sample_id: expected'):
            prediction_path(tmp_path, name)


@settings(max_examples=60, deadline=None)
@given(st.one_of(st.text(), st.none(), st.lists(st.one_of(st.text(max_size=3), st.integers()), max_size=4)))
def test_class_lists_are_names_or_refused(value):
    try:
        names = check_classes(value, 'classes')
    except ValueError as error:
        assert str(error).startswith('classes: expected')
    else:
        assert isinstance(value, list) and names == tuple(value) and all(name.strip() for name in names)
