"""Names from files: whatever they say, the path stays inside the folder, or a sentence says why not."""

from pathlib import Path, PureWindowsPath

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from projects.OneOcc.core.formats.paths import UnsafeNameError, check_name, check_relative, flat_name, inside

ESCAPES = [
    '',
    '.',
    '..',
    '../x',
    'a/../../x',
    'a/..',
    '/etc/passwd',
    '//host/share',
    'C:/x',
    'c:x',
    '..\\x',
    'a\\b',
    'a\0b',
    'a\nb',
    'nul',
    'COM1.png',
    'a/aux/b',
    'a//b',
    'a/',
    'a./b',
    'a ',
    ' a',
    'x' * 201,
    '\ud800',
    None,
    7,
    b'x',
    ['x'],
]


@pytest.mark.parametrize('name', ESCAPES, ids=ascii)
def test_names_that_lead_out_are_refused_by_name(name, tmp_path):
    for check in (lambda: inside(tmp_path, name, 'frames[3]: id'), lambda: check_name(name, 'frames[3]: id')):
        with pytest.raises(UnsafeNameError, match=r'frames\[3\]: id: expected .* got '):
            check()


@pytest.mark.parametrize('name', ['a', 'seq00/000005', 'März 3/ride_1.b', '東京', 'a..b', '.hidden', 'ab:c', '~'])
def test_plain_names_become_paths_below_the_folder(name, tmp_path):
    assert inside(tmp_path, name, 'x') == tmp_path / name
    assert check_relative(name, 'x').as_posix() == name
    assert '/' not in flat_name(name)


def test_one_name_has_no_slash():
    with pytest.raises(UnsafeNameError, match='without slashes'):
        check_name('a/b', 'recording')


@given(
    st.one_of(st.text(), st.text('./\\:ab \0'), st.lists(st.sampled_from(['..', '.', 'a', '', 'nul'])).map('/'.join))
)
@example('a/b/../../../c')
@settings(max_examples=60, deadline=None)
def test_no_text_leads_out(text):
    try:
        path = inside(Path('/nowhere/root'), text, 'text')
    except UnsafeNameError:
        return
    assert '..' not in path.parts and Path('/nowhere/root') in path.parents
    assert path == Path('/nowhere/root') / text
    assert not PureWindowsPath(text).drive and not PureWindowsPath(text).root


def test_a_link_that_leaves_is_followed_for_reading_only(tmp_path):
    (tmp_path / 'root').mkdir()
    (tmp_path / 'away').mkdir()
    (tmp_path / 'root/link').symlink_to(tmp_path / 'away')
    (tmp_path / 'root/loop').symlink_to('loop')
    with pytest.raises(UnsafeNameError, match=r'leads to .*away'):
        inside(tmp_path / 'root', 'link/file', 'x')
    assert inside(tmp_path / 'root', 'link/file', 'x', follow_links=True) == tmp_path / 'root/link/file'
    with pytest.raises(UnsafeNameError):
        inside(tmp_path / 'root', 'loop/file', 'x')


def test_the_folder_itself_may_be_a_link_or_relative(tmp_path, monkeypatch):
    (tmp_path / 'disk').mkdir()
    (tmp_path / 'root').symlink_to(tmp_path / 'disk')
    assert inside(tmp_path / 'root', 'a', 'x') == tmp_path / 'root/a'
    monkeypatch.chdir(tmp_path)
    assert inside(Path('root'), 'a/b', 'x') == Path('root/a/b')
