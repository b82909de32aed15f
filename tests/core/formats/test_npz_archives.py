"""Archives from anywhere: equal to numpy's reader where they are sound, refused before memory is taken where not."""

import io
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from projects.OneOcc.core.formats.npz_archives import MAX_BYTES, ArchiveError, read_npz, read_npz_headers


def write_raw(path, header, payload=b'', name='a'):
    """An archive with one member of this very header, compressed."""
    text = header.encode('latin1', 'replace') if isinstance(header, str) else header
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
        content = b'\x93NUMPY\x01\x00' + struct.pack('<H', len(text)) + text + payload
        archive.writestr(f'{name}.npy', content)
    return path


def header(descr="'|u1'", shape='(4,)', order='False'):
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n"


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(
        st.sampled_from([np.uint8, np.int64, np.float32, np.bool_, np.dtype('<U5')]),
        hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5),
        elements=None,
    ),
    st.booleans(),
)
def test_sound_arrays_read_as_numpy_reads_them(array, fortran):
    array = np.asfortranarray(array) if fortran else array
    file = io.BytesIO()
    np.savez_compressed(file, a=array)
    path = _Path.write(file.getvalue())
    found = read_npz(path, ('a',), optional=('b',))
    assert list(found) == ['a'] and found['a'].dtype == array.dtype and found['a'].shape == array.shape
    np.testing.assert_array_equal(found['a'], np.load(path)['a'])
    assert found['a'].flags.writeable
    assert read_npz_headers(path, ('a',))['a'].shape == array.shape


class _Path:
    folder = None

    @classmethod
    def write(cls, content):
        path = cls.folder / 'x.npz'
        path.write_bytes(content)
        return path


@pytest.fixture(scope='module', autouse=True)
def folder(tmp_path_factory):
    _Path.folder = tmp_path_factory.mktemp('npz')


@pytest.mark.parametrize(
    'text, words',
    [
        (header(shape='(1000000, 1000000)'), 'at most 256 MiB'),
        (header(shape=f'({MAX_BYTES + 1},)'), 'at most 256 MiB'),
        (header(shape='(-4,)'), 'expected lengths from 0 on'),
        (header(descr="'|O'"), 'needs pickle'),
        (header(descr="[('x', '<f4')]"), 'has fields'),
        (header(shape='(3,)'), 'expected 3 bytes .* got more'),
        (header(shape='(5,)'), 'expected 5 bytes .* got 4'),
        (header(shape="'no'"), 'not a readable archive'),
        ('{' * 500, 'not a readable archive'),
        (b'\xff' * 50, 'not a readable archive'),
    ],
)
def test_headers_that_lie_are_refused_by_name(text, words):
    path = write_raw(_Path.folder / 'x.npz', text, b'1234')
    with pytest.raises(ArchiveError, match=f'x.npz.*{words}'):
        read_npz(path, ('a',))


def test_a_small_file_cannot_ask_for_much_memory():
    path = write_raw(_Path.folder / 'x.npz', header(shape='(4096, 4096, 2)'), bytes(1 << 25))
    assert path.stat().st_size < 100_000

    def refuse(headers):
        raise ValueError(f'expected (64, 64, 8), got {headers["a"].shape}')

    tracemalloc.start()
    with pytest.raises(ValueError, match=r'got \(4096, 4096, 2\)'):
        read_npz(path, ('a',), refuse)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200))
def test_any_header_ends_in_a_sentence(text):
    path = write_raw(_Path.folder / 'y.npz', text, b'1234')
    try:
        read_npz(path, ('a',))
    except ArchiveError as error:
        assert 'y.npz' in str(error)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 400), st.integers(0, 7))
def test_any_flipped_bit_ends_in_a_sentence_or_the_same_array(position, bit):
    file = io.BytesIO()
    array = np.arange(50, dtype=np.uint8)
    np.savez_compressed(file, a=array)
    content = bytearray(file.getvalue())
    content[position % len(content)] ^= 1 << bit
    path = _Path.write(bytes(content))
    try:
        found = read_npz(path, ('a',))['a']
    except ArchiveError:
        return
    np.testing.assert_array_equal(found.reshape(-1), array)


def test_missing_files_and_other_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='nowhere.npz'):
        read_npz(tmp_path / 'nowhere.npz', ('a',))
    np.save(tmp_path / 'x.npy', np.zeros(3))
    with pytest.raises(ArchiveError, match=r'x\.npy: not a readable archive'):
        read_npz(tmp_path / 'x.npy', ('a',))
    np.savez(tmp_path / 'y.npz', b=np.zeros(3))
    with pytest.raises(ArchiveError, match=r"expected the arrays \['a'\], got \['b'\]"):
        read_npz(tmp_path / 'y.npz', ('a',))
