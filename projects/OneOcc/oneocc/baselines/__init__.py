"""Methods of the comparison tables; importing this room registers their parts."""

from .lidar.lmscnet import LMSCNet
from .lidar.point_occupancy import PointOccupancyEncoder
from .lidar.sscnet import SSCNet, SSCNetHead
from .monoscene.context_relation import ContextRelationPrior
from .occrwkv import OccRWKV, OccRWKVHead

__all__ = ['ContextRelationPrior', 'LMSCNet', 'OccRWKV', 'OccRWKVHead', 'PointOccupancyEncoder', 'SSCNet', 'SSCNetHead']
