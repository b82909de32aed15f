"""Make a results table from the metrics.json of several runs, in the paper's column order.

    python tools/analysis_tools/table.py --runs 'work_dirs/*/seed*' --layout classes --out TABLE.md
    python tools/analysis_tools/table.py --runs 'work_dirs/*/seed*' --layout lighting \
        --update README.md --table lighting --rows 'monoscene_quadsim=MonoScene' 'oneocc_quadsim=OneOcc'

Runs of one config are one row, mean and sample standard deviation over them (its seeds).
`--update FILE --table NAME` replaces what stands between the lines `<!-- table:NAME -->` and
`<!-- /table -->` of FILE, so that no number is typed by hand. `--plan FILE` does so for all tables of a page:

    python tools/analysis_tools/table.py --plan docs/runs/tables.json

A plan is {"page": FILE, "tables": [{"name", "layout", "runs": [PATTERN], "rows": {CONFIG: LABEL}}]}, its paths
relative to the current folder; --update writes into a copy of the page instead.

`--layout differences --against CONFIG` (in a plan "against") subtracts one config from the others, with the intervals
of a paired bootstrap over rides and runs.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from projects.OneOcc.core.formats.atomic_files import write_text
from projects.OneOcc.oneocc.evaluation.difference_tables import difference_table
from projects.OneOcc.oneocc.evaluation.run_tables import (
    TableError,
    find_runs,
    group_runs,
    markdown_table,
    replace_block,
)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--plan', type=Path, help='JSON file that says all tables of a page')
    parser.add_argument('--runs', nargs='+', help='glob patterns of metrics.json files or of folders that hold them')
    parser.add_argument(
        '--layout',
        choices=('classes', 'ablation', 'lighting', 'differences'),
        default='classes',
        help='classes: Tables 2 and 3; ablation: Table 4; lighting: Table 5; differences: to --against',
    )
    parser.add_argument(
        '--against', metavar='CONFIG', help='of --layout differences: what the others are compared with'
    )
    parser.add_argument(
        '--rows', nargs='+', metavar='CONFIG=LABEL', help='rows in this order (default: all configs, alphabetically)'
    )
    parser.add_argument('--out', type=Path, help='file to write the table to')
    parser.add_argument('--update', type=Path, help='markdown file that holds the marked block')
    parser.add_argument('--table', metavar='NAME', help='name of the block in the --update file')
    args = parser.parse_args(argv)
    if (args.runs is None) == (args.plan is None):
        parser.error('give either --runs or --plan')
    if args.plan is None and (args.update is None) != (args.table is None):
        parser.error('--update and --table belong together')
    if args.plan is None and (args.against is None) == (args.layout == 'differences'):
        parser.error('--layout differences and --against belong together')
    for row in args.rows or []:
        if '=' not in row:
            parser.error(f'--rows: expected CONFIG=LABEL, got {row!r}')
    return args


def make_table(runs: dict, layout: str, rows: dict | None, against: str | None) -> str:
    """One table as markdown."""
    if layout == 'differences':
        if against is None:
            raise TableError('layout differences: expected `against`, the config to compare with, got none')
        return difference_table(runs, against, rows)
    return markdown_table(runs, layout, rows)


def write_page(plan: Path, page: Path | None) -> int:
    """Replace every table of a plan's page, or of the copy `page`; 0, or 1 after telling what is wrong."""
    try:
        wanted = json.loads(plan.read_text(encoding='utf-8-sig'))
        page = page or Path(wanted['page'])
        text = page.read_text()
        for table in wanted['tables']:
            runs = group_runs(find_runs(table['runs']))
            text = replace_block(
                text, table['name'], make_table(runs, table['layout'], table['rows'], table.get('against'))
            )
        write_text(page, text)
    except (TableError, OSError, ValueError, KeyError) as error:
        print(f'table.py: {plan}: {error}', file=sys.stderr)
        return 1
    return 0


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    if args.plan is not None:
        return write_page(args.plan, args.update)
    rows = dict(row.split('=', 1) for row in args.rows) if args.rows else None
    try:
        table = make_table(group_runs(find_runs(args.runs)), args.layout, rows, args.against)
        if args.update is not None:
            updated = replace_block(args.update.read_text(), args.table, table)
            write_text(args.update, updated)
    except (TableError, OSError) as error:
        print(f'table.py: {error}', file=sys.stderr)
        return 1
    if args.out is not None:
        write_text(args.out, table + '\n')
    print(table)
    return 0


if __name__ == '__main__':
    sys.exit(main())
