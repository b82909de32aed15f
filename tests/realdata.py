"""Real files without a free licence, read where they are and skipped with a reason where they are not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(os.environ.get('ONEOCC_REALDATA', Path(__file__).resolve().parents[1].parent / 'shared'))


def real_file(path: str) -> Path:
    """A file or folder of the collection of real files."""
    for root in (ROOT, ROOT.parent.parent / 'shared'):
        if (root / path).exists():
            return root / path
    pytest.skip(f'{path}: no such real file below {ROOT} (ONEOCC_REALDATA names the folder)')
