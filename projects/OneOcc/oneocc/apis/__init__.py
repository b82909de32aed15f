"""A trained model for people: ask it about an image, and hand it over."""

from .calibrations import CalibrationError, CameraSetup
from .frames import InputError
from .inferencer import OccInferencer
from .mmdet3d_style import inference_model, init_model
from .model_card import ModelCard, ModelCardError, read_model_card, write_model_card
from .model_sources import list_models
from .outputs import ResultWriter
from .result import OccupancyResult

__all__ = [
    'CalibrationError',
    'CameraSetup',
    'InputError',
    'ModelCard',
    'ModelCardError',
    'OccInferencer',
    'OccupancyResult',
    'ResultWriter',
    'inference_model',
    'init_model',
    'list_models',
    'read_model_card',
    'write_model_card',
]
