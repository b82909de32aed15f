"""All camera models by name; files and info records hold cameras as the dicts read here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .equirect_camera import EquirectCamera
from .omni_camera import OmniCamera
from .taylor_camera import TaylorCamera

__all__ = ['EquirectCamera', 'OmniCamera', 'TaylorCamera', 'camera_from_dict']

_MODELS = {'taylor': TaylorCamera, 'equirect': EquirectCamera}
_NOT_THE_LENS = ('model', 'cam_from_ego', 'cam_from_body', 'image')


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
