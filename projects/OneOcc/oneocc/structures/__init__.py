"""What one sample carries through the runner, and what the slots of a model hand to each other."""

from ...core.geometry.ego_motion import is_past_view, past_view
from .inputs import holds_images, holds_points, is_target
from .levels import Levels
from .occ_data_sample import OccDataSample
from .sample_view import batch_views, sample_view
from .volumes import Volumes

sample_camera = sample_view  # its name in release 0.1

__all__ = [
    'Levels',
    'OccDataSample',
    'Volumes',
    'batch_views',
    'holds_images',
    'holds_points',
    'is_past_view',
    'is_target',
    'past_view',
    'sample_camera',
    'sample_view',
]
