"""`oneocc`: what a bundle is, one image through it, a stream through it."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from pathlib import Path

import numpy as np

from ..core.formats.atomic_files import write_npz
from .bundle import Bundle, BundleError
from .occ_runtime import OccResult, OccRuntime
from .octomap_file import import_octomap, write_octomap
from .providers import PROVIDERS, ProviderError
from .sinks import LineSink, MissingExtraError, Sink, SinkError
from .sources import FrameError, Source, SourceError, open_source, read_image
from .stream import Stream, say

TOLD = (BundleError, ProviderError, SinkError, SourceError, FrameError, MissingExtraError, OSError, ValueError)


def parse_args(argv: list[str] | None = None, command: str | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='oneocc', description=__doc__)
    commands = parser.add_subparsers(dest='command', required=True)
    info = commands.add_parser('info', help='what a bundle holds')
    info.add_argument('bundle', type=Path)
    run = commands.add_parser('run', help='one image, or several, through a bundle')
    run.add_argument('bundle', type=Path)
    run.add_argument('images', nargs='+', type=Path, help='raw images as the camera gave them (.npy needs no Pillow)')
    run.add_argument('--out', type=Path, help='folder of the predictions, one .npz an image')
    run.add_argument('--octomap', action='store_true', help='also an OctoMap (.bt) an image')
    add_stream_options(commands.add_parser('stream', help='a source through a bundle into a sink'))
    for parsed in (run, commands.choices['stream']):
        add_runtime_options(parsed)
    return parser.parse_args(argv)


def add_runtime_options(parser: argparse.ArgumentParser) -> None:
    """Options that say where the network runs."""
    parser.add_argument('--provider', choices=sorted(PROVIDERS), default='cpu')
    parser.add_argument('--threads', type=int, help='of one operator on the CPU')


def add_stream_options(parser: argparse.ArgumentParser) -> None:
    """Options of a stream."""
    parser.add_argument('input', help='folder, recording, video file, camera number, or bag')
    parser.add_argument('--source', required=True, choices=('video', 'folder', 'bag', 'recording'))
    parser.add_argument('--bundle', required=True, type=Path)
    parser.add_argument(
        '--out',
        default='stdout',
        choices=('mcap', 'foxglove', 'foxglove-file', 'stdout'),
        help='what takes the results',
    )
    parser.add_argument('--folder', type=Path, help='of the files that mcap and foxglove-file write')
    parser.add_argument('--topic', help='of the images in a bag')
    parser.add_argument('--rate', type=float, default=10.0, help='frames a second of a folder')
    parser.add_argument('--newest', action='store_true', help='recorded frames too: at their pace, the newest wins')
    parser.add_argument('--stall-after', type=float, default=2.0, metavar='S', help='when the watchdog speaks')
    parser.add_argument('--max-frames', type=int, metavar='N')
    parser.add_argument('--frame-id', default='base_link', help='of the ego frame in messages')
    parser.add_argument(
        '--clearance', type=float, default=0.8, metavar='M', help='that the robot needs above the ground'
    )
    parser.add_argument('--host', default='127.0.0.1', help='of the live Foxglove server')
    parser.add_argument('--port', type=int, default=8765)


def main(argv: list[str] | None = None) -> int:
    """Run a command; what goes wrong is one sentence."""
    args = parse_args(argv)
    return told(lambda: {'info': show, 'run': run, 'stream': stream}[args.command](args))


def told(action: object) -> int:
    """Call an action; its errors become one sentence on the standard error, and the exit status 1."""
    assert callable(action)
    try:
        action()
    except TOLD as error:
        say(f'oneocc: {error}')
        return 1
    return 0


def show(args: argparse.Namespace) -> None:
    """Print the card without its long lists."""
    bundle = Bundle.read(args.bundle)
    card = dict(bundle.card, tables=bundle.card['tables']['file'])
    print(json.dumps(card, indent=1, sort_keys=True))


def run(args: argparse.Namespace) -> None:
    """Every image through the bundle; a line each."""
    if args.octomap:
        if args.out is None:
            raise SinkError('--octomap: expected --out, got none')
        import_octomap()
    runtime = OccRuntime(args.bundle, args.provider, args.threads)
    lines = LineSink()
    for path in args.images:
        result = runtime(read_image(path.read_bytes(), str(path)))
        lines.write(result, 0.0)
        if args.out is not None:
            write_result(args.out / f'{path.stem}.npz', result)
        if args.octomap:
            write_octomap(args.out / f'{path.stem}.bt', result)


def write_result(path: Path, result: OccResult) -> None:
    """A prediction in the project's format of occupancy, with `probability` and `state` beside the labels."""
    bundle = result.bundle
    write_npz(
        path,
        labels=result.labels,
        origin_m=bundle.origin,
        voxel_size_m=np.array(bundle.voxel_size),
        classes=np.asarray(bundle.classes),
        probability=result.probability,
        state=result.state,
    )


def stream(args: argparse.Namespace) -> None:
    """Run a stream until its source ends or somebody interrupts."""
    runtime = OccRuntime(args.bundle, args.provider, args.threads)
    source = open_source(args.source, args.input, tuple(runtime.cameras), args.rate, args.topic)
    sink = open_sink(args)
    runtime.warm_up()
    flow = make_stream(runtime, source, sink, args)
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            signal.signal(number, lambda *_: flow.stop())
        except ValueError:  # not the main thread: nobody can interrupt
            pass
    started = time.monotonic()
    counts = flow.run(args.max_frames)
    seconds = max(time.monotonic() - started, 1e-9)
    if not counts.read:
        raise SourceError(f'{source.name}: expected frames, got none')
    say(f'{source.name}: {counts}; {counts.done / seconds:.1f} results a second')


def make_stream(runtime: OccRuntime, source: Source, sink: Sink, args: argparse.Namespace) -> Stream:
    """The stream that the options describe: live sources give their newest frame, recorded ones every frame."""
    newest = source.live or args.newest
    return Stream(runtime, source, sink, newest=newest, pace=args.newest, stall_after=args.stall_after)


def open_sink(args: argparse.Namespace) -> Sink:
    """The sink that the options name."""
    if args.out in ('mcap', 'foxglove-file') and args.folder is None:
        raise SinkError(f'--out {args.out}: expected --folder, got none')
    if args.out == 'mcap':
        from .rosbag_sink import RosbagSink

        return RosbagSink(args.folder, args.frame_id, args.clearance)
    if args.out.startswith('foxglove'):
        from .foxglove_sink import FoxgloveSink

        folder = args.folder if args.out == 'foxglove-file' else None
        return FoxgloveSink(folder, args.host, args.port, args.frame_id)
    return LineSink()


if __name__ == '__main__':
    sys.exit(main())
