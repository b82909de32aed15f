"""The importers on the command line: `create_data.py SET --root RAW --out DIR`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from data_converters.ground_truth import format_table
from data_converters.importers.human360occ import DEPTHS, Human360OccImporter
from data_converters.importers.importer import Importer, ImportFailedError, import_set
from data_converters.importers.kitti360 import NUMBERINGS, Kitti360Importer
from data_converters.importers.quadocc import GRID_FROM_LIDAR, QuadOccImporter
from data_converters.importers.semantickitti import SemanticKittiImporter
from data_converters.importers.tartanground import TartanGroundTrajectory, find_trajectories
from data_converters.task_cluster import WorkerLostError
from projects.OneOcc.core.formats.atomic_files import read_json
from projects.OneOcc.core.formats.labels import check_classes

IMPORTED = ('quadocc', 'human360occ', 'kitti360', 'semantickitti', 'tartanground')


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
    kitti = _common(sets.add_parser('kitti360', help="KITTI-360's fisheyes, SSCBench's voxels"))
    kitti.add_argument('--voxels', type=Path, metavar='DIR', help='SSCBench voxels by drive (RAW/preprocess/labels)')
    kitti.add_argument('--view', choices=('pair', 'left', 'right'), default='pair', help='panorama of both, or one')
    kitti.add_argument('--width', type=int, default=1408, metavar='W', help='of the panorama in pixels')
    kitti.add_argument('--numbering', choices=NUMBERINGS, help='what the numbers of voxel files are')
    kitti.add_argument('--z-origin', type=float, metavar='M', help='lowest corner of the voxels')
    semantic = _common(sets.add_parser('semantickitti', help='SemanticKITTI scene completion'))
    semantic.add_argument('--geometry', action='store_true', help='voxels without classes, from the .bin files')
    semantic.add_argument('--z-origin', type=float, metavar='M', help='lowest corner of the voxels')
    tartan = _common(sets.add_parser('tartanground', help='TartanGround: six cameras as panoramas, labels made here'))
    tartan.add_argument('--width', type=int, default=768, metavar='W', help='of the panoramas in pixels')
    tartan.add_argument('--classes', type=Path, metavar='JSON', help='{"classes": [...], "ids": {"7": "road", ...}}')
    tartan.add_argument('--grid', action='append', metavar='GRID', help='as of label_recordings.py (default: h3o)')
    tartan.add_argument('--splits', nargs='+', metavar='SPLIT=NAME,NAME', help='default: the last one validates')
    return parser.parse_args(arguments)


def make_importer(args: argparse.Namespace) -> Importer:
    """The importer that the command line asks for; it has looked at the set already.

    Raises:
        ValueError, OSError: what is wrong with the set, in one sentence.
    """
    if args.set == 'kitti360':
        return Kitti360Importer(args.root, args.voxels, args.view, args.width, args.numbering, args.z_origin)
    if args.set == 'semantickitti':
        return SemanticKittiImporter(args.root, args.geometry, args.z_origin)
    axes: Any = None if args.axes is None else tuple(args.axes.split(','))
    if args.set == 'quadocc':
        annulus = None if args.radius_range is None else tuple(args.radius_range)
        return QuadOccImporter(args.root, args.labels, axes, args.grid_frame, args.camera_turn, annulus)
    return Human360OccImporter(args.root, axes, args.depth, args.sweeps)


def main(arguments: list[str]) -> int:
    """Entry point; 0 = done, 2 = an error told in one sentence, 130 = interrupted."""
    args = parse_args(arguments)
    try:
        if args.set == 'tartanground':
            return import_trajectories(args)
        importer = make_importer(args)
        for line in importer.evidence:
            print(line, flush=True)
        table = import_set(importer, args.out, args.workers, args.quiet, args.scheduler)
    except (ValueError, OSError, WorkerLostError) as error:
        print(f'create_data.py: error: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print('create_data.py: interrupted; the same command continues', file=sys.stderr)
        return 130
    print(format_table(table))
    return 0


def import_trajectories(args: argparse.Namespace) -> int:
    """Write what is not yet a recording of each trajectory, then label all of them.

    Raises:
        ValueError, OSError: what is wrong with the set, in one sentence.
    """
    from data_converters import label_recordings

    found = find_trajectories(args.root)
    classes, table = (('occupied',), None) if args.classes is None else read_class_table(args.classes)
    homes = {name: args.out / 'recordings' / name for name in found}
    for name, folder in found.items():
        if not (homes[name] / 'recording.json').is_file():
            TartanGroundTrajectory(folder, args.width, table, classes).write(homes[name], name)
    names = list(found)
    splits = args.splits or [f'train={",".join(names[:-1] or names)}', f'val={names[-1]}']
    grids = [word for grid in args.grid or ['h3o'] for word in ('--grid', grid)]
    options = ['--out', str(args.out), '--workers', str(args.workers), *(['--quiet'] if args.quiet else [])]
    options += ['--scheduler', args.scheduler] if args.scheduler else []
    return label_recordings.main([*map(str, homes.values()), *grids, '--splits', *splits, *options])


def read_class_table(path: Path) -> tuple[tuple[str, ...], dict[int, int]]:
    """Classes and label by id from `{"classes": [...], "ids": {"7": "road", "0": "sky", "9": "unlabelled"}}`.

    Raises:
        ImportFailedError: another content; names the entry.
    """
    content = read_json(path, ImportFailedError)
    if not isinstance(content, dict) or set(content) != {'classes', 'ids'} or not isinstance(content['ids'], dict):
        raise ImportFailedError(f"{path}: expected an object with 'classes' and 'ids', got {content!r:.80}")
    classes = check_classes(content['classes'], f'{path}: classes', ImportFailedError)
    labels = {**{name: index + 1 for index, name in enumerate(classes)}, 'sky': 0, 'unlabelled': 255}
    wrong = [(key, name) for key, name in content['ids'].items() if name not in labels or not str(key).isdigit()]
    if wrong or any(int(key) > 255 for key in content['ids']):
        raise ImportFailedError(f'{path}: ids: expected 0..255 with one of {list(labels)}, got {wrong[:3]}')
    return classes, {int(key): labels[name] for key, name in content['ids'].items()}


def _common(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument('--root', required=True, type=Path, metavar='RAW', help='the set as it was downloaded')
    parser.add_argument('--out', required=True, type=Path, metavar='DIR', help='data root, e.g. data/quadocc')
    parser.add_argument('--workers', type=int, default=os.cpu_count() or 1, metavar='N', help='processes')
    parser.add_argument('--scheduler', metavar='ADDRESS', help='machines of a dask cluster, as of label_recordings.py')
    parser.add_argument('--quiet', action='store_true', help='no progress bar')
    return parser


def _axes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--axes',
        metavar='A,B,C',
        help='what the stored axes of the labels run along, e.g. x,y,z or -y,x,z; found from the data by default',
    )
