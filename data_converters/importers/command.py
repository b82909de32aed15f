"""The importers on the command line: `create_data.py SET --root RAW --out DIR`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from data_converters.ground_truth import format_table
from data_converters.importers.human360occ import DEPTHS, Human360OccImporter
from data_converters.importers.importer import Importer, import_set
from data_converters.importers.quadocc import GRID_FROM_LIDAR, QuadOccImporter

IMPORTED = ('quadocc', 'human360occ')


def parse_args(arguments: list[str]) -> argparse.Namespace:
    """Command line of one imported set; the first word is its name."""
    parser = argparse.ArgumentParser(prog='create_data.py', description='Import a public data set.')
    sets = parser.add_subparsers(dest='set', required=True)
    quadocc = _common(sets.add_parser('quadocc', help='QuadOcc: annulus, Livox, 64x64x8 labels'))
    quadocc.add_argument('--labels', default='new_finally_label', metavar='NAME', help='folder of the label grids')
    _axes(quadocc)
    quadocc.add_argument('--grid-frame', choices=list(GRID_FROM_LIDAR), help='where the label grid lives')
    quadocc.add_argument(
        '--camera-turn', type=float, metavar='DEG', help='0 where the top of the picture faces forward, + to the left'
    )
    quadocc.add_argument('--radius-range', type=float, nargs=2, metavar=('INNER', 'OUTER'), help='annulus in pixels')
    human = _common(sets.add_parser('human360occ', help='Human360Occ: panoramas, depth, two label grids'))
    _axes(human)
    human.add_argument('--depth', choices=DEPTHS, help='what the depth panoramas hold')
    human.add_argument('--sweeps', action='store_true', help='write the depth panoramas as sweeps too')
    return parser.parse_args(arguments)


def make_importer(args: argparse.Namespace) -> Importer:
    """The importer that the command line asks for; it has looked at the set already.

    Raises:
        ValueError, OSError: what is wrong with the set, in one sentence.
    """
    axes: Any = None if args.axes is None else tuple(args.axes.split(','))
    if args.set == 'quadocc':
        annulus = None if args.radius_range is None else tuple(args.radius_range)
        return QuadOccImporter(args.root, args.labels, axes, args.grid_frame, args.camera_turn, annulus)
    return Human360OccImporter(args.root, axes, args.depth, args.sweeps)


def main(arguments: list[str]) -> int:
    """Entry point; 0 = done, 2 = an error told in one sentence, 130 = interrupted."""
    args = parse_args(arguments)
    try:
        importer = make_importer(args)
        for line in importer.evidence:
            print(line, flush=True)
        table = import_set(importer, args.out, args.workers, args.quiet)
    except (ValueError, OSError) as error:
        print(f'create_data.py: error: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print('create_data.py: interrupted; the same command continues', file=sys.stderr)
        return 130
    print(format_table(table))
    return 0


def _common(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument('--root', required=True, type=Path, metavar='RAW', help='the set as it was downloaded')
    parser.add_argument('--out', required=True, type=Path, metavar='DIR', help='data root, e.g. data/quadocc')
    parser.add_argument('--workers', type=int, default=os.cpu_count() or 1, metavar='N', help='processes')
    parser.add_argument('--quiet', action='store_true', help='no progress bar')
    return parser


def _axes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--axes',
        metavar='A,B,C',
        help='what the stored axes of the labels run along, e.g. x,y,z or -y,x,z; found from the data by default',
    )
