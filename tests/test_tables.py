"""The tables of measured numbers are what the committed runs say."""

import json
from pathlib import Path

import pytest

from tests.scripts import load_script
from tools.analysis_tools import benchmark, compiled_speed, training_speed

ROOT = Path(__file__).resolve().parents[1]
PLAN = ROOT / 'docs/runs/tables.json'
COST = ROOT / 'docs/performance.md'


def test_page_holds_what_table_py_writes(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    page = ROOT / json.loads(PLAN.read_text())['page']
    copy = tmp_path / 'page.md'
    copy.write_text(page.read_text())
    assert load_script('tools/analysis_tools/table.py').main(['--plan', str(PLAN), '--update', str(copy)]) == 0
    assert copy.read_text() == page.read_text()


def test_every_row_has_three_seeds_of_one_commit():
    for table in json.loads(PLAN.read_text())['tables']:
        if table['name'] == 'shipped':  # weights, not a comparison; its text says that it is one seed
            continue
        for config in table['rows']:
            runs = [
                json.loads(path.read_text())
                for pattern in table['runs']
                for path in ROOT.glob(f'{pattern}/seed*/metrics.json')
                if path.parent.parent.name == config
            ]
            assert len(runs) >= 3, config
            assert len({run['commit'] for run in runs}) == 1, config
            assert (ROOT / runs[0]['config']).is_file() and Path(runs[0]['config']).stem == config


@pytest.mark.parametrize('records, table', [('cpu', 'efficiency'), ('nvidia-h200', 'efficiency-gpu')])
def test_tables_of_cost_are_those_of_the_records(tmp_path, records, table):
    copy = tmp_path / 'page.md'
    copy.write_text(COST.read_text())
    benchmark.main(
        ['--records', str(ROOT / f'docs/runs/efficiency/{records}.json'), '--update', str(copy), '--table', table]
    )
    assert copy.read_text() == COST.read_text()


@pytest.mark.parametrize('tool, record', [(compiled_speed, 'compiled-cpu'), (training_speed, 'training-cpu')])
def test_other_tables_of_cost_are_those_of_the_records(tmp_path, tool, record):
    copy = tmp_path / 'page.md'
    copy.write_text(COST.read_text())
    tool.main(['--records', str(ROOT / f'docs/runs/efficiency/{record}.json'), '--update', str(copy)])
    assert copy.read_text() == COST.read_text()


def test_plan_that_asks_for_missing_runs_is_refused(tmp_path, capsys):
    plan = tmp_path / 'plan.json'
    plan.write_text(
        json.dumps(
            dict(
                page=str(tmp_path / 'page.md'),
                tables=[dict(name='a', layout='classes', runs=[str(tmp_path / 'nowhere')], rows={})],
            )
        )
    )
    (tmp_path / 'page.md').write_text('<!-- table:a -->\n<!-- /table -->\n')
    assert load_script('tools/analysis_tools/table.py').main(['--plan', str(plan)]) == 1
    assert 'nowhere' in capsys.readouterr().err


def test_the_knock_outs_are_those_of_the_record(tmp_path):
    page = ROOT / 'docs/knockouts.md'
    copy = tmp_path / 'page.md'
    copy.write_text(page.read_text())
    record = ROOT / 'docs/runs/knockouts/q4-tiny-840-frames-3-epochs.json'
    knockout = load_script('tools/analysis_tools/knockout.py')
    assert knockout.main(['--out', str(record), '--update', str(copy), '--table', 'knockout-q4']) == 0
    assert copy.read_text() == page.read_text()
