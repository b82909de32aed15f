"""Tables over runs: grouping, refusals, the block in a markdown file, the command."""

import copy

import numpy as np
import pytest

from projects.OneOcc.oneocc.evaluation.report import build_report, write_json
from projects.OneOcc.oneocc.evaluation.run_tables import (
    TableError,
    find_runs,
    group_runs,
    markdown_table,
    read_run,
    replace_block,
    spread,
)
from tests.scripts import load_script

CLASSES = ('road', 'car')


def run(seed=0, **changes):
    rng = np.random.default_rng(seed)
    matrices = [rng.integers(1, 99, (3, 3)).astype(np.uint64) for _ in range(6)]
    report = build_report(matrices, [['day'], ['dusk'], ['night']] * 2, CLASSES, 'known')
    return dict(copy.deepcopy(report), **changes)


@pytest.fixture
def runs(tmp_path):
    """Two configs, two seeds and one, in folders CONFIG/seedN."""
    for number, place in enumerate(('b_net/seed0', 'b_net/seed1', 'a_net/seed0')):
        write_json(tmp_path / 'work_dirs' / place / 'metrics.json', run(number))
    return tmp_path / 'work_dirs'


def cells(line):
    return [cell.strip() for cell in line.strip('|').split('|')]


def test_columns_stand_in_the_order_of_the_paper(runs):
    lines = markdown_table(group_runs(find_runs([f'{runs}/*/seed*']))).splitlines()
    assert cells(lines[0]) == ['Method', 'road', 'car', 'Precision', 'Recall', 'IoU', 'mIoU']
    assert [cells(line)[0] for line in lines[2:4]] == ['a_net', 'b_net']
    single = run(2)
    assert cells(lines[2])[1:] == [
        f'{value:.2f}'
        for value in (
            *single['class_iou'].values(),
            single['precision'],
            single['recall'],
            single['iou'],
            single['miou'],
        )
    ]
    first, second = run(0)['miou'], run(1)['miou']
    assert cells(lines[3])[-1] == f'{(first + second) / 2:.2f} ± {abs(first - second) / 2**0.5:.2f}'
    assert (
        lines[-1] == 'Percent; 6 frames, mask policy `known`, unobserved voxels `ignore`, '
        'runs per row: 1 to 2 (mean ± sample sd).'
    )


def test_lighting_and_ablation_layouts(runs):
    groups = group_runs(find_runs([str(runs)]))
    lighting = markdown_table(groups, 'lighting').splitlines()
    assert cells(lighting[0])[1:6] == ['Day P', 'Day R', 'Day IoU', 'Day mIoU', 'Dusk P']
    assert cells(lighting[2])[-1] == f'{run(2)["subsets"]["night"]["miou"]:.2f}'
    ablation = cells(markdown_table(groups, 'ablation').splitlines()[0])
    assert ablation[0] == 'Variant' and ablation[-4:] == ['SC Precision', 'SC Recall', 'SC IoU', 'SSC mIoU']


def test_rows_are_chosen_named_and_ordered(runs):
    groups = group_runs(find_runs([str(runs)]))
    lines = markdown_table(groups, rows={'b_net': 'OneOcc', 'a_net': 'MonoScene'}).splitlines()
    assert [cells(line)[0] for line in lines[2:4]] == ['OneOcc', 'MonoScene']
    with pytest.raises(TableError, match=r"no runs of the configs \['c_net'\]"):
        markdown_table(groups, rows={'c_net': 'nobody'})


@pytest.mark.parametrize(
    'place, stored, name',
    [
        ('oneocc/seed3', None, 'oneocc'),
        ('oneocc_seed3', None, 'oneocc'),
        ('oneocc', None, 'oneocc'),
        ('anything/seed0', 'configs/oneocc/oneocc_quadsim.py', 'oneocc_quadsim'),
        ('oneocc/seed_1/20260101', None, 'oneocc'),
    ],
)
def test_config_is_the_stored_one_or_the_folder(tmp_path, place, stored, name):
    write_json(tmp_path / place / 'metrics.json', run(config=stored))
    assert list(group_runs(find_runs([str(tmp_path)]))) == [name]


