"""The segmentor and its parts; importing this room registers them in mmdet3d's MODELS."""
from .data_preprocessor import OccDataPreprocessor
from .flosp import FLoSP
from .pano_encoder import PanoramaEncoder
from .segmentor import OccupancySegmentor
from .ssc_head import SSCHead
from .unet3d import UNet3D

__all__ = ['FLoSP', 'OccDataPreprocessor', 'OccupancySegmentor', 'PanoramaEncoder', 'SSCHead', 'UNet3D']
