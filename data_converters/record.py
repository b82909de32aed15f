"""From a robot's bags, or a folder of images and point clouds, to a recording that labels are made from.

    python data_converters/record.py inspect-bag ride.bag --rig-out rig.yaml
    python data_converters/record.py from-bag ride.bag --rig rig.yaml --out rides/monday
    python data_converters/record.py from-folder FOLDER --rig rig.yaml --out rides/tuesday
    python data_converters/record.py from-folder sequences/08 --layout semantickitti --out rides/kitti08

A recording appears whole or not at all. What follows stands in docs/own_robot.md.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

if __package__ in (None, ''):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from tqdm import tqdm

from data_converters.recorders.bag import open_bag
from data_converters.recorders.bag_source import STAMPS, BagSource
from data_converters.recorders.folder_source import FolderSource
from data_converters.recorders.ground import suggested_z_origin
from data_converters.recorders.inspect_bag import inspect_bag
from data_converters.recorders.pose_track import RideError
from data_converters.recorders.ride import RideReport, RideSource, write_ride
from data_converters.recorders.rig import Rig, mount_matrix, read_rig
from data_converters.recorders.semantickitti import NOMINAL_TR, semantickitti_rig
from projects.OneOcc.core.formats.atomic_files import write_text


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(prog='record.py', description='Turn bags and folders of a robot into recordings.')
    commands = parser.add_subparsers(dest='command', required=True)
    look = commands.add_parser('inspect-bag', help='say what is in a bag and propose a rig.yaml')
    look.add_argument('bags', nargs='+', type=Path, metavar='BAG', help='.bag, .mcap, .db3, or the folder of a rosbag2')
    look.add_argument('--rig-out', type=Path, metavar='FILE', help='write the proposed rig.yaml there instead of printing it')
    bag = commands.add_parser('from-bag', help='write a recording from the bags of one ride')
    bag.add_argument('bags', nargs='+', type=Path, metavar='BAG', help='.bag, .mcap, .db3, or the folder of a rosbag2')
    bag.add_argument('--rig', required=True, type=Path, metavar='FILE', help='rig.yaml: topics, mounts, poses')
    bag.add_argument(
        '--stamps', choices=STAMPS, default=STAMPS[0], help='which time a message has: its own, or that of its receipt'
    )
    folder = commands.add_parser('from-folder', help='write a recording from images, point files and a trajectory')
    folder.add_argument('folder', type=Path, metavar='FOLDER')
    folder.add_argument('--layout', choices=['rig', 'semantickitti'], default='rig', help='what says where things are')
    folder.add_argument('--rig', type=Path, metavar='FILE', help='rig.yaml: folders, mounts, poses')
    folder.add_argument('--rate', type=float, metavar='HZ', help='files a second, where no name or list tells their times')
    folder.add_argument('--tr', nargs='+', metavar='N', help="semantickitti: Tr as 12 numbers, or 'nominal', for a calib.txt without it")
    for command in (bag, folder):
        command.add_argument('--out', required=True, type=Path, metavar='DIR', help='the new recording')
        command.add_argument(
            '--every', type=float, default=0.5, metavar='S', help='least time between two images (default: 0.5 s; 0 takes all)'
        )
        command.add_argument('--quiet', action='store_true', help='no progress bar')
    return parser.parse_args(arguments)


def inspect(args: argparse.Namespace) -> None:
    """Print what bags hold; print or write the rig that they propose."""
    with open_bag(args.bags) as bag:
        lines, rig = inspect_bag(bag)
    print('\n'.join(lines))
    if args.rig_out is None:
        print(f'\n{rig}')
    else:
        if args.rig_out.exists():
            raise RideError(f'{args.rig_out}: expected no such file yet, got one')
        write_text(args.rig_out, rig)
        print(f'proposed rig: {args.rig_out}')


def from_bag(args: argparse.Namespace) -> None:
    """Write a recording from bags."""
    rig = read_rig(args.rig)
    with open_bag(args.bags) as bag:
        _write(BagSource(bag, rig, args.stamps), rig, args)


def from_folder(args: argparse.Namespace) -> None:
    """Write a recording from a folder."""
    if args.rate is not None and not args.rate > 0:
        raise RideError(f'--rate: expected files a second above 0, got {args.rate:g}')
    if args.layout == 'semantickitti':
        rig = semantickitti_rig(args.folder, _tr(args.tr))
    elif args.rig is None:
        raise RideError('--rig: expected a rig.yaml (or --layout semantickitti), got none')
    else:
        rig = read_rig(args.rig)
    _write(FolderSource(args.folder, rig, args.rate), rig, args)


def _tr(words: list[str] | None) -> np.ndarray | None:
    if not words:
        return None
    if words == ['nominal']:
        return NOMINAL_TR
    try:
        numbers = np.array([float(word) for word in words]).reshape(3, 4)
    except ValueError:
        raise RideError(f"--tr: expected 12 numbers or 'nominal', got {' '.join(words)!r}") from None
    return mount_matrix(np.vstack([numbers, (0, 0, 0, 1)]).tolist(), '--tr')


def _write(source: RideSource, rig: Rig, args: argparse.Namespace) -> None:
    if not args.every >= 0:
        raise RideError(f'--every: expected seconds from 0 on, got {args.every:g}')
    with tqdm(unit='message', desc=f'record {args.out.name}', disable=args.quiet) as bar:

        def on_message(done: int, total: int) -> None:
            bar.total = total
            bar.update(1)

        report = write_ride(source, rig, args.out, args.every, on_message)
    _tell(report, args.out)


def _tell(report: RideReport, out: Path) -> None:
    first, *rest = report.lines()
    print(f'{out}: {first}')
    for line in rest:
        print(f'  {line}', file=sys.stderr)
    if report.ground is not None:
        origin = suggested_z_origin(report.ground.height, 0.4)
        print(
            f'  the ground lies {report.ground.height:.2f} m below ego: a grid of 0.4 m voxels may begin at z = {origin:.1f}: '
            f'--grid 64,64,8,0.4,-12.8,-12.8,{origin:.1f}'
        )


COMMANDS = {'inspect-bag': inspect, 'from-bag': from_bag, 'from-folder': from_folder}


def main(arguments: list[str] | None = None) -> int:
    """Entry point; 0 = done, 2 = an error told in one sentence, 130 = interrupted."""
    args = parse_args(arguments)
    try:
        COMMANDS[args.command](args)
    except (ValueError, OSError) as error:
        print(f'record.py: error: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print('record.py: interrupted; nothing was left behind', file=sys.stderr)
        return 130
    return 0


if __name__ == '__main__':
    sys.exit(main())
