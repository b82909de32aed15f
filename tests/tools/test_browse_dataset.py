"""browse_dataset draws frames as the pipeline delivers them and prints the class shares."""

import logging

import pytest

from tests.micro import write_micro_config, write_micro_data
from tests.scripts import load_script

browse_dataset = load_script('tools/misc/browse_dataset.py')


@pytest.fixture(autouse=True)
def quiet_log(monkeypatch):
    """mmengine's log may still write to the stream that an earlier test captured and closed."""
    monkeypatch.setattr(logging, 'raiseExceptions', False)


@pytest.fixture()
def config(tmp_path, monkeypatch):
    monkeypatch.setenv('ONEOCC_DATA', str(write_micro_data(tmp_path / 'data')))
    return write_micro_config(tmp_path / 'micro.py')


@pytest.mark.parametrize('split', ['train', 'val'])
def test_pictures_and_shares(config, split, tmp_path, capsys):
    out = tmp_path / 'pictures'
    assert browse_dataset.main([str(config), '--split', split, '--num', '2', '--out', str(out)]) == 0
    assert len(list(out.glob('*.png'))) == len(list(out.glob('*.html'))) == 2
    printed = capsys.readouterr().out
    rows = {line.split()[0]: line.split()[1:] for line in printed.splitlines() if line}
    assert {'empty', 'road', 'pole', 'unknown'} <= rows.keys()
    classes = [rows[name] for name in rows if len(rows[name]) == 2 and name not in ('class', 'unknown')]
    for column in (0, 1):
        assert sum(float(row[column]) for row in classes) == pytest.approx(100, abs=0.02)
    assert 0 < float(rows['unknown'][0]) < 100


def test_bad_requests_end_in_one_sentence(config, capsys):
    assert browse_dataset.main(['nowhere.py']) == 2
    assert browse_dataset.main([str(config), '--num', '0']) == 1
    errors = capsys.readouterr().err
    assert 'nowhere.py' in errors and 'num' in errors and 'Traceback' not in errors
