"""Cube maps and rigs as panoramas."""

import numpy as np
import pytest
import torch

from projects.OneOcc.core.geometry import CubeMapCamera, EquirectCamera, PinholeCamera, View, rig_map, stitch
from projects.OneOcc.core.geometry.cube_map import FACES, face_from_ego

CROSS = ((None, 'top', None, None), ('left', 'front', 'right', 'back'), (None, 'bottom', None, None))


def face_views(size: int = 32) -> dict[str, View]:
    """Six cameras of 90 degrees at one centre."""
    camera = PinholeCamera((size / 2, size / 2), (size / 2, size / 2), size, size)
    return {name: View(camera, face_from_ego(name)) for name in FACES}


def scene(directions: np.ndarray) -> np.ndarray:
    """A smooth picture (..., 3) of directions (..., 3), different everywhere."""
    return (127 + 100 * directions / np.linalg.norm(directions, axis=-1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize('faces', [CROSS, (('front', 'right', 'back', 'left', 'top', 'bottom'),)])
def test_faces_are_cameras_of_90_degrees(faces):
    size = 16
    whole = CubeMapCamera(size * len(faces[0]), size * len(faces), faces)
    views = face_views(size)
    for i, row in enumerate(faces):
        for j, name in enumerate(row):
            pixels = whole.pixel_centers()[i * size : (i + 1) * size, j * size : (j + 1) * size]
            rays, valid = whole.unproject(pixels)
            assert bool(valid.all()) == (name is not None)
            if name is not None:
                at, seen = views[name].project(rays)
                assert seen.all()
                torch.testing.assert_close(at + torch.tensor([j * size, i * size]), pixels)


def test_a_cross_is_continuous_where_its_faces_touch():
    camera = CubeMapCamera(64, 48, CROSS)
    for before, after in [
        ((23.5, 15.999), (23.5, 16.001)),
        ((23.5, 31.999), (23.5, 32.001)),
        ((15.999, 20), (16.001, 20)),
    ]:
        rays, _ = camera.unproject(torch.tensor([before, after], dtype=torch.float64))
        assert float((rays[0] - rays[1]).norm()) < 1e-3


def test_what_is_not_in_the_picture_is_not_seen():
    camera = CubeMapCamera(64, 16, (('front', 'right', 'back', 'left'),))
    pixels, valid = camera.project(torch.tensor([[1.0, 0, 0], [0, 0, 1], [0.1, 0, -2]]))
    assert valid.tolist() == [True, False, False] and torch.isfinite(pixels).all()
    with pytest.raises(ValueError, match='at most once'):
        CubeMapCamera(64, 32, (('front', 'front'),))
    with pytest.raises(ValueError, match='rows of one length that divide 65x16'):
        CubeMapCamera(65, 16, (('front', 'left'),))


def test_six_cameras_make_the_panorama_of_the_sphere():
    panorama, views = EquirectCamera(96, 48), face_views(64)
    where = rig_map(panorama, views)
    assert where.valid.all() and set(np.unique(where.source)) == set(range(6))
    images = {
        name: scene(view.camera.unproject(view.camera.pixel_centers())[0].numpy() @ view.cam_from_ego[:3, :3])
        for name, view in views.items()
    }
    expected = scene(panorama.unproject(panorama.pixel_centers())[0].numpy())
    assert np.abs(stitch(images, where) - expected).max() < 2
    labels = {name: np.full((64, 64), index, np.uint8) for index, name in enumerate(views)}
    assert (stitch(labels, where, nearest=True) == where.source).all()


def test_a_rig_with_distances_fits_at_the_given_one():
    camera = PinholeCamera((32, 32), (32, 32), 64, 64)
    left, right = np.eye(4), np.eye(4)
    left[:3, :3] = right[:3, :3] = face_from_ego('front')
    left[:3, 3], right[:3, 3] = (0.5, 0, 0), (-0.5, 0, 0)
    panorama = EquirectCamera(64, 32)
    wall = torch.tensor([[2.0, 0.0, 0.0]], dtype=torch.float64)
    ((u, v),) = panorama.project(wall)[0].long().tolist()
    where = rig_map(panorama, dict(left=View(camera, left)), distance=2.0)
    seen, _ = View(camera, left).project(wall)
    assert np.abs(where.pixels[v, u] - seen[0].numpy()).max() < 4
    far = rig_map(panorama, dict(left=View(camera, left), right=View(camera, right)))
    assert not far.valid.all() and far.valid.any()
    with pytest.raises(ValueError, match='expected images of'):
        stitch({}, far)
