"""Weights of the official implementations under the names of this one."""

from .mapping import BOOK_KEEPING_CLASSES, METHODS, ImportedWeights, import_official

__all__ = ['BOOK_KEEPING_CLASSES', 'METHODS', 'ImportedWeights', 'import_official']
