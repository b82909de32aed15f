"""Counting, scoring and reporting semantic scene completion."""
from .ssc_counts import confusion_matrix, scores

__all__ = ['confusion_matrix', 'scores']
