"""Module paths of release 0.1 lead to the same objects as the new ones."""

import importlib

import pytest

import data_converters  # noqa: F401  installs the finder
import projects.OneOcc.oneocc  # noqa: F401  registers once, before old paths are asked for
from projects.OneOcc.core import moved_modules


@pytest.mark.parametrize('old, new', sorted(moved_modules.MOVED.items()))
def test_an_old_path_gives_the_module_at_its_new_place(old, new):
    with pytest.warns(DeprecationWarning, match='moved to'):
        moved_modules.sys.modules.pop(old, None)
        assert importlib.import_module(old) is importlib.import_module(new)
    assert importlib.import_module(new).__spec__.name == new


def test_names_of_the_geometry_stay_where_users_import_them_from():
    from projects.OneOcc.core import geometry
    from projects.OneOcc.oneocc import geometry as old

    assert all(getattr(old, name) is getattr(geometry, name) for name in geometry.__all__)
    from projects.OneOcc.oneocc.geometry.ocamcalib import disagreement_px

    assert disagreement_px is importlib.import_module('projects.OneOcc.core.geometry.ocamcalib').disagreement_px


def test_a_path_that_never_existed_is_still_an_import_error():
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module('projects.OneOcc.oneocc.geometry.nothing')