@pytest.mark.parametrize(
    'change, message',
    [
        (dict(mask_policy='visible'), 'different mask policy .* known in .* visible in'),
        (dict(frames=7), 'different number of frames .* 6 in .* 7 in'),
        (dict(class_iou={'road': 1.0}), 'different classes'),
    ],
)
def test_runs_that_measure_other_things_are_refused(runs, change, message):
    write_json(runs / 'c_net' / 'metrics.json', run(**change))
    with pytest.raises(TableError, match=message):
        group_runs(find_runs([str(runs)]))


def test_files_that_are_no_runs_are_refused_by_name(tmp_path, runs):
    broken = tmp_path / 'metrics.json'
    broken.write_text('{"miou": 1')
    with pytest.raises(TableError, match='metrics.json: not readable'):
        read_run(broken)
    broken.write_text('[]')
    with pytest.raises(TableError, match='keys .* are missing'):
        read_run(broken)
    with pytest.raises(TableError, match="no metrics.json found for 'nowhere'"):
        find_runs(['nowhere'], tmp_path)
    with pytest.raises(TableError, match='at least one run'):
        group_runs([])
    groups = group_runs(find_runs([str(runs)]))
    with pytest.raises(TableError, match='layout: expected'):
        markdown_table(groups, 'latex')
    groups['a_net'][0]['subsets'].pop('night')
    with pytest.raises(TableError, match="missing \\['night'\\]"):
        markdown_table(groups, 'lighting')
    assert 'b_net' in markdown_table(groups, 'lighting', rows={'b_net': 'b_net'})


def test_block_is_replaced_and_nothing_else():
    text = 'before\n<!-- table:main -->\nold\n<!-- /table -->\nafter <!-- table:other --><!-- /table -->\n'
    once = replace_block(text, 'main', '| new |')
    assert once == text.replace('old', '| new |')
    assert replace_block(once, 'main', '| new |') == once
    for bad, message in (
        (text.replace('table:main', 'x'), 'found it 0 times'),
        (text + text, '2 times'),
        (text.replace('\n<!-- /table -->', '', 1), 'has no <!-- /table -->'),
    ):
        with pytest.raises(TableError, match=message):
            replace_block(bad, 'main', '')


def test_spread_of_one_two_and_equal_values():
    assert spread([20.561]) == '20.56'
    assert spread([1.0, 3.0]) == '2.00 ± 1.41'
    assert spread([5.0, 5.0, 5.0]) == '5.00 ± 0.00'


def test_command_writes_the_file_and_the_block(runs, tmp_path, capsys):
    main = load_script('tools/analysis_tools/table.py').main
    readme = tmp_path / 'README.md'
    readme.write_text('# title\n<!-- table:main -->\n<!-- /table -->\n')
    options = ['--runs', f'{runs}/*/seed*', '--rows', 'a_net=MonoScene']
    assert main([*options, '--out', str(tmp_path / 'table.md'), '--update', str(readme), '--table', 'main']) == 0
    table = (tmp_path / 'table.md').read_text()
    assert table == capsys.readouterr().out
    assert 'MonoScene' in table and f'{run(2)["miou"]:.2f}' in table
    assert readme.read_text() == f'# title\n<!-- table:main -->\n{table}<!-- /table -->\n'

    write_json(runs / 'a_net' / 'seed0' / 'metrics.json', run(frames=1))
    before = readme.read_text()
    assert main([*options, '--update', str(readme), '--table', 'main']) == 1
    assert 'number of frames' in capsys.readouterr().err and readme.read_text() == before


@pytest.mark.parametrize('options', [['--update', 'README.md'], ['--table', 'main'], ['--rows', 'no-label']])
def test_command_refuses_half_an_order(options, capsys):
    with pytest.raises(SystemExit, match='2'):
        load_script('tools/analysis_tools/table.py').main(['--runs', '*', *options])
    assert 'error:' in capsys.readouterr().err
