import numpy as np
import pytest

from projects.OneOcc.core.geometry import CartesianGrid
from projects.OneOcc.oneocc.visualization.faces import paint, subdivided, visible_faces

GRID = CartesianGrid((4, 4, 4), 1.0, (0.0, 0.0, 0.0))


def test_a_lone_voxel_shows_three_faces():
    labels = np.zeros((4, 4, 4), np.uint8)
    labels[1, 2, 0] = 7
    faces = visible_faces(labels, GRID, np.array([10.0, -10.0, 10.0]))
    assert sorted(faces.directions.tolist()) == [1, 2, 5]  # +x, -y, +z
    assert set(faces.labels.tolist()) == {7}
    top = faces.corners[faces.directions == 5][0]
    assert sorted(map(tuple, top.tolist())) == [(1, 2, 1), (1, 3, 1), (2, 2, 1), (2, 3, 1)]


def test_inner_faces_are_left_out_and_the_grid_border_is_not():
    faces = visible_faces(np.ones((4, 4, 4), np.uint8), GRID, np.array([2.0, 2.0, 9.0]))
    assert len(faces.labels) == 16 and set(faces.directions.tolist()) == {5}


def test_an_eye_inside_sees_the_walls_from_within():
    labels = np.ones((4, 4, 4), np.uint8)
    labels[1:3, 1:3, 1:3] = 0
    faces = visible_faces(labels, GRID, np.array([2.0, 2.0, 2.0]))
    assert len(faces.labels) == 24


def test_order_is_right_for_every_sight_line():
    """Along random rays the first solid voxel is the one that is painted last."""
    rng = np.random.default_rng(0)
    labels = (rng.random((4, 4, 4)) < 0.4).astype(np.uint8)
    eye = np.array([-3.1, 7.3, 6.2])
    faces = visible_faces(labels, GRID, eye)
    cells = np.floor(
        faces.corners.mean(axis=1)
        - 1e-6 * np.array([np.eye(3)[d // 2] * (1 if d % 2 else -1) for d in faces.directions])
    ).astype(int)
    last_painted = {tuple(c): n for n, c in enumerate(cells)}
    for target in rng.uniform(0, 4, (300, 3)):
        path = eye + np.linspace(0, 1.6, 4000)[:, None] * (target - eye)
        inside = path[((path > 0) & (path < 4)).all(axis=1)]
        hit = [tuple(c) for c in np.floor(inside).astype(int) if labels[tuple(c)]]
        ranks = [last_painted[c] for c in dict.fromkeys(hit) if c in last_painted]
        assert ranks == sorted(ranks, reverse=True)


def test_pieces_tile_the_face():
    labels = np.zeros((4, 4, 4), np.uint8)
    labels[1, 1, 1] = 3
    faces = visible_faces(labels, GRID, np.array([9.0, 9.0, 9.0]))
    pieces, cut = subdivided(faces, faces.directions == 5, 3)
    assert cut.sum() == 9 and len(pieces.labels) == 11 and set(pieces.directions[cut]) == {5}
    top = pieces.corners[cut]
    edges = np.linalg.norm(top - np.roll(top, 1, axis=1), axis=2)
    np.testing.assert_allclose(edges, 1 / 3)
    np.testing.assert_allclose(top.reshape(-1, 3).min(0), [1, 1, 2])
    np.testing.assert_allclose(top.reshape(-1, 3).max(0), [2, 2, 2])
    np.testing.assert_array_equal(pieces.corners[~cut], faces.corners[faces.directions != 5])


def test_later_polygons_cover_earlier_ones():
    canvas = np.zeros((20, 20, 3), np.uint8)
    square = np.array([[2, 2], [12, 2], [12, 12], [2, 12]], float)
    paint(canvas, np.stack([square, square + 4]), np.array([[200, 0, 0], [0, 200, 0]], np.uint8), 1)
    assert canvas[4, 4].tolist() == [200, 0, 0] and canvas[8, 8].tolist() == [0, 200, 0]
    assert canvas[18, 18].tolist() == [0, 0, 0]


def test_other_grid_is_refused():
    with pytest.raises(ValueError, match=r'\(2, 2, 2\).*\(4, 4, 4\)'):
        visible_faces(np.zeros((2, 2, 2), np.uint8), GRID, np.zeros(3))
