"""The segmentor and its parts; importing this package registers them in mmdet3d's MODELS."""

from .backbones.dual_projection import DualProjectionBackbone
from .backbones.pano_encoder import PanoramaEncoder
from .data_preprocessor import OccDataPreprocessor
from .depth_estimator import PanoramaDepthEstimator
from .heads.occ_head import OccHead
from .heads.ssc_head import SSCHead
from .lifting.bigrid import BiGridViewTransformer
from .lifting.flosp import FLoSP
from .lifting.gait_compensation import GaitDisplacementCompensation
from .lifting.mmcv_sample import sample_maps_mmcv
from .necks.amoe3d import AMoE3DNeck
from .necks.unet3d import UNet3D
from .segmentor import OccupancySegmentor

__all__ = [
    'AMoE3DNeck',
    'BiGridViewTransformer',
    'DualProjectionBackbone',
    'FLoSP',
    'GaitDisplacementCompensation',
    'OccDataPreprocessor',
    'OccHead',
    'OccupancySegmentor',
    'PanoramaDepthEstimator',
    'PanoramaEncoder',
    'SSCHead',
    'UNet3D',
    'sample_maps_mmcv',
]
