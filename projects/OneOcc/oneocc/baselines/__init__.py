"""Methods of the comparison tables; importing this room registers their parts."""
from .monoscene import ContextRelationPrior

__all__ = ['ContextRelationPrior']
