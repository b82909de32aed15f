"""All camera models by name; files and info records hold cameras as the dicts read here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from .cube_map import CubeMapCamera
from .equirect_camera import EquirectCamera
from .omni_camera import OmniCamera
from .plane_camera import DoubleSphereCamera, ExtendedUnifiedCamera, PinholeCamera, UnifiedCamera
from .taylor_camera import TaylorCamera

__all__ = [
    'CubeMapCamera',
    'DoubleSphereCamera',
    'EquirectCamera',
    'ExtendedUnifiedCamera',
    'OmniCamera',
    'PinholeCamera',
    'TaylorCamera',
    'UnifiedCamera',
    'camera_from_dict',
    'camera_models',
    'register_camera',
]

Camera = TypeVar('Camera', bound=OmniCamera)

_MODELS: dict[str, type[OmniCamera]] = {
    'taylor': TaylorCamera,
    'equirect': EquirectCamera,
    'pinhole': PinholeCamera,
    'unified': UnifiedCamera,
    'double_sphere': DoubleSphereCamera,
    'extended_unified': ExtendedUnifiedCamera,
    'cube_map': CubeMapCamera,
}
_NOT_THE_LENS = ('model', 'cam_from_ego', 'cam_from_body', 'image')


def register_camera(name: str) -> Callable[[type[Camera]], type[Camera]]:
    """Class decorator: recordings and info files with `"model": name` are read by this camera model.

    The class is an `OmniCamera` whose constructor takes what its `to_dict` writes beside `model`::

        @register_camera('equidistant')
        class EquidistantCamera(OmniCamera): ...

    Raises:
        TypeError: no OmniCamera.
        ValueError: the name is taken by another class. The same class again, as after reloading its module, takes
            its own place.
    """

    def register(camera: type[Camera]) -> type[Camera]:
        if not (isinstance(camera, type) and issubclass(camera, OmniCamera)):
            raise TypeError(f'camera model {name!r}: expected a class of OmniCamera, got {camera!r}')
        known = _MODELS.get(name, camera)
        if (known.__module__, known.__qualname__) != (camera.__module__, camera.__qualname__):
            raise ValueError(f'camera model {name!r}: expected a name that is not taken, got that of {known.__name__}')
        _MODELS[name] = camera
        return camera

    return register


def camera_models() -> tuple[str, ...]:
    """Names of all camera models that can be read."""
    return tuple(sorted(_MODELS))


def camera_from_dict(parameters: dict[str, Any], folder: str | Path = '') -> OmniCamera:
    """Build the camera that ``to_dict`` described; where it hangs and its image are left aside.

    Args:
        parameters: model and parameters of the camera; ``mask`` may name an image file.
        folder: where a mask file with a relative path lies.

    Raises:
        ValueError: unknown model, or parameters that the model does not know or misses.
        FileNotFoundError: the mask file is missing.
    """
    model = parameters.get('model')
    if model not in _MODELS:
        raise ValueError(f'camera model: expected one of {sorted(_MODELS)}, got {model!r}')
    arguments = {k: v for k, v in parameters.items() if k not in _NOT_THE_LENS}
    if isinstance(arguments.get('mask'), (str, Path)):
        arguments['mask'] = Path(folder) / arguments['mask']
    try:
        return _MODELS[model](**arguments)
    except TypeError as error:
        raise ValueError(f'camera model {model!r}: {error}') from error
