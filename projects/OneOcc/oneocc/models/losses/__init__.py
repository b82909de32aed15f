"""Losses of semantic scene completion as pure functions.

All take logits (B, C+1, X, Y, Z) with channel 0 = empty and labels (B, X, Y, Z) with 255 =
unknown, stay in float32 (or float64) under autocast, pool over the batch, and return a zero with
zero gradient where nothing is known.
"""

from .extra_losses import build_extra_losses, extra_losses
from .frustum_proportion import frustum_proportion, proportion_kl
from .lovasz import lovasz_softmax
from .majority_pool import majority_pool
from .precision import class_probabilities
from .relation import relation, relation_matrix
from .scene_class_affinity import geometric_scal, semantic_scal, soft_confusion
from .voxel_cross_entropy import class_weights_from_counts, voxel_cross_entropy

__all__ = [
    'build_extra_losses',
    'class_probabilities',
    'class_weights_from_counts',
    'extra_losses',
    'frustum_proportion',
    'geometric_scal',
    'lovasz_softmax',
    'majority_pool',
    'proportion_kl',
    'relation',
    'relation_matrix',
    'semantic_scal',
    'soft_confusion',
    'voxel_cross_entropy',
]
