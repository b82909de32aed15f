"""Module paths of release 0.1 lead to the same objects as the new ones."""

import importlib
import sys
from pathlib import Path

import pytest

import data_converters  # noqa: F401  installs the finder
import projects.OneOcc.oneocc  # noqa: F401  registers once, before old paths are asked for
from projects.OneOcc.core import moved_modules

RELEASE_0_1 = Path(__file__).parents[1].joinpath('data', 'modules_of_release_0.1.txt').read_text().split()


@pytest.mark.filterwarnings('ignore:.*moved to:DeprecationWarning')
@pytest.mark.parametrize('name', RELEASE_0_1)
def test_a_module_of_release_0_1_can_be_imported_by_its_name(name):
    module = importlib.import_module(name)
    new = moved_modules.moved_to(name) or name
    assert module is importlib.import_module(new)
    assert module.__spec__.name == new


@pytest.mark.parametrize('old, new', sorted(moved_modules.MOVED.items()))
def test_an_old_path_gives_the_module_at_its_new_place(old, new):
    with pytest.warns(DeprecationWarning, match='moved to'):
        sys.modules.pop(old, None)
        assert importlib.import_module(old) is importlib.import_module(new)
    assert importlib.import_module(new).__spec__.name == new


def test_every_moved_module_was_one_of_release_0_1():
    assert set(moved_modules.MOVED) <= set(RELEASE_0_1)


@pytest.mark.filterwarnings('ignore:.*moved to:DeprecationWarning')
def test_a_module_in_a_moved_package_is_no_second_copy_and_hides_no_function_of_its_name():
    from projects.OneOcc.core import ops

    function = ops.view_sample
    old = importlib.import_module('projects.OneOcc.oneocc.ops.view_sample.reference')
    assert old is importlib.import_module('projects.OneOcc.core.ops.view_sample.reference')
    assert ops.view_sample is function


def test_names_of_the_geometry_stay_where_users_import_them_from():
    from projects.OneOcc.core import geometry
    from projects.OneOcc.oneocc import geometry as old

    assert all(getattr(old, name) is getattr(geometry, name) for name in geometry.__all__)
    from projects.OneOcc.oneocc.geometry.ocamcalib import disagreement_px

    assert disagreement_px is importlib.import_module('projects.OneOcc.core.geometry.ocamcalib').disagreement_px


def test_names_of_modules_that_are_packages_now_stay_where_they_were():
    from data_converters.synthetic.shading import shade_all
    from projects.OneOcc.oneocc.baselines.monoscene import ContextRelationPrior
    from projects.OneOcc.oneocc.baselines.official_weights import unwrap

    assert callable(shade_all) and callable(unwrap) and isinstance(ContextRelationPrior, type)


def test_a_path_that_never_existed_is_still_an_import_error():
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module('projects.OneOcc.oneocc.geometry.nothing')
