"""Methods of the comparison tables; importing this package registers their parts."""

from .lidar.lmscnet import LMSCNet
from .lidar.point_occupancy import PointOccupancyEncoder
from .lidar.sscnet import SSCNet, SSCNetHead
from .monoscene.context_relation import ContextRelationPrior
from .occformer.head import OccFormerHead
from .occformer.image_network import PanoramaSECONDFPN
from .occformer.lifting import PanoramicLiftSplat
from .occformer.neck import OccFormerNeck
from .occrwkv import OccRWKV, OccRWKVHead
from .sgn.head import SGNHead
from .sgn.lifting import SGNLifting
from .sgn.neck import SGNNeck
from .voxformer.head import VoxFormerHead
from .voxformer.lifting import VoxFormerLifting
from .voxformer.neck import VoxFormerNeck
from .voxformer.query_proposals import QueryProposalHead, QueryProposalNetwork

__all__ = [
    'ContextRelationPrior',
    'LMSCNet',
    'OccFormerHead',
    'OccFormerNeck',
    'OccRWKV',
    'OccRWKVHead',
    'PanoramaSECONDFPN',
    'PanoramicLiftSplat',
    'PointOccupancyEncoder',
    'QueryProposalHead',
    'QueryProposalNetwork',
    'SGNHead',
    'SGNLifting',
    'SGNNeck',
    'SSCNet',
    'SSCNetHead',
    'VoxFormerHead',
    'VoxFormerLifting',
    'VoxFormerNeck',
]
