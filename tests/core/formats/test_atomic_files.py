"""Whole or not at all, flushed before the rename, equal when read back, full disks told as such."""

import errno
import json
import os
import stat

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from projects.OneOcc.core.formats import atomic_files
from projects.OneOcc.core.formats.atomic_files import (
    DiskFullError,
    read_json,
    read_png,
    remove_leftovers,
    write_atomically,
    write_bytes,
    write_json,
    write_npz,
    write_png,
)

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@settings(max_examples=60, deadline=None)
@given(value=JSON_VALUES)
def test_json_reads_back_equal(value, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / 'value.json'
    write_json(path, value)
    assert read_json(path) == value


@settings(max_examples=60, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False, width=32), st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_of_arrays_read_back_bit_for_bit(single, double):
    plain = atomic_files._plain(dict(a=np.float32(single), b=np.array([double])), 'x', '')
    back = json.loads(json.dumps(plain))
    assert np.float32(back['a']).tobytes() == np.float32(single).tobytes()
    assert np.float64(back['b'][0]).tobytes() == np.float64(double).tobytes()


@pytest.mark.parametrize(
    'value, words',
    [
        ({'a': [1, {'b': float('nan')}]}, r'a\[1\]\.b: expected a finite number, got nan'),
        (np.array([[np.inf]]), r'\[0\]\[0\]: expected a finite number, got inf'),
        ({'a': {1, 2}}, 'a: expected what JSON can hold, got set'),
    ],
)
def test_what_json_cannot_hold_is_named_and_not_written(value, words, tmp_path):
    path = tmp_path / 'x.json'
    with pytest.raises(ValueError, match=f'x.json: {words}'):
        write_json(path, value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('content', [b'{"a": 1', b'\xff\xfe{\x00', b'[' * 100_000, b''])
def test_damaged_json_is_named(content, tmp_path):
    path = tmp_path / 'x.json'
    path.write_bytes(content)
    with pytest.raises(ValueError, match='x.json: not a JSON file'):
        read_json(path)
    with pytest.raises(FileNotFoundError, match='y.json'):
        read_json(tmp_path / 'y.json')


def test_a_byte_order_mark_is_no_content(tmp_path):
    path = tmp_path / 'x.json'
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_json(path) == {'a': 1}


def test_the_file_and_its_folder_reach_the_disk_around_the_rename(tmp_path, monkeypatch):
    events = []
    monkeypatch.setattr(atomic_files.os, 'fsync', lambda handle: events.append(stat.S_ISDIR(os.fstat(handle).st_mode)))
    replace = os.replace
    monkeypatch.setattr(atomic_files.os, 'replace', lambda *a: events.append('rename') or replace(*a))
    write_bytes(tmp_path / 'x', b'x')
    write_npz(tmp_path / 'y.npz', a=np.zeros(3))
    write_png(tmp_path / 'z.png', np.zeros((2, 2), np.uint8))
    write_json(tmp_path / 'w.json', {})
    assert events == [False, 'rename', True] * 4


@pytest.mark.parametrize('code', [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize('step', ['fsync', 'replace'])
def test_a_full_disk_is_told_and_leaves_the_old_file(code, step, tmp_path, monkeypatch):
    path = tmp_path / 'infos.json'
    write_json(path, {'old': 1})

    def full(*_):
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(atomic_files.os, step, full)
        with pytest.raises(DiskFullError, match=r'infos\.json: the disk is full') as raised:
            write_json(path, {'new': 1})
    assert raised.value.errno == code
    assert read_json(path) == {'old': 1} and [p.name for p in tmp_path.iterdir()] == ['infos.json']


def test_a_writer_that_fails_or_a_check_that_refuses_leaves_the_old_file(tmp_path):
    path = tmp_path / 'x'
    write_bytes(path, b'old')
    for write, check in ((lambda file: 1 / 0, None), (lambda file: file.write(b'new'), lambda partial: 1 / 0)):
        with pytest.raises(ZeroDivisionError):
            write_atomically(path, write, check)
    assert path.read_bytes() == b'old' and len(list(tmp_path.iterdir())) == 1


def test_leftovers_of_a_killed_run_are_removed(tmp_path):
    (tmp_path / '.x.json.123.tmp').write_text('{')
    (tmp_path / 'kept.tmp').write_text('x')
    remove_leftovers(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ['kept.tmp']


def test_pictures_round_trip(tmp_path):
    image = np.random.default_rng(0).integers(0, 255, (5, 7, 3), np.uint8)
    write_png(tmp_path / 'x.png', image)
    np.testing.assert_array_equal(read_png(tmp_path / 'x.png'), image)
