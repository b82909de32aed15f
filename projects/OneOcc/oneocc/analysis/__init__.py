"""Questions to a model: which of its signals does it use, and what does a forward pass cost?"""

from .gpu_energy import total_energy_mj
from .knockouts import KNOCKOUTS, Knockout, knockouts_of
from .operator_counts import OperatorCounts

__all__ = ['KNOCKOUTS', 'Knockout', 'OperatorCounts', 'knockouts_of', 'total_energy_mj']
