"""What MonoScene has beside the parts that every image method shares."""

from .context_relation import ContextRelationPrior

__all__ = ['ContextRelationPrior']
