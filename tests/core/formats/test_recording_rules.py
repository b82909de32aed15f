"""A recording that cannot be labelled or trained on is refused when it is read, not hours later."""

import copy
import json
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from projects.OneOcc.core.formats import recording
from projects.OneOcc.core.formats.recording import Recording, RecordingError, check_sensor_files
from tests.core.formats.rides import make_ride

SIDEWAYS = [[1, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]]


@pytest.fixture(scope='module')
def ride(tmp_path_factory):
    return make_ride(tmp_path_factory.mktemp('rides') / 'ride', frames=2)


@pytest.fixture(scope='module')
def content(ride):
    return json.loads((ride.root / 'recording.json').read_text())


@pytest.fixture
def index(ride):
    path = ride.root / 'recording.json'
    before = path.read_bytes()
    yield path
    path.write_bytes(before)


def put(*keys, value):
    def change(content):
        for key in keys[:-1]:
            content = content[key]
        content[keys[-1]] = value

    return change


@pytest.mark.parametrize(
    'change, words',
    [
        (put('name', value='../../escape'), "name: .*got '../../escape'"),
        (put('name', value='a/b'), 'without slashes'),
        (put('name', value=None), 'name: expected a name'),
        (put('frames', 1, 'id', value=7), r'frames\[1\]: id: expected a name .*got 7'),
        (put('frames', 1, 'id', value='../x'), r'frames\[1\]: id: .*got .\.\./x'),
        (put('frames', 0, 'files', value={'equi': 'C:/x.png'}), 'equi: .*C:/x.png'),
        (put('frames', 0, 'files', value={'equi': 3}), 'equi: expected a name'),
        (put('frames', 0, 'files', value=['equi']), 'files: expected sensors'),
        (put('frames', 0, 'time', value='0.0'), "time: expected finite seconds, got '0.0'"),
        (put('frames', 1, 'time', value=float('inf')), 'time: expected after 0.0, got inf'),
        (put('frames', 0, 'world_from_ego', value=[[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0]]), 'four rows'),
        (put('frames', 0, 'world_from_ego', 0, value=['1', 0, 0, 0]), '4x4 matrix of numbers'),
        (put('frames', 0, 'world_from_ego', 0, value=[True, 0, 0, 0]), '4x4 matrix of numbers'),
        (put('frames', 0, 'world_from_ego', 3, value=[0, 0, 0, 1.1]), 'last row'),
        (put('frames', 0, 'world_from_ego', 0, value=[1, 0, 0, 1e300]), 'within 1e'),
        (
            put('frames', 1, 'world_from_ego', value=SIDEWAYS),
            r'frames\[1\] \(000001\).*tilt of 90.0 degrees.*camera axes',
        ),
        (put('frames', 1, 'world_from_ego', 0, 3, value=691000.0), 'a jump of 691000.0 m in 0.1 s .6.91e.06 m/s'),
        (
            put('frames', 1, 'world_from_body', 1, 3, value=40.0),
            r'frames\[1\].*world_from_body.*within 5 m.*got 40.0 m',
        ),
        (put('classes', value={'1': 'road'}), "classes: expected a list .*got {'1': 'road'}"),
        (put('classes', value=['empty', 'road']), "without 'empty'"),
        (put('classes', value=['road', 'road']), 'distinct'),
        (put('classes', value=[f'c{i}' for i in range(254)]), '1..253'),
        (put('meta', 'lighting', value=None), 'meta.lighting: expected a name'),
        (put('meta', 'map', value=3), 'meta.map: expected a name .*got 3'),
        (put('meta', value=[]), 'meta: expected an object'),
        (put('rig', 'cameras', 'equi', 'model', value='kannala_brandt'), "rig: equi: camera model: .*'kannala_brandt'"),
        (put('rig', 'cameras', 'equi', 'width', value='16'), 'rig: equi'),
        (put('rig', 'cameras', 'equi', 'focal', value=1), 'rig: equi: .*focal'),
        (put('rig', 'lidars', 'lidar', 'intensity_max', value=0), 'intensity_max: expected a number above 0'),
        (put('rig', 'lidars', 'lidar', 'lidar_from_body', value=None), 'lidar_from_body: expected a 4x4'),
        (put('dense', value={'camera': 'equi', 'depth_unit_m': -1}), 'depth_unit_m: expected metres above 0'),
        (lambda c: [f['files'].pop('equi') for f in c['frames']], 'at least one frame with an image'),
        (lambda c: c['rig']['cameras'].update(depth=c['rig']['cameras']['equi']), r"used once.*\['depth'\]"),
        (lambda c: c['rig']['cameras'].update({'../x': c['rig']['cameras']['equi']}), 'rig: name of a sensor'),
    ],
)
def test_the_wrong_entry_is_named_when_the_recording_is_read(ride, index, content, change, words):
    changed = copy.deepcopy(content)
    change(changed)
    index.write_text(json.dumps(changed))
    with pytest.raises(RecordingError, match=words) as error:
        Recording.read(ride.root)
    assert 'recording.json' in str(error.value)


