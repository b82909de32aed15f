"""Labels of rides: nothing wrong is labelled, nothing is overwritten, the robot does not see itself."""

import json

import numpy as np
import pytest

from data_converters import ground_truth
from data_converters.ground_truth import label_sequence, write_infos
from data_converters.voxelize import VoxelizeSettings, read_occupancy
from projects.OneOcc.core.formats.infos import InfoError, read_infos
from projects.OneOcc.core.formats.recording import Recording, RecordingError
from projects.OneOcc.core.geometry import CartesianGrid
from tests.core.formats.rides import GRID, make_ride


def ride_in(root, name='ride', **options):
    return make_ride(root / 'recordings' / name, name, **options)


def labels_of(root, summary, index=-1):
    return read_occupancy(root / summary['entries'][index]['occupancy']['32x32x4'])[0]


def legs(label):
    """Adds returns of the robot's own legs, 0.2 to 0.5 m below and around the sensor."""

    def edit(index, scan):
        rng = np.random.default_rng(index)
        rays = rng.normal(size=(150, 3))
        rays[:, 2] = -abs(rays[:, 2])
        points = rays / np.linalg.norm(rays, axis=1, keepdims=True) * rng.uniform(0.2, 0.5, (150, 1))
        extra = dict(points=points.astype(np.float32), intensity=np.zeros(150), label=np.full(150, label, np.uint8))
        return {k: np.concatenate([scan[k], extra.get(k, np.zeros(150, bool))]) for k in scan}

    return edit


@pytest.mark.parametrize('label', [2, 255])
def test_the_robot_is_no_obstacle_on_its_own_way(label, tmp_path):
    plain = ride_in(tmp_path / 'plain', frames=8)
    seen = ride_in(tmp_path / 'seen', frames=8, edit=legs(label))
    summaries = [label_sequence(r, r.root.parents[1], [GRID]) for r in (plain, seen)]
    expected, found = (labels_of(tmp_path / name, s, 4) for name, s in zip(('plain', 'seen'), summaries))
    np.testing.assert_array_equal(found, expected)
    assert [summary['dropped'] for summary in summaries] == [
        dict(padding=0, own_body=0),
        dict(padding=0, own_body=8 * 150),
    ]
    kept = label_sequence(seen, tmp_path / 'seen', [GRID], VoxelizeSettings(min_range=0))
    assert (labels_of(tmp_path / 'seen', kept, 4) != expected).any()
    boxed = VoxelizeSettings(min_range=0, body_box=(-0.6, -0.6, -0.6, 0.6, 0.6, 0.1))
    boxed = label_sequence(seen, tmp_path / 'seen', [GRID], boxed)
    np.testing.assert_array_equal(labels_of(tmp_path / 'seen', boxed, 4), expected)


def test_padding_points_are_counted_once_a_sweep(tmp_path):
    ride = ride_in(tmp_path, frames=2)
    for frame in ride.frames:
        path = ride.root / frame.files['lidar']
        scan = dict(np.load(path))
        scan['points'][:9] = 0
        np.savez(path, **scan)
    assert label_sequence(ride, tmp_path, [GRID])['dropped'] == dict(padding=18, own_body=0)


def broken(ride, **_):
    (ride.root / ride.frames[-1].files['equi']).unlink()


def no_source(ride, **_):
    for frame in ride.frames:
        frame.files.pop('lidar')


def escaping(ride, **_):
    ride.frames[-1].id = '../../../out'


def lying(ride, **_):
    ride.classes = ('empty', 'road')


@pytest.mark.parametrize(
    'damage, words',
    [(broken, 'expected the file'), (no_source, "files of .*'lidar'"), (escaping, 'id: expected'), (lying, 'without')],
)
def test_everything_is_asked_before_the_first_label(damage, words, tmp_path, monkeypatch):
    ride = ride_in(tmp_path / 'set')
    damage(ride=ride)
    monkeypatch.setattr(ground_truth, 'SequenceMap', lambda *_: pytest.fail('labels were begun'))
    with pytest.raises(RecordingError, match=words):
        label_sequence(ride, tmp_path / 'set', [GRID])
    assert not list(tmp_path.rglob('occupancy*'))


