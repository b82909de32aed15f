"""What one sample carries through the runner."""

from .occ_data_sample import OccDataSample
from .sample_camera import sample_camera

__all__ = ['OccDataSample', 'sample_camera']
