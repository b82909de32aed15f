"""Info files: what fits passes unchanged, what does not is named with file, entry and value."""

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from projects.OneOcc.core.formats.infos import InfoError, build_infos, grid_key, read_infos, validate_infos

IDENTITY = [[1.0, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, 1.0, 0], [0, 0, 0, 1]]
GRID = {'shape': [64, 64, 8], 'voxel_size': 0.4, 'origin': [-12.8, -12.8, -1.2]}


def make_entry(frame='000005'):
    return {
        'sample_id': f'seq00/{frame}',
        'sequence': 'seq00',
        'frame': frame,
        'time': 0.5,
        'lighting': 'day',
        'weather': 'clear',
        'map': 'map00',
        'world_from_ego': copy.deepcopy(IDENTITY),
        'world_from_body': copy.deepcopy(IDENTITY),
        'cameras': {
            'raw': {
                'model': 'taylor',
                'cam_from_ego': copy.deepcopy(IDENTITY),
                'image': f'recordings/seq00/raw/{frame}.png',
            }
        },
        'lidars': {'lidar': {'lidar_from_ego': copy.deepcopy(IDENTITY), 'path': f'recordings/seq00/lidar/{frame}.npz'}},
        'occupancy': {'64x64x8': f'occupancy/seq00/{frame}.npz'},
    }


def make_infos():
    return build_infos(
        'quadsim',
        'train',
        ['vehicle', 'road'],
        copy.deepcopy(GRID),
        [make_entry('000005'), make_entry('000010')],
        [10, 2, 3],
        0.25,
    )


def test_valid_infos_survive_the_disk(tmp_path):
    infos = make_infos()
    path = tmp_path / 'infos_train.json'
    path.write_text(json.dumps(infos))
    assert read_infos(path) == infos
    assert grid_key((128, 128, 16)) == '128x128x16'


def _set(path, value):
    def change(infos):
        target = infos
        for key in path[:-1]:
            target = target[key]
        target[path[-1]] = value

    return change


@pytest.mark.parametrize(
    'change, words',
    [
        (_set(('data_list',), []), ('non-empty data_list', 'an empty split')),
        (_set(('metainfo', 'version'), 2), ('metainfo: version', 'expected 1', 'got 2')),
        (_set(('metainfo', 'class_counts'), [1, 2]), ('class_counts', 'expected 3 counts', '[1, 2]')),
        (_set(('metainfo', 'unknown_share'), 1.5), ('unknown_share', '1.5')),
        (_set(('metainfo', 'classes'), ['empty', 'road']), ("without 'empty'",)),
        (_set(('metainfo', 'grid', 'voxel_size'), -0.4), ('voxel_size', '-0.4')),
        (_set(('data_list', 1, 'time'), float('nan')), ('data_list[1]: time', 'nan')),
        (
            _set(('data_list', 1, 'world_from_ego', 0, 3), float('nan')),
            ('data_list[1]: world_from_ego', '16 finite numbers'),
        ),
        (_set(('data_list', 0, 'world_from_body', 0, 0), 2.0), ('data_list[0]: world_from_body', 'orthonormal')),
        (_set(('data_list', 0, 'world_from_ego', 2, 2), -1.0), ('mirrored',)),
        (_set(('data_list', 0, 'world_from_ego'), [[1, 2], [3, 4]]), ('4x4 matrix',)),
        (_set(('data_list', 1, 'sample_id'), 'seq00/000005'), ('used once', 'data_list[0]')),
        (_set(('data_list', 0, 'cameras', 'raw', 'image'), '/etc/passwd'), ('below the data root',)),
        (_set(('data_list', 0, 'occupancy', '64x64x8'), '../x.npz'), ('below the data root', '../x')),
        (_set(('data_list', 0, 'occupancy'), {'8x8x8': 'a.npz'}), ("'64x64x8'", '8x8x8')),
        (_set(('data_list', 0, 'lighting'), None), ('lighting', 'None')),
        (_set(('data_list', 0, 'cameras', 'raw', 'mask'), '../mask.png'), ('raw', 'mask', '../mask.png')),
    ],
)
def test_the_first_wrong_entry_is_named(change, words):
    infos = make_infos()
    change(infos)
    with pytest.raises(InfoError) as error:
        validate_infos(infos, 'infos_train.json')
    assert str(error.value).startswith('infos_train.json')
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize('key', ['sample_id', 'cameras', 'occupancy', 'world_from_ego'])
def test_a_missing_key_is_named(key):
    infos = make_infos()
    del infos['data_list'][1][key]
    with pytest.raises(InfoError, match=rf'data_list\[1\]: expected the key {key!r}'):
        validate_infos(infos)


def test_missing_and_truncated_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='nowhere.json'):
        read_infos(tmp_path / 'nowhere.json')
    path = tmp_path / 'infos_val.json'
    path.write_text(json.dumps(make_infos())[:200])
    with pytest.raises(InfoError, match='infos_val.json.*truncated'):
        read_infos(path)


@pytest.mark.parametrize(
    'change, words',
    [
        (_set(('data_list', 0, 'sample_id'), '../../x'), (': sample_id', '../../x')),
        (_set(('data_list', 0, 'sequence'), 'a/b'), ('without slashes',)),
        (_set(('data_list', 0, 'frame'), 'C:x'), (': frame', 'C:x')),
        (_set(('data_list', 0, 'cameras', 'raw', 'image'), 'a\\..\\b'), ('below the data root',)),
        (_set(('data_list', 0, 'lidars', 'lidar', 'path'), 'a/nul'), ('below the data root', 'a/nul')),
        (_set(('data_list', 0, 'lidars', 'lidar', 'intensity_max'), -1), ("'intensity_max' above 0",)),
        (_set(('data_list', 0, 'cameras'), {'../x': {}}), ('../x',)),
        (_set(('metainfo', 'classes'), ['a', ' ']), ('distinct names',)),
        (_set(('data_list', 0, 'world_from_ego', 0), ['1', 0, 0, 0]), ('4x4 matrix of numbers',)),
        (_set(('metainfo', 'grid', 'shape'), [True, 64, 8]), ('three positive integers',)),
    ],
)
def test_names_that_lead_out_and_numbers_that_are_none_are_named(change, words):
    infos = make_infos()
    change(infos)
    with pytest.raises(InfoError) as error:
        validate_infos(infos, 'infos_train.json')
    for word in words:
        assert word in str(error.value)


def test_a_byte_order_mark_is_read(tmp_path):
    path = tmp_path / 'infos_train.json'
    path.write_bytes(b'\xef\xbb\xbf' + json.dumps(make_infos()).encode())
    assert read_infos(path) == make_infos()


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_any_value_anywhere_passes_or_is_refused_in_a_sentence(data):
    infos = make_infos()
    place = infos
    while True:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if not isinstance(place[key], (dict, list)) or not place[key] or data.draw(st.integers(0, 3)) == 0:
            break
        place = place[key]
    place[key] = data.draw(
        st.one_of(
            st.none(),
            st.booleans(),
            st.integers(-3, 10**400),
            st.floats(),
            st.text(max_size=5),
            st.lists(st.text(max_size=2), max_size=4),
            st.dictionaries(st.text(max_size=2), st.none(), max_size=2),
        )
    )
    try:
        validate_infos(infos, 'infos_train.json')
    except InfoError as error:
        assert str(error).startswith('infos_train.json')
