"""Point files as their formats have them."""

import numpy as np
import pytest
from plyfile import PlyData

from projects.OneOcc.core.formats.voxel_points import voxel_points, write_pcd, write_ply, write_semantickitti
from projects.OneOcc.core.geometry import CartesianGrid

GRID = CartesianGrid((4, 3, 2), 0.5, (-1.0, -0.75, -0.2))
PALETTE = ((10, 20, 30), (200, 100, 0))


@pytest.fixture
def labels() -> np.ndarray:
    volume = np.zeros(GRID.shape, np.uint8)
    volume[0, 0, 0], volume[3, 2, 1], volume[1, 1, 1], volume[2, 0, 0] = 1, 2, 255, 2
    return volume


def test_points_are_the_centres_of_matter(labels):
    points = voxel_points(labels, GRID, PALETTE, np.full(GRID.shape, 0.25, np.float32))
    assert points.labels.tolist() == [1, 2, 2] and (points.probability == 0.25).all()
    np.testing.assert_allclose(points.centres[0], (-0.75, -0.5, 0.05))
    np.testing.assert_array_equal(points.colours, [PALETTE[0], PALETTE[1], PALETTE[1]])


def test_ply_is_read_by_somebody_else(labels, tmp_path):
    points = voxel_points(labels, GRID, PALETTE)
    write_ply(tmp_path / 'a.ply', points)
    vertex = PlyData.read(tmp_path / 'a.ply')['vertex']
    np.testing.assert_array_equal(np.stack([vertex[axis] for axis in 'xyz'], -1), points.centres)
    np.testing.assert_array_equal(np.stack([vertex[c] for c in ('red', 'green', 'blue')], -1), points.colours)
    np.testing.assert_array_equal(vertex['label'], points.labels)


def test_pcd_has_the_bytes_that_its_header_promises(labels, tmp_path):
    points = voxel_points(labels, GRID, PALETTE)
    write_pcd(tmp_path / 'a.pcd', points)
    content = (tmp_path / 'a.pcd').read_bytes()
    head, body = content.split(b'DATA binary\n')
    lines = dict(line.split(' ', 1) for line in head.decode().splitlines() if not line.startswith('#'))
    sizes, kinds = lines['SIZE'].split(), lines['TYPE'].split()
    letters = {'F': 'f', 'U': 'u'}
    dtype = np.dtype([(n, f'<{letters[k]}{s}') for n, s, k in zip(lines['FIELDS'].split(), sizes, kinds)])
    rows = np.frombuffer(body, dtype)
    assert len(rows) == int(lines['POINTS']) == int(lines['WIDTH']) == 3
    np.testing.assert_array_equal(np.stack([rows[axis] for axis in 'xyz'], -1), points.centres)
    packed = rows['rgb'].view('<u4')
    np.testing.assert_array_equal(np.stack([packed >> 16, packed >> 8 & 255, packed & 255], -1), points.colours)
    assert rows['label'].tolist() == [1, 2, 2]


def test_semantickitti_has_uint16_and_bits(labels, tmp_path):
    unknown = np.zeros(GRID.shape, bool)
    unknown[0, 2] = True
    write_semantickitti(tmp_path / '000000.label', labels, unknown)
    stored = np.fromfile(tmp_path / '000000.label', '<u2').reshape(GRID.shape)
    np.testing.assert_array_equal(stored, np.where(labels == 255, 0, labels))
    bits = np.unpackbits(np.fromfile(tmp_path / '000000.invalid', np.uint8))[: labels.size].reshape(GRID.shape)
    np.testing.assert_array_equal(bits.astype(bool), unknown | (labels == 255))


def test_what_does_not_fit_is_refused(labels):
    with pytest.raises(ValueError, match='expected the grid'):
        voxel_points(labels[:2], GRID, PALETTE)
    with pytest.raises(ValueError, match='at most 1'):
        voxel_points(labels, GRID, PALETTE[:1])


def test_nothing_at_all_is_an_empty_file_that_reads(tmp_path):
    write_ply(tmp_path / 'a.ply', voxel_points(np.zeros(GRID.shape, np.uint8), GRID, PALETTE))
    assert len(PlyData.read(tmp_path / 'a.ply')['vertex'].data) == 0
