"""What the READMEs name exists: files, folders, commands, flags, make targets, pictures."""

import re
import subprocess

import pytest

from tests.markdown import PAGES, ROOT, commands, page_name, written_by

TOP = {path.name for path in ROOT.iterdir()}
ALL_COMMANDS = [(page, command) for page in PAGES for command in commands(page)]


@pytest.mark.parametrize('page', PAGES, ids=page_name)
def test_links_and_paths_exist(page):
    text = page.read_text()
    for target in re.findall(r'\]\(([^)#]+)(?:#[^)]*)?\)', text) + re.findall(r'src="([^"]+)"', text):
        if not target.startswith('http'):
            assert (page.parent / target).exists(), f'{page.name} links to {target}'
    for path in re.findall(r'`([A-Za-z0-9_.][A-Za-z0-9_./-]*)`', text):
        if '/' in path and path.split('/')[0] in TOP - {'data', 'work_dirs'}:
            there = (ROOT / path).exists() or list(ROOT.glob(path + '*')) or path in written_by(page)
            assert there, f'{page.name} names {path}'


@pytest.mark.parametrize('page, command', ALL_COMMANDS, ids=lambda v: v if isinstance(v, str) else page_name(v))
def test_commands_name_real_scripts_and_flags(page, command):
    words = re.sub(r'^(?:[A-Z_]+=\S+\s+)+', '', command).split()
    if words[0] == 'make':
        targets = [word for word in words[1:] if '=' not in word]
        known = re.findall(r'^([a-z-]+):', (ROOT / 'Makefile').read_text(), re.M)
        assert set(targets) <= set(known), command
        return
    scripts = [
        word
        for word in words
        if word.endswith(('.py', '.sh')) and not word.startswith('$') and not word.startswith('projects/')
    ]
    written = [script for script in scripts if script in written_by(page)]
    for script in scripts:
        assert script in written or list(ROOT.glob(script)), f'{command}: no {script}'
    if words[0] in ('python', 'bash') and scripts and scripts[0] not in written:
        source = (ROOT / scripts[0]).read_text()
        for flag in re.findall(r'\s(--[a-z-]+)', command):
            assert flag in source, f'{scripts[0]} does not know {flag}'


def test_ci_runs_what_the_readme_names():
    lines = (ROOT / '.ci/run').read_text().splitlines()
    ran = [line.strip() for line in lines if line.strip().startswith('make ')]
    assert ran == ['make test', 'make test-browser'] and 'make test' in (ROOT / 'README.md').read_text()


def test_make_help_lists_every_target():
    shown = subprocess.run(['make', 'help'], cwd=ROOT, capture_output=True, text=True).stdout
    for target in re.findall(r'^\.PHONY: (.*)$', (ROOT / 'Makefile').read_text(), re.M)[0].split():
        assert f'make {target}' in shown


def test_the_project_speaks_of_itself_only():
    """No path of one machine in anything that is committed."""
    listed = subprocess.run(['git', 'ls-files'], cwd=ROOT, capture_output=True, text=True).stdout.split('\n')
    pattern = re.compile(r'(?:^|[^A-Za-z0-9_.])/(?:work|farm|root|home/[a-z]+)/')
    for name in filter(None, listed):
        path = ROOT / name
        if path.suffix in {'.py', '.md', '.txt', '.sh', '.toml', '.cfg', '.json', ''} and path.is_file():
            if path.name != 'test_readme.py':
                found = pattern.search(path.read_text(errors='ignore'))
                assert not found, f'{name}: {found[0]}'
