"""Camera models of one's own, by name."""

import pytest

from projects.OneOcc.core.geometry import (
    EquirectCamera,
    camera_from_dict,
    camera_models,
    cameras,
    register_camera,
)


@pytest.fixture
def registry(monkeypatch):
    """A registry whose changes do not outlive the test."""
    monkeypatch.setattr(cameras, '_MODELS', dict(cameras._MODELS))


def make_camera() -> type[EquirectCamera]:
    class BandCamera(EquirectCamera):
        def to_dict(self) -> dict:
            return dict(super().to_dict(), model='band')

    return BandCamera


def test_a_camera_of_ones_own_is_read_back(registry):
    band = register_camera('band')(make_camera())
    assert {'band', 'equirect', 'taylor'} <= set(camera_models())
    camera = band(64, 32)
    again = camera_from_dict(dict(camera.to_dict(), image='a.png', cam_from_ego=None))
    assert type(again) is band and again == camera


def test_a_name_is_taken_once_but_a_reloaded_module_takes_its_own_place(registry):
    register_camera('band')(make_camera())
    reloaded = register_camera('band')(make_camera())
    assert type(camera_from_dict(reloaded(64, 32).to_dict())) is reloaded
    with pytest.raises(ValueError, match="'taylor': expected a name that is not taken, got that of TaylorCamera"):
        register_camera('taylor')(make_camera())


def test_only_cameras_are_taken(registry):
    with pytest.raises(TypeError, match="'dict': expected a class of OmniCamera, got <class 'dict'>"):
        register_camera('dict')(dict)
    with pytest.raises(ValueError, match=r"expected one of \[.*'equirect', .*'taylor', .*\], got 'dict'"):
        camera_from_dict(dict(model='dict'))
