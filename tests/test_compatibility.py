"""A wrong OpenMMLab stack is refused with the range, what is there, and the cure."""

from importlib import metadata

import pytest

from projects.OneOcc.oneocc.compatibility import SUPPORTED, check_versions, parse

GOOD = {package: low for package, (low, _) in SUPPORTED.items()}


def test_good_stack_passes():
    check_versions(GOOD.__getitem__)


@pytest.mark.parametrize('package', SUPPORTED)
@pytest.mark.parametrize('wrong', ['0.0.1', '9.0.0'])
def test_wrong_version_names_expected_and_actual(package, wrong):
    with pytest.raises(ImportError) as error:
        check_versions({**GOOD, package: wrong}.__getitem__)
    for word in (package, wrong, SUPPORTED[package][0]):
        assert word in str(error.value)


def test_missing_package_is_named():
    def installed(package):
        raise metadata.PackageNotFoundError(package)

    with pytest.raises(ImportError, match='there is none'):
        check_versions(installed)


def test_local_version_labels_do_not_matter():
    assert parse('2.1.0+cpu') == (2, 1, 0)
