"""From an info record to packed model inputs, in the order a pipeline uses them."""

from .azimuth import RandomAzimuthRoll, RandomMirror
from .body_pose import UseBodyPose
from .depth import DegradeDepth, LoadDepth, PointsFromDepth
from .loading import LoadLiDARPoints, LoadOccupancy, LoadPanorama
from .packing import PackOccInputs
from .photometric import PhotometricJitter
from .previous_frames import LoadPreviousFrames
from .resize import ResizeView
from .unwrap import UnwrapPanorama

__all__ = [
    'DegradeDepth',
    'LoadDepth',
    'LoadLiDARPoints',
    'LoadOccupancy',
    'LoadPanorama',
    'LoadPreviousFrames',
    'PackOccInputs',
    'PhotometricJitter',
    'PointsFromDepth',
    'RandomAzimuthRoll',
    'RandomMirror',
    'ResizeView',
    'UnwrapPanorama',
    'UseBodyPose',
]
