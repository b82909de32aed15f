"""The official code's own numbers against ours.

Every file of $ONEOCC_GOLDENS (default: tests/data/goldens) is checked by the family that knows
its name; how to add a family stands in tests/goldens/__init__.py. An empty folder, a file that no
family knows, a family without a file and a missing companion file are failures, never skips.
`pytest tests/test_goldens.py -rP` prints the largest deviation per kind of value.
"""

import importlib
import pkgutil
import shutil
from pathlib import Path

import pytest

import tests.goldens
from tests.goldens.frame import (
    DEFAULT_FOLDER,
    FAMILIES,
    GoldenError,
    check_file,
    golden_files,
    golden_folder,
    patterns_of,
)

for module in pkgutil.iter_modules(tests.goldens.__path__):
    importlib.import_module(f'tests.goldens.{module.name}')


def _files_for_collection() -> list[Path]:
    """Files to parametrise over; the complaint about a bad folder is left to a test."""
    try:
        return golden_files(golden_folder())
    except GoldenError:
        return []


@pytest.mark.parametrize('path', _files_for_collection(), ids=lambda path: path.name)
def test_file_agrees_with_the_official_code(path):
    print(check_file(path).summary())


def test_folder_holds_files():
    assert golden_files(golden_folder())


@pytest.mark.parametrize('pattern', sorted(FAMILIES))
def test_every_family_has_a_file(pattern):
    files = golden_files(golden_folder())
    assert any(patterns_of(path, [pattern]) for path in files), (
        f'{golden_folder()} holds no file of the family {pattern}'
    )


def test_empty_folder_is_a_failure(tmp_path):
    with pytest.raises(GoldenError, match='is empty'):
        golden_files(tmp_path)
    (tmp_path / 'ORIGIN.md').write_text('only a note')
    with pytest.raises(GoldenError, match='is empty'):
        golden_files(tmp_path)


def test_missing_folder_is_a_failure(tmp_path):
    with pytest.raises(GoldenError, match='does not exist'):
        golden_files(tmp_path / 'nowhere')


def test_unknown_file_is_a_failure(tmp_path):
    unknown = tmp_path / 'unheard_of_seed0.npz'
    unknown.write_bytes(b'')
    assert golden_files(tmp_path) == [unknown]
    with pytest.raises(GoldenError, match='exactly one family'):
        check_file(unknown)


def test_missing_companion_is_a_failure(tmp_path):
    lovasz = next(path for path in sorted(DEFAULT_FOLDER.iterdir()) if path.name.startswith('lovasz_'))
    shutil.copy(lovasz, tmp_path)
    with pytest.raises(GoldenError, match='needs metrics_losses_'):
        check_file(tmp_path / lovasz.name)
