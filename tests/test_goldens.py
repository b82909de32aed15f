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
    GROUPS,
    NOT_CARRIED,
    GoldenError,
    check_file,
    demanded_families,
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


def test_every_family_has_a_file():
    files, demanded = golden_files(golden_folder()), demanded_families(golden_folder())
    missing = [pattern for pattern in demanded if not any(patterns_of(path, [pattern]) for path in files)]
    assert demanded and not missing, f'{golden_folder()} holds no file of the families {missing}'


def test_the_repository_holds_every_group():
    expected = sorted(set(FAMILIES) - NOT_CARRIED)
    assert demanded_families(DEFAULT_FOLDER) == expected
    assert {GROUPS[pattern] for pattern in expected} == set(GROUPS.values())


def test_a_folder_with_one_family_lacks_the_others_of_its_group(tmp_path):
    (tmp_path / 'voxformer_qpn_seed9.pt').write_bytes(b'')
    demanded = demanded_families(tmp_path)
    assert 'voxformer_cross_attn_seed*.pt' in demanded and 'flosp_seed*.pt' not in demanded


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
