"""OccRWKV, from its description: Bi-WKV blocks in three branches."""

from .occrwkv import OccRWKV, OccRWKVHead

__all__ = ['OccRWKV', 'OccRWKVHead']
