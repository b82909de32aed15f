"""Questions to a trained model: which of its signals does it use?"""

from .knockouts import KNOCKOUTS, Knockout, knockouts_of

__all__ = ['KNOCKOUTS', 'Knockout', 'knockouts_of']
