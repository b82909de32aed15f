"""From recordings of one's own to a data set that trains: labels, info files, class counts.

    python data_converters/label_recordings.py rides/monday rides/tuesday --grid quadocc \
        --splits train=monday val=tuesday --out data/own

Everything is checked before the first label is made. A killed run is continued by the same command:
finished recordings stand in DIR/sequences/; recordings may be added later, and splits may change. A
recording that does not lie below DIR is linked as DIR/recordings/NAME, or copied with --copy, because
info files name images relative to DIR.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

if __package__ in (None, ''):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from data_converters.ground_truth import format_table, write_infos
from data_converters.label_checks import check_grids, check_labelable, check_splits
from data_converters.label_job import label_one, recording_digest
from data_converters.output_folder import claim_output
from data_converters.recording_links import is_below, place_recording, target_of
from data_converters.sequence_summaries import read_summary, summary_path
from data_converters.task_cluster import WorkerLostError, run_jobs
from data_converters.voxelize import VoxelizeSettings
from projects.OneOcc.core.formats.atomic_files import read_json, remove_leftovers
from projects.OneOcc.core.formats.folder_lock import FolderLock
from projects.OneOcc.core.formats.lidar_scan import check_body
from projects.OneOcc.core.formats.recording import Recording
from projects.OneOcc.core.formats.trajectory import tilts_deg
from projects.OneOcc.core.geometry import CartesianGrid

SETTINGS_FILE = 'label_recordings.json'
GRIDS = {
    'quadocc': CartesianGrid((64, 64, 8), 0.4, (-12.8, -12.8, -1.2)),
    'h3o': CartesianGrid((64, 64, 8), 0.4, (-12.8, -12.8, -2.4)),
    'h3o-128': CartesianGrid((128, 128, 16), 0.2, (-12.8, -12.8, -2.4)),
}
MAX_VOXELS = 1 << 26
TOLD_TILT_DEG = 5.0


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog='label_recordings.py', description='Label recordings and write the info files of a data set.'
    )
    parser.add_argument('recordings', nargs='+', type=Path, metavar='RECORDING', help='folder with a recording.json')
    parser.add_argument(
        '--grid',
        action='append',
        required=True,
        metavar='X,Y,Z,voxel,x0,y0,z0',
        help=f'label grid: voxels, edge and lowest corner in metres, or one of {", ".join(GRIDS)}; '
        'again for a further grid (the first is the default one)',
    )
    parser.add_argument(
        '--splits',
        nargs='+',
        required=True,
        metavar='SPLIT=NAME,NAME',
        help='names of the recordings of every split, or a JSON file {"train": ["NAME", ...], ...}',
    )
    parser.add_argument('--out', required=True, type=Path, metavar='DIR', help='data root of the set')
    parser.add_argument('--name', help='name of the set (default: that of DIR)')
    parser.add_argument('--copy', action='store_true', help='copy recordings into DIR instead of linking them')
    defaults = VoxelizeSettings()
    parser.add_argument(
        '--min-range',
        type=float,
        default=defaults.min_range,
        metavar='M',
        help=f'nearer returns are the robot itself (default: {defaults.min_range} m; 0 keeps all)',
    )
    parser.add_argument(
        '--body-box',
        type=float,
        nargs=6,
        metavar=('X0', 'Y0', 'Z0', 'X1', 'Y1', 'Z1'),
        help='box around the robot in the body frame, metres; returns inside are the robot itself',
    )
    parser.add_argument('--workers', type=int, default=1, metavar='N', help='recordings at a time (default: 1)')
    parser.add_argument(
        '--scheduler',
        metavar='ADDRESS',
        help="machines of a dask cluster: tcp://HOST:PORT, or 'slurm' (task_cluster.py)",
    )
    parser.add_argument('--quiet', action='store_true', help='no progress bar')
    return parser.parse_args(arguments)


def parse_grid(text: str) -> CartesianGrid:
    """A grid by its name, or from 'X,Y,Z,voxel,x0,y0,z0'.

    Raises:
        ValueError: Neither, or numbers that make no grid.
    """
    if text in GRIDS:
        return GRIDS[text]
    parts = text.split(',')
    try:
        if len(parts) != 7:
            raise ValueError(f'got {len(parts)} numbers')
        shape = tuple(int(part) for part in parts[:3])
        origin = tuple(float(part) for part in parts[4:])
        grid = CartesianGrid.from_dict(dict(shape=shape, voxel_size=float(parts[3]), origin=origin))
    except ValueError as error:
        raise ValueError(
            f'--grid: expected one of {", ".join(GRIDS)} or X,Y,Z,voxel,x0,y0,z0, got {text!r}: {error}'
        ) from error
    if shape[0] * shape[1] * shape[2] > MAX_VOXELS:
        raise ValueError(f'--grid: expected at most {MAX_VOXELS} voxels, got {text!r}')
    return grid


def parse_splits(words: list[str]) -> dict[str, list[str]]:
    """Splits from 'train=a,b' 'val=c', or from the JSON file that a single word names.

    Raises:
        ValueError: Neither.
    """
    if len(words) == 1 and '=' not in words[0]:
        splits = read_json(words[0])
        if not isinstance(splits, dict):
            raise ValueError(f'{words[0]}: expected an object of splits with lists of names, got {splits!r}')
        return splits
    splits = {}
    for word in words:
        split, equals, names = word.partition('=')
        if not equals or split in splits:
            raise ValueError(f'--splits: expected SPLIT=NAME,NAME with every split once, got {word!r}')
        splits[split] = [name for name in names.split(',') if name]
    return splits


def read_recordings(folders: list[Path], splits: dict[str, list[str]]) -> list[Recording]:
    """Read recordings and refuse what could not stand in one set; sensor files are looked at by header.

    Raises:
        FileNotFoundError, ValueError: The first thing that is wrong, with its file.
    """
    recordings: dict[str, Recording] = {}
    for folder in folders:
        recording = Recording.read(folder)
        other = recordings.setdefault(recording.name, recording)
        if other is not recording:
            raise ValueError(
                f'{folder}: expected recordings of distinct names, got {recording.name!r}, as in {other.root}; '
                'change the name in one recording.json'
            )
        first = next(iter(recordings.values()))
        if recording.classes != first.classes:
            raise ValueError(
                f'{folder}: expected the classes of {first.root} in their order, {list(first.classes)}, '
                f'got {list(recording.classes)}'
            )
    check_splits(splits, list(recordings), '--splits')
    unused = sorted(set(recordings) - {name for names in splits.values() for name in names})
    if unused:
        raise ValueError(f'--splits: expected every recording in a split, got {unused} in none')
    for recording in recordings.values():
        check_labelable(recording)
    return list(recordings.values())


def notes_on(recordings: list[Recording], splits: dict[str, list[str]]) -> list[str]:
    """What is no error but should be known: tilted poses, a ride that is trained and validated on."""
    notes = []
    for recording in recordings:
        tilt = float(tilts_deg(recording.frames).max())
        if tilt > TOLD_TILT_DEG:
            notes.append(
                f'{recording.name}: the ego frame tilts by up to {tilt:.1f} degrees; it should be gravity-aligned'
            )
        held = [split for split, names in splits.items() if recording.name in names]
        if len(held) > 1:
            notes.append(f'{recording.name}: stands in the splits {", ".join(held)}')
    return notes


def label_recordings(
    recordings: list[Recording],
    out: Path,
    grids: list[CartesianGrid],
    settings: VoxelizeSettings,
    workers: int,
    quiet: bool = False,
    scheduler: str | None = None,
) -> list[dict[str, Any]]:
    """Label what is not labelled yet; recordings lie below `out`. Returns the summaries in their order."""
    digests = {recording.name: recording_digest(recording) for recording in recordings}
    found = {recording.name: read_summary(out, recording.name) for recording in recordings}
    missing = [r for r in recordings if (found[r.name] or {}).get('made_from') != digests[r.name]]
    for recording in missing:
        if found[recording.name] is not None:
            print(f'{recording.name}: changed since it was labelled; labelled anew', file=sys.stderr)
            summary_path(out, recording.name).unlink()
    frames = {recording.name: sum(_is_key(recording, frame) for frame in recording.frames) for recording in recordings}
    jobs = [(r.name, partial(label_one, r.root, out, tuple(grids), settings, digests[r.name])) for r in missing]
    total = sum(frames.values())
    done = total - sum(frames[recording.name] for recording in missing)
    title = f'labels ({len(recordings)} recordings)'
    begun = time.monotonic()
    with tqdm(total=total, initial=done, unit='frame', desc=title, disable=quiet) as bar:
        run_jobs(jobs, workers, bar, scheduler)
    if total > done:
        print(cost_of(total - done, time.monotonic() - begun, peak_memory_mib()), file=sys.stderr)
    return [read_summary(out, recording.name) or {} for recording in recordings]


def cost_of(frames: int, seconds: float, peak_mib: float) -> str:
    """What making labels cost, as a sentence."""
    return (
        f'{frames} frames labelled in {seconds:.1f} s ({seconds / frames:.2f} s a frame), at most {peak_mib:.0f} MiB '
        'in one process of this machine'
    )


def peak_memory_mib() -> float:
    """Most memory that this process or an ended child of it has held, MiB."""
    kib = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return kib / (1024 if sys.platform != 'darwin' else 1 << 20)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """All of it; returns the content of class_counts.json.

    Raises:
        OSError, ValueError: What is wrong, before anything is written if it can be known before.
    """
    if args.workers < 1:
        raise ValueError(f'--workers: expected at least 1, got {args.workers}')
    check_body(args.min_range, args.body_box)
    grids = [parse_grid(text) for text in args.grid]
    check_grids(grids)
    splits = parse_splits(args.splits)
    recordings = read_recordings(args.recordings, splits)
    for recording in recordings:
        target_of(recording, args.out)
    for note in notes_on(recordings, splits):
        print(f'note: {note}', file=sys.stderr)
    settings = VoxelizeSettings(
        min_range=args.min_range, body_box=None if args.body_box is None else tuple(args.body_box)
    )
    shape = dict(grids=[grid.to_dict() for grid in grids], voxelize=asdict(settings), classes=recordings[0].classes)
    claim_output(args.out, SETTINGS_FILE, shape, tolerated=_own_folders(recordings, args.out))
    with FolderLock(args.out):
        for folder in (args.out, args.out / 'sequences'):
            remove_leftovers(folder)
        placed = [place_recording(recording, args.out, args.copy) for recording in recordings]
        summaries = label_recordings(placed, args.out, grids, settings, args.workers, args.quiet, args.scheduler)
        table = write_infos(args.out, args.name or args.out.resolve().name, splits, grids, summaries)
    for summary in summaries:
        dropped = {key: count for key, count in summary['dropped'].items() if count}
        if dropped:
            counts = ', '.join(f'{count} {key.replace("_", " ")} points' for key, count in dropped.items())
            print(f'{summary["sequence"]}: dropped {counts}', file=sys.stderr)
    return table


def main(arguments: list[str] | None = None) -> int:
    """Entry point; 0 = done, 2 = an error told in one sentence, 130 = interrupted."""
    args = parse_args(arguments)
    try:
        table = run(args)
    except (ValueError, OSError) as error:
        print(f'label_recordings.py: error: {error}', file=sys.stderr)
        return 2
    except WorkerLostError as error:
        print(
            f'label_recordings.py: error: {error} (out of memory?); the same command continues, perhaps with fewer '
            '--workers',
            file=sys.stderr,
        )
        return 2
    except KeyboardInterrupt:
        print('label_recordings.py: interrupted; the same command continues', file=sys.stderr)
        return 130
    print(format_table(table))
    return 0


def _is_key(recording: Recording, frame: Any) -> bool:
    return bool(set(frame.files) & set(recording.cameras))


def _own_folders(recordings: list[Recording], out: Path) -> list[str]:
    """Top folders of `out` that the given recordings lie in."""
    home = out.resolve()
    return [r.root.resolve().relative_to(home).parts[0] for r in recordings if is_below(r, out)]


if __name__ == '__main__':
    sys.exit(main())
