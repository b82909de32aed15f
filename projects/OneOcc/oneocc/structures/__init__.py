"""What one sample carries through the runner."""
from .occ_data_sample import OccDataSample

__all__ = ['OccDataSample']