def test_a_recording_outside_the_root_is_refused_first(tmp_path, monkeypatch):
    ride = make_ride(tmp_path / 'elsewhere/ride')
    monkeypatch.setattr(ground_truth, 'SequenceMap', lambda *_: pytest.fail('labels were begun'))
    with pytest.raises(RecordingError, match='expected a recording below the data root'):
        label_sequence(ride, tmp_path / 'set', [GRID])


def test_relative_and_linked_roots_are_the_same_place(tmp_path, monkeypatch):
    ride_in(tmp_path / 'set')
    (tmp_path / 'link').symlink_to(tmp_path / 'set')
    monkeypatch.chdir(tmp_path)
    for recording, root in (
        ('set/recordings/ride', tmp_path / 'set'),
        (tmp_path / 'set/recordings/ride', 'set'),
        ('link/recordings/ride', tmp_path / 'set'),
        ('set/recordings/ride', 'link'),
    ):
        summary = label_sequence(Recording.read(recording), root, [GRID])
        assert summary['entries'][0]['cameras']['equi']['image'] == 'recordings/ride/equi/000000.png'


def test_two_recordings_of_one_name_are_named_and_nothing_is_lost(tmp_path):
    first, second = ride_in(tmp_path, 'monday'), ride_in(tmp_path, 'tuesday')
    summary = label_sequence(first, tmp_path, [GRID])
    before = labels_of(tmp_path, summary)
    second.name = 'monday'
    with pytest.raises(RecordingError, match=r'recordings/tuesday.*recordings/monday'):
        label_sequence(second, tmp_path, [GRID])
    np.testing.assert_array_equal(labels_of(tmp_path, summary), before)
    twin = dict(summary, recording='recordings/tuesday')
    with pytest.raises(InfoError, match=r"'monday' twice, in recordings/monday and recordings/tuesday"):
        write_infos(tmp_path, 'own', {'train': ['monday']}, [GRID], [summary, twin])
    assert not list(tmp_path.glob('infos*'))


def test_grids_of_one_name_are_refused(tmp_path):
    other = CartesianGrid(GRID.shape, 0.4, GRID.origin)
    for grids in ([GRID, other], []):
        with pytest.raises(ValueError, match='distinct shapes'):
            label_sequence(ride_in(tmp_path), tmp_path, grids)


@pytest.fixture(scope='module')
def rides(tmp_path_factory):
    root = tmp_path_factory.mktemp('set')
    classes = dict(
        a=('road', 'building'), b=('building', 'road'), c=('road', 'building', 'person'), d=('road', 'building')
    )
    return root, {
        name: label_sequence(ride_in(root, name, frames=1, classes=names), root, [GRID])
        for name, names in classes.items()
    }


@pytest.mark.parametrize(
    'splits, names, words',
    [
        ({'train': ['a', 'b']}, 'ab', "expected those of 'a' in their order"),
        ({'train': ['a', 'c']}, 'ac', "got .*'person'.* in 'c'"),
        ({'train': ['a'], 'val': ['z']}, 'a', r"val: expected sequences among \['a'\], got \['z'\]"),
        ({'train': ['a'], 'val': []}, 'a', 'val: expected at least one sequence'),
        ({'train': ['a', 'a']}, 'a', 'every sequence once'),
        ({'../x': ['a']}, 'a', 'name of a split'),
        ({}, 'a', 'expected split names'),
        ({'train': ['a']}, '', 'at least one recording'),
    ],
)
def test_splits_and_rides_that_do_not_fit_write_nothing(rides, splits, names, words):
    root, summaries = rides
    with pytest.raises(InfoError, match=words):
        write_infos(root, 'own', splits, [GRID], [summaries[name] for name in names])
    assert not list(root.glob('infos*')) and not (root / 'class_counts.json').exists()


def test_info_files_hold_the_rides_and_their_lenses_exactly(rides, tmp_path):
    root, summaries = rides
    write_infos(root, 'own', {'train': ['a'], 'val': ['d']}, [GRID], [summaries['a'], summaries['d']])
    try:
        infos = read_infos(root / 'infos_train.json')
        assert infos['data_list'] == json.loads(json.dumps(summaries['a']['entries']))
        assert infos['metainfo']['class_counts'] == summaries['a']['counts']['32x32x4'][:-1]
    finally:
        for path in [*root.glob('infos*'), root / 'class_counts.json']:
            path.unlink()