def test_a_byte_order_mark_is_read(ride, index):
    index.write_bytes(b'\xef\xbb\xbf' + index.read_bytes())
    assert Recording.read(ride.root).name == 'ride'


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_any_value_anywhere_is_read_or_refused_in_a_sentence(content, tmp_path_factory, data):
    changed = copy.deepcopy(content)
    place = changed
    while True:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if not isinstance(place[key], (dict, list)) or not place[key] or data.draw(st.integers(0, 3)) == 0:
            break
        place = place[key]
    values = st.one_of(
        st.none(),
        st.integers(-3, 10**400),
        st.floats(),
        st.text(max_size=5),
        st.lists(st.floats(), max_size=4),
        st.dictionaries(st.text(max_size=2), st.none(), max_size=2),
    )
    place[key] = data.draw(values)
    root = tmp_path_factory.getbasetemp()
    (root / 'recording.json').write_text(json.dumps(changed))
    try:
        Recording.read(root)
    except RecordingError as error:
        assert 'recording.json' in str(error)


def test_what_is_written_is_read_back_equal(tmp_path):
    rng = np.random.default_rng(5)
    ride = make_ride(tmp_path, write=False)
    for frame in ride.frames:
        frame.world_from_ego[:3, 3] += rng.normal(size=3)
        frame.world_from_body[:3, 3] = frame.world_from_ego[:3, 3]
        frame.time += rng.uniform() * 1e-3
    ride.intensity_max = {'lidar': 255}
    ride.write()
    back = Recording.read(tmp_path)
    assert back.intensity_max == {'lidar': 255}
    for mine, theirs in zip(ride.frames, back.frames):
        assert mine.time == theirs.time and np.array_equal(mine.world_from_ego, theirs.world_from_ego)


def test_writing_checks_names_before_a_file_exists(tmp_path):
    ride = make_ride(tmp_path / 'ride', write=False)
    ride.frames[0].id = '../../escape'
    with pytest.raises(RecordingError, match='escape'):
        ride.write_image(ride.frames[0], 'equi', np.zeros((8, 16, 3), np.uint8))
    assert not list(tmp_path.rglob('escape*'))


def scan_of(ride):
    return np.load(ride.root / ride.frames[1].files['lidar'])


@pytest.mark.parametrize(
    'file, damage, words',
    [
        ('equi', lambda path, scan: path.unlink(), 'expected the file'),
        ('equi', lambda path, scan: Image.new('RGB', (8, 8)).save(path), '16x8 pixels as the camera states, got 8x8'),
        ('equi', lambda path, scan: path.write_text('no'), 'expected a readable image'),
        ('lidar', lambda path, scan: path.write_text('no'), 'not a readable archive'),
        ('lidar', lambda path, scan: np.savez(path, points=scan['points']), 'expected the arrays'),
        ('lidar', lambda path, scan: np.savez(path, **{**scan, 'label': scan['label'][1:]}), 'label: expected shape'),
        ('lidar', lambda path, scan: np.savez(path, **{**scan, 'points': scan['label']}), r'expected \(N, 3\)'),
    ],
)
def test_sensor_files_are_looked_at_by_their_headers(tmp_path, file, damage, words):
    ride = make_ride(tmp_path / 'ride', frames=2)
    check_sensor_files(ride)
    damage(ride.root / ride.frames[1].files[file], dict(scan_of(ride)))
    with pytest.raises(RecordingError, match=rf'frames\[1\] \(000001\): {file}: .*{words}'):
        check_sensor_files(ride)


def test_a_picture_that_declares_too_much_is_never_decoded(tmp_path, monkeypatch):
    ride = make_ride(tmp_path / 'ride', frames=1)
    path = ride.root / ride.frames[0].files['equi']
    content = bytearray(path.read_bytes())
    content[16:24] = (30000).to_bytes(4, 'big') * 2
    path.write_bytes(content)
    monkeypatch.setattr(recording, 'read_png', lambda path: pytest.fail('decoded'))
    with pytest.raises(RecordingError, match=r'expected \(8, 16\) pixels .* got \(30000, 30000\)'):
        ride.read_image(ride.frames[0], 'equi')


def test_files_of_a_linked_folder_are_read(tmp_path):
    ride = make_ride(tmp_path / 'ride', frames=2)
    shutil.move(ride.root / 'equi', tmp_path / 'other_disk')
    (ride.root / 'equi').symlink_to(tmp_path / 'other_disk')
    check_sensor_files(Recording.read(ride.root))
