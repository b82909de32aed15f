"""Make a synthetic data set from a seed, or import a public one: the door to everything in this folder.

    python data_converters/create_data.py quadsim --mini --out data/quadsim-mini --seed 0
    python data_converters/create_data.py humansim --out data/humansim
    python data_converters/create_data.py quadocc --root /downloads/quadocc --out data/quadocc

Public sets are read in their own layouts, each with options of its own (--root, --axes, --geometry, --view, --width,
--classes: `create_data.py SET --help`, importers/command.py). The same synthetic set, seed and options give the same
bytes on one machine, whatever the number of workers; on another a rare pixel differs by a grey level
(docs/runs/README.md). A killed run is continued by the same command: finished sequences stand in DIR/sequences/,
anything else begins again.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
from dataclasses import replace
from pathlib import Path

if __package__ in (None, ''):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from data_converters.ground_truth import format_table, write_infos
from data_converters.importers import command
from data_converters.output_folder import claim_output
from data_converters.synthetic.capture.protocols import (
    HUMANSIM,
    HUMANSIM_MINI,
    QUADSIM,
    QUADSIM_MINI,
    SPINNING,
    Protocol,
)
from data_converters.synthetic_sequences import OutputLock, make_sequences
from data_converters.task_cluster import WorkerLostError

SETTINGS_FILE = 'create_data.json'
PROTOCOLS = {
    ('quadsim', False): QUADSIM,
    ('quadsim', True): QUADSIM_MINI,
    ('humansim', False): HUMANSIM,
    ('humansim', True): HUMANSIM_MINI,
}


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """Command line; the shrinking options change the settings, hence the set."""
    parser = argparse.ArgumentParser(
        prog='create_data.py',
        description='Make a synthetic panoramic occupancy data set.',
        epilog=f'Public sets are imported: {", ".join(command.IMPORTED)}; see create_data.py SET --help.',
    )
    parser.add_argument('set', choices=['quadsim', 'humansim'], help='which set to make')
    parser.add_argument(
        '--out', required=True, type=Path, metavar='DIR', help='root folder of this set, e.g. data/quadsim-mini'
    )
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--mini', action='store_true', help='the small set that the demo and the tests use')
    parser.add_argument(
        '--workers',
        type=int,
        default=os.cpu_count() or 1,
        metavar='N',
        help='processes; does not change the result (default: all cores)',
    )
    parser.add_argument(
        '--scheduler',
        metavar='ADDRESS',
        help="machines of a dask cluster: tcp://HOST:PORT, or 'slurm' (task_cluster.py)",
    )
    parser.add_argument('--maps', type=int, metavar='N', help='humansim: number of maps')
    parser.add_argument('--sequences', type=int, metavar='N', help='number of sequences (humansim: in every map)')
    parser.add_argument('--frames', type=int, metavar='N', help='frames of every sequence')
    parser.add_argument('--image-width', type=int, metavar='W', help='image width; the height follows from the camera')
    parser.add_argument(
        '--lidar', choices=['non-repetitive', 'spinning'], default='non-repetitive', help='quadsim: kind of lidar'
    )
    parser.add_argument('--quiet', action='store_true', help='no progress bar')
    return parser.parse_args(arguments)


def choose_protocol(args: argparse.Namespace) -> Protocol:
    """The protocol that the command line asks for.

    Raises:
        ValueError: Options that do not fit the set.
    """
    protocol = replace(PROTOCOLS[args.set, args.mini], seed=args.seed)
    if args.workers < 1:
        raise ValueError(f'--workers: expected at least 1, got {args.workers}')
    if args.seed < 0:
        raise ValueError(f'--seed: expected 0 or more, got {args.seed}')
    for option in ('maps', 'sequences', 'frames'):
        value = getattr(args, option)
        if value is not None and value < 1:
            raise ValueError(f'--{option}: expected at least 1, got {value}')
    if args.frames is not None:
        protocol = replace(protocol, frames=args.frames)
    if args.image_width is not None:
        divisor = 4 if protocol.is_quad else 2
        if args.image_width < 32 or args.image_width % divisor:
            raise ValueError(f'--image-width: expected a multiple of {divisor} from 32 on, got {args.image_width}')
        height = args.image_width * 3 // 4 if protocol.is_quad else args.image_width // 2
        protocol = replace(protocol, image_size=(args.image_width, height))
    if args.lidar == 'spinning':
        if not protocol.is_quad:
            raise ValueError('--lidar: expected quadsim, which has one, got humansim')
        protocol = replace(protocol, lidar=SPINNING[args.mini])
    if protocol.is_quad:
        if args.maps is not None:
            raise ValueError('--maps: every quadsim sequence has a map of its own; use --sequences')
        if args.sequences is not None:
            protocol = replace(protocol, maps=args.sequences)
    else:
        protocol = replace(
            protocol,
            maps=protocol.maps if args.maps is None else args.maps,
            sequences=protocol.sequences if args.sequences is None else args.sequences,
        )
    protocol.splits()
    return protocol


def generator_digest() -> str:
    """Digest of the sources that make a set: it is continued only by the code that began it."""
    converters = Path(__file__).resolve().parent
    digest = hashlib.sha256()
    for folder in (converters, converters.parent / 'projects/OneOcc/core'):
        for path in sorted([*folder.rglob('*.py'), *folder.rglob('*.txt')]):
            digest.update(path.relative_to(folder).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def claim_folder(out: Path, protocol: Protocol) -> None:
    """Make `out`, or check that it holds a run of the same settings.

    Raises:
        ValueError: A file, a foreign folder, or a run with another seed, other options or code.
    """
    claim_output(out, SETTINGS_FILE, dict(protocol.settings(), generator=generator_digest()))


def create(protocol: Protocol, out: Path, workers: int, quiet: bool = False, scheduler: str | None = None) -> dict:
    """Make or continue a set in `out`; returns the content of class_counts.json.

    Raises:
        ValueError: `out` holds something else, or another run is writing there.
    """
    out = Path(out)
    claim_folder(out, protocol)
    with OutputLock(out):
        summaries = make_sequences(protocol, out, workers, quiet, scheduler)
        return write_infos(
            out,
            protocol.dataset,
            protocol.splits(),
            protocol.grids,
            summaries,
            robot=protocol.robot,
            seed=protocol.seed,
        )


def main(arguments: list[str] | None = None) -> int:
    """Entry point; 0 = done, 2 = an error told in one sentence, 130 = interrupted."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments and arguments[0] in command.IMPORTED:
        return command.main(arguments)
    args = parse_args(arguments)
    try:
        table = create(choose_protocol(args), args.out, args.workers, args.quiet, args.scheduler)
    except (ValueError, OSError) as error:
        print(f'create_data.py: error: {error}', file=sys.stderr)
        return 2
    except WorkerLostError as error:
        print(
            f'create_data.py: error: {error} (out of memory?); the same command continues, perhaps with fewer '
            '--workers',
            file=sys.stderr,
        )
        return 2
    except KeyboardInterrupt:
        print('create_data.py: interrupted; the same command continues', file=sys.stderr)
        return 130
    print(format_table(table))
    return 0


if __name__ == '__main__':
    sys.exit(main())
