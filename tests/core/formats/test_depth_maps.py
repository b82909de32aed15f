"""Depth files that any network wrote, and files that are none."""

from __future__ import annotations

import numpy as np
import pytest

from projects.OneOcc.core.formats.atomic_files import write_png
from projects.OneOcc.core.formats.depth_maps import (
    DepthMapError,
    DepthScale,
    find_depth_map,
    read_depth_map,
    read_scale,
    write_depth_map,
    write_scale,
)

DEPTH = np.array([[1.0, 2.5, 0.0], [130.0, 0.25, 10.0]])


@pytest.mark.parametrize('dtype', [np.float16, np.float32, np.float64, np.uint16])
@pytest.mark.parametrize('lead', [(), (1,)])
def test_an_array_of_numbers(tmp_path, dtype, lead):
    values = (DEPTH * 4).astype(dtype)
    np.save(tmp_path / 'a.npy', values.reshape(*lead, 2, 3))
    read = read_depth_map(tmp_path / 'a.npy', unit_m=0.25)
    assert read.dtype == np.float32
    np.testing.assert_allclose(read, DEPTH, rtol=1e-3)


def test_what_is_not_positive_or_finite_is_unknown(tmp_path):
    np.save(tmp_path / 'a.npy', np.array([[np.nan, np.inf, -1.0, -np.inf, 0.0, 3.0]]))
    assert read_depth_map(tmp_path / 'a.npy').tolist() == [[0, 0, 0, 0, 0, 3]]


def test_written_maps_come_back_within_half_a_unit(tmp_path):
    truth = np.where(np.arange(6) % 2, np.inf, np.linspace(0.01, 131.0, 6)).reshape(2, 3)
    write_depth_map(tmp_path / 'deep/a.png', truth)
    read = read_depth_map(tmp_path / 'deep/a.png', 0.002)
    known = np.isfinite(truth)
    np.testing.assert_allclose(read[known], truth[known], atol=0.001001)
    assert not read[~known].any()
    write_depth_map(tmp_path / 'far.png', np.array([[200.0, 1.0]]))
    assert read_depth_map(tmp_path / 'far.png', 0.002).tolist() == [[0, 1]]


def test_a_png_of_eight_bits(tmp_path):
    write_png(tmp_path / 'a.png', np.array([[0, 10], [255, 1]], np.uint8))
    assert read_depth_map(tmp_path / 'a.png', 0.5).tolist() == [[0, 5], [127.5, 0.5]]


def test_the_folder_states_its_scale(tmp_path):
    assert read_scale(tmp_path) is None
    write_scale(tmp_path, DepthScale(0.25, 'cube'))
    assert read_scale(tmp_path) == DepthScale(0.25, 'cube')
    (tmp_path / 'depth.json').write_text('{"unit_m": -1}')
    with pytest.raises(DepthMapError, match='unit_m: expected metres above 0, got -1'):
        read_scale(tmp_path)
    (tmp_path / 'depth.json').write_text('[1]')
    with pytest.raises(DepthMapError, match="expected an object with 'unit_m'"):
        read_scale(tmp_path)


def test_one_file_a_sample(tmp_path):
    write_depth_map(tmp_path / 'seq00/000001.png', DEPTH)
    assert find_depth_map(tmp_path, 'seq00/000001').name == '000001.png'
    with pytest.raises(FileNotFoundError, match='no depth map of the sample seq00/000002'):
        find_depth_map(tmp_path, 'seq00/000002')
    np.save(tmp_path / 'seq00/000001.npy', DEPTH)
    with pytest.raises(DepthMapError, match='expected one depth map'):
        find_depth_map(tmp_path, 'seq00/000001')
    with pytest.raises(DepthMapError, match='relative path'):
        find_depth_map(tmp_path, '../seq00/000001')


def _colour(path):
    write_png(path, np.zeros((2, 2, 3), np.uint8))


def _truncated(path):
    write_depth_map(path, np.random.default_rng(0).uniform(1, 9, (40, 40)))
    path.write_bytes(path.read_bytes()[:-30])


@pytest.mark.parametrize(
    'name, make, words',
    [
        ('a.png', _colour, 'expected one channel'),
        ('a.png', _truncated, 'ends before its last chunk|cut off'),
        ('a.png', lambda path: path.write_bytes(b''), 'damaged'),
        ('a.png', lambda path: write_png(path, np.zeros((2, 2), np.uint16)), 'without any'),
        ('a.npy', lambda path: path.write_bytes(b'no array'), 'not a readable plain array'),
        ('a.npy', lambda path: np.save(path, np.ones((2, 2, 2))), r'expected numbers \(H, W\)'),
        ('a.npy', lambda path: np.save(path, np.array([[1j]])), r'expected numbers \(H, W\)'),
        ('a.npy', lambda path: np.save(path, np.array([[{}]]), allow_pickle=True), 'pickle'),
        ('a.npy', lambda path: np.save(path, np.zeros((2, 2))), 'without any'),
        ('a.npy', lambda path: path.write_bytes(_cut_npy()), 'expected .* bytes'),
        ('a.exr', lambda path: path.write_bytes(b'x'), "in one of .*got '.exr'"),
    ],
)
def test_files_that_are_none_are_named(tmp_path, name, make, words):
    path = tmp_path / name
    make(path)
    with pytest.raises(DepthMapError, match=words):
        read_depth_map(path)


def _cut_npy() -> bytes:
    import io

    file = io.BytesIO()
    np.save(file, np.ones((4, 4)))
    return file.getvalue()[:-8]


def test_a_missing_file_and_a_wrong_kind(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_depth_map(tmp_path / 'a.npy')
    with pytest.raises(DepthMapError, match='kind of depth'):
        DepthScale(1.0, 'disparity')
