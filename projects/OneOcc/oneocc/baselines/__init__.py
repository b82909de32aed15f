"""Methods of the comparison tables; importing this room registers their parts."""
from .lmscnet import LMSCNet
from .monoscene import ContextRelationPrior
from .occrwkv import OccRWKV, OccRWKVHead
from .point_occupancy import PointOccupancyEncoder
from .sscnet import SSCNet, SSCNetHead

__all__ = ['ContextRelationPrior', 'LMSCNet', 'OccRWKV', 'OccRWKVHead', 'PointOccupancyEncoder', 'SSCNet', 'SSCNetHead']
