"""The segmentor and its parts; importing this room registers them in mmdet3d's MODELS."""
from .amoe3d import AMoE3DNeck
from .bigrid import BiGridViewTransformer
from .data_preprocessor import OccDataPreprocessor
from .dual_projection import DualProjectionBackbone
from .flosp import FLoSP
from .gait_compensation import GaitDisplacementCompensation
from .pano_encoder import PanoramaEncoder
from .segmentor import OccupancySegmentor
from .ssc_head import SSCHead
from .unet3d import UNet3D

__all__ = [
    'AMoE3DNeck', 'BiGridViewTransformer', 'DualProjectionBackbone', 'FLoSP',
    'GaitDisplacementCompensation', 'OccDataPreprocessor', 'OccupancySegmentor',
    'PanoramaEncoder', 'SSCHead', 'UNet3D',
]
