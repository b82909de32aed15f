"""Panoramic occupancy sets and their transforms; importing this registers them."""

from .errors import CorruptSampleError, TooManyCorruptSamplesError
from .human360occ import Human360OccDataset
from .pal_occ_dataset import PALOccDataset
from .quadocc import QuadOccDataset
from .transforms import (
    LoadLiDARPoints,
    LoadOccupancy,
    LoadPanorama,
    PackOccInputs,
    PhotometricJitter,
    RandomAzimuthRoll,
    RandomMirror,
    ResizeView,
    UnwrapPanorama,
    UseBodyPose,
)

__all__ = [
    'CorruptSampleError',
    'Human360OccDataset',
    'LoadLiDARPoints',
    'LoadOccupancy',
    'LoadPanorama',
    'PALOccDataset',
    'PackOccInputs',
    'PhotometricJitter',
    'QuadOccDataset',
    'RandomAzimuthRoll',
    'RandomMirror',
    'ResizeView',
    'TooManyCorruptSamplesError',
    'UnwrapPanorama',
    'UseBodyPose',
]
