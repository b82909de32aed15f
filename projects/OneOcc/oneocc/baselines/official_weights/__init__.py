"""Weights of the official implementations under the names of this one."""

from .mapping import BOOK_KEEPING, BOOK_KEEPING_CLASSES, METHODS, UNUSED_SHORTCUT, ImportedWeights, import_official

__all__ = [
    'BOOK_KEEPING',
    'BOOK_KEEPING_CLASSES',
    'METHODS',
    'UNUSED_SHORTCUT',
    'ImportedWeights',
    'import_official',
]
