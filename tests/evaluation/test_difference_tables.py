"""Tables of differences: signs, intervals, refusals, the command."""

import numpy as np
import pytest

from projects.OneOcc.oneocc.evaluation.difference_tables import difference_table
from projects.OneOcc.oneocc.evaluation.report import build_report, write_json
from projects.OneOcc.oneocc.evaluation.run_tables import TableError, find_runs, group_runs
from projects.OneOcc.oneocc.evaluation.ssc_counts import confusion_matrix
from tests.scripts import load_script

CLASSES = ('road', 'car')
RIDES = [f'seq{number}' for number in range(8)]


def run(wrong: float, seed: int) -> dict:
    """A run on fixed labels of eight rides, a share of which it gets wrong."""
    labels = np.random.default_rng(0).integers(0, 3, (len(RIDES), 500))
    rng = np.random.default_rng(seed)
    guess = np.where(rng.random(labels.shape) < wrong, rng.integers(0, 3, labels.shape), labels)
    matrices = [confusion_matrix(*pair, len(CLASSES)) for pair in zip(guess, labels, strict=True)]
    return build_report(matrices, [['day']] * len(RIDES), CLASSES, 'known', rides=RIDES)


@pytest.fixture
def runs(tmp_path):
    for name, wrong in (('good', 0.2), ('twin', 0.2), ('poor', 0.5)):
        for seed in range(3):
            place = tmp_path / name / f'seed{seed}' / 'metrics.json'
            write_json(place, run(wrong, seed + 10 * (name == 'twin')))
    return tmp_path


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip('|').split('|')]


def test_the_worse_is_below_and_decided_and_the_like_is_not(runs):
    lines = difference_table(group_runs(find_runs([str(runs)])), 'good').splitlines()
    assert cells(lines[0]) == ['Minus `good`', 'IoU', 'mIoU', 'road', 'car']
    assert [cells(line)[0] for line in lines[2:4]] == ['poor', 'twin']
    assert all(cell.startswith('**-') for cell in cells(lines[2])[1:])
    assert not any(cell.startswith('**') for cell in cells(lines[3])[1:])
    assert 'over 8 rides and the runs, 3 of each config' in lines[-1]


def test_runs_of_other_rides_are_refused(runs):
    groups = group_runs(find_runs([str(runs)]))
    groups['poor'][0]['rides'].pop('seq3')
    with pytest.raises(TableError, match='poor: expected the counts of the rides'):
        difference_table(groups, 'good')
    groups['twin'][0]['rides']['seq0'][0][0] += 1
    with pytest.raises(TableError, match='twin against good: .* same voxels'):
        difference_table(groups, 'good', {'twin': 'a twin'})
    with pytest.raises(TableError, match=r"no runs of the configs \['gone'\]"):
        difference_table(groups, 'gone')


def test_the_command_and_the_plan_write_it(runs, tmp_path, capsys):
    table = load_script('tools/analysis_tools/table.py')
    words = ['--runs', str(runs), '--layout', 'differences']
    assert table.main([*words, '--against', 'good', '--rows', 'poor=The poor one']) == 0
    printed = capsys.readouterr().out.strip()
    page, plan = tmp_path / 'page.md', tmp_path / 'plan.json'
    page.write_text('<!-- table:d -->\n<!-- /table -->\n')
    entry = dict(name='d', layout='differences', against='good', runs=[str(runs)], rows={'poor': 'The poor one'})
    write_json(plan, dict(page=str(page), tables=[entry]))
    assert table.main(['--plan', str(plan)]) == 0
    assert printed in page.read_text() and 'The poor one' in printed
    with pytest.raises(SystemExit):
        table.main(words)
    entry.pop('against')
    write_json(plan, dict(page=str(page), tables=[entry]))
    assert table.main(['--plan', str(plan)]) == 1
    assert 'expected `against`' in capsys.readouterr().err
