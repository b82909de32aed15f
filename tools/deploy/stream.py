"""A camera or a ride through a bundle into messages that other tools read.

    python tools/deploy/stream.py data/ride --source recording --bundle bundle --out mcap --folder bags
    python tools/deploy/stream.py 0 --source video --bundle bundle --out foxglove

The same as `oneocc stream` of the installed package; needs neither torch nor OpenMMLab. Of a live source the newest
frame wins; of a recorded one every frame is taken, unless --newest plays it at its own pace. Stamps go through
unchanged. What goes wrong is told in one sentence and counted, and the stream goes on.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    from projects.OneOcc.runtime.command_line import add_runtime_options, add_stream_options

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_stream_options(parser)
    add_runtime_options(parser)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    from projects.OneOcc.runtime.command_line import stream, told

    return told(lambda: stream(args))


if __name__ == '__main__':
    sys.exit(main())
