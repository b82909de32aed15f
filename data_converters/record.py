"""From a robot's bags, or a folder of images and point clouds, to a recording that labels are made from.

    python data_converters/record.py inspect-bag ride.bag --rig-out rig.yaml
    python data_converters/record.py from-bag ride.bag --rig rig.yaml --out rides/monday
    python data_converters/record.py from-folder FOLDER --rig rig.yaml --out rides/tuesday
    python data_converters/record.py from-folder sequences/08 --layout semantickitti --out rides/kitti08
    python data_converters/record.py check-calibration recording rides/monday --out overlay.png
    python data_converters/record.py label-points rides/monday --masks masks --format grounded-sam
    python data_converters/record.py find-moving rides/monday --free-space
    python data_converters/record.py export-labels rides/monday --out to_edit
    python data_converters/record.py import-labels rides/monday --source to_edit

A recording appears whole or not at all. What follows stands in docs/own_robot.md.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

if __package__ in (None, ''):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from tqdm import tqdm

from data_converters import check_calibration
from data_converters.point_labels.commands import HANDLERS
from data_converters.point_labels.mask_files import MASK_FORMATS, RULES
from data_converters.point_labels.mask_votes import VoteSettings
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
    look.add_argument(
        '--rig-out', type=Path, metavar='FILE', help='write the proposed rig.yaml there instead of printing it'
    )
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
    folder.add_argument(
        '--rate', type=float, metavar='HZ', help='files a second, where no name or list tells their times'
    )
    folder.add_argument(
        '--tr', nargs='+', metavar='N', help="semantickitti: Tr as 12 numbers, or 'nominal', for a calib.txt without it"
    )
    for command in (bag, folder):
        command.add_argument('--out', required=True, type=Path, metavar='DIR', help='the new recording')
        command.add_argument(
            '--every',
            type=float,
            default=0.5,
            metavar='S',
            help='least time between two images (default: 0.5 s; 0 takes all)',
        )
        command.add_argument('--quiet', action='store_true', help='no progress bar')
    check = commands.add_parser('check-calibration', help='LiDAR over the picture, and by how much they miss')
    check_calibration.add_arguments(check)
    _add_label_commands(commands)
    return parser.parse_args(arguments)


def _add_label_commands(commands: Any) -> None:
    """The subcommands that change labels of points."""
    masks = commands.add_parser('label-points', help='label the points of a recording from image masks')
    masks.add_argument('recording', type=Path, metavar='RECORDING')
    masks.add_argument('--masks', required=True, type=Path, metavar='DIR', help='folder with the masks, named by frame')
    masks.add_argument('--format', required=True, choices=MASK_FORMATS, help='see point_labels/mask_files.py')
    masks.add_argument('--camera', metavar='NAME', help='camera in whose pixels they lie (default: the first)')
    masks.add_argument(
        '--classes', type=Path, metavar='FILE', help='YAML: name or id of a mask -> class, or unlabelled'
    )
    masks.add_argument(
        '--rule', choices=RULES, default=RULES[0], help="which mask a pixel belongs to; first is QuadOcc's"
    )
    defaults = VoteSettings()
    masks.add_argument(
        '--window',
        type=float,
        default=defaults.window_s,
        metavar='S',
        help=f'seconds before and behind an image whose points it labels (default: {defaults.window_s:g}; 0: its '
        'own frame)',
    )
    masks.add_argument('--no-depth-test', action='store_true', help='label hidden points too')
    masks.add_argument('--quiet', action='store_true', help='no progress bar')
    moving = commands.add_parser('find-moving', help='say which points of a recording lie on moving things')
    moving.add_argument('recording', type=Path, metavar='RECORDING')
    moving.add_argument('--classes', nargs='+', default=[], metavar='NAME', help='all points of these classes move')
    moving.add_argument(
        '--tracks', type=Path, metavar='FILE', help='JSON list of boxes: frame, center_m, size_m, yaw, class'
    )
    moving.add_argument('--free-space', action='store_true', help='points that other sweeps look through move')
    moving.add_argument('--keep', action='store_true', help='keep what is marked already')
    out = commands.add_parser('export-labels', help="write a recording in the layout of SemanticKITTI's point_labeler")
    out.add_argument('recording', type=Path, metavar='RECORDING')
    out.add_argument('--out', required=True, type=Path, metavar='DIR')
    out.add_argument('--lidar', metavar='NAME', help='default: the first')
    back = commands.add_parser('import-labels', help='take labels that were changed by hand back into a recording')
    back.add_argument('recording', type=Path, metavar='RECORDING')
    back.add_argument('--source', required=True, type=Path, metavar='DIR', help='what export-labels wrote')
    back.add_argument('--force', action='store_true', help='labels by hand win where both sides changed')


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
            f'  the ground lies {report.ground.height:.2f} m below ego: a grid of 0.4 m voxels may begin at z = '
            f'{origin:.1f}: '
            f'--grid 64,64,8,0.4,-12.8,-12.8,{origin:.1f}'
        )


COMMANDS = {
    'inspect-bag': inspect,
    'from-bag': from_bag,
    'from-folder': from_folder,
    'check-calibration': check_calibration.run,
    **HANDLERS,
}


def main(arguments: list[str] | None = None) -> int:
    """Entry point; 0 = done, 2 = an error told in one sentence, 130 = interrupted."""
    args = parse_args(arguments)
    try:
        COMMANDS[args.command](args)
    except (ValueError, OSError) as error:
        print(f'record.py: error: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print('record.py: interrupted', file=sys.stderr)
        return 130
    return 0


if __name__ == '__main__':
    sys.exit(main())
