"""From an info record to packed model inputs, in the order a pipeline uses them."""

from .azimuth import RandomAzimuthRoll, RandomMirror
from .body_pose import UseBodyPose
from .loading import LoadLiDARPoints, LoadOccupancy, LoadPanorama
from .packing import PackOccInputs
from .photometric import PhotometricJitter
from .resize import ResizeView
from .unwrap import UnwrapPanorama

__all__ = [
    'LoadLiDARPoints',
    'LoadOccupancy',
    'LoadPanorama',
    'PackOccInputs',
    'PhotometricJitter',
    'RandomAzimuthRoll',
    'RandomMirror',
    'ResizeView',
    'UnwrapPanorama',
    'UseBodyPose',
]
