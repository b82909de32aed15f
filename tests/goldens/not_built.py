"""Families whose method does not exist here yet, one line each."""

from __future__ import annotations

from tests.goldens.frame import not_built

not_built('sgn_*.pt', 'SGN')
