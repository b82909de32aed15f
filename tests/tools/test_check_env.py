"""The environment report names what breaks and how to mend it."""

import pytest

from tests.scripts import load_script

check_env = load_script('tools/misc/check_env.py')


def test_this_environment_is_whole():
    broken = [finding.text for finding in check_env.collect() if finding.level == check_env.BREAKS]
    assert not broken


@pytest.mark.parametrize(
    'package, version, word',
    [
        ('setuptools', '82.0.0', 'pkg_resources'),
        ('numpy', '2.5.0', 'nuscenes-devkit'),
        ('mmcv-lite', '2.1.0', 'mmcv-lite'),
    ],
)
def test_known_traps_break_with_a_cure(package, version, word):
    found = check_env.check_known_traps(lambda name: version if name == package else None)
    assert [f for f in found if f.level == check_env.BREAKS and word in f.text and f.cure]


def test_missing_package_breaks():
    found = check_env.check_stack(lambda name: None)
    assert all(f.level == check_env.BREAKS and f.cure for f in found)


def test_other_version_is_a_warning_with_both_versions():
    found = check_env.check_stack(lambda name: '0.0.1')
    assert all(f.level == check_env.WARN and '0.0.1' in f.text for f in found if f.text.split()[0] == 'mmcv')


def test_failed_import_is_reported_not_raised():
    finding = check_env.check_import('no_such_module_anywhere', 'do this')
    assert finding.level == check_env.BREAKS and 'no_such_module_anywhere' in finding.text
