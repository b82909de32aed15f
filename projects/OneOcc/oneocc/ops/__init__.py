"""Operators: each one a reference in plain torch and, where a profile earned it, a faster twin."""
from .view_sample import view_sample

__all__ = ['view_sample']
