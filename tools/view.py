"""Look at rides in a browser: python tools/view.py DIR|RUN [...] [--live]

DIR is what tools/infer.py wrote; RUN a work dir of tools/test.py with metrics.json and predictions/, whose truth is
shown as well; a config shows its test set; CONFIG:PREDICTIONS names both. Several stand side by side, at the same
moment. --live goes on looking for new frames. The page has panorama, truth, prediction, error, probability and unknown
as layers, LiDAR points, the camera, a time slider, and keys:

    . ,  frame on, back     space  play     1-5  layer     k  only what is known     l c d  LiDAR, camera, dark
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('sources', nargs='+', help='DIR, RUN, CONFIG or CONFIG:PREDICTIONS')
    parser.add_argument('--live', action='store_true', help='go on looking for new frames')
    parser.add_argument('--host', default='127.0.0.1', help='0.0.0.0 also for other machines (default: %(default)s)')
    parser.add_argument(
        '--port', type=int, default=8080, help='of the page (default: %(default)s); the one after it too'
    )
    parser.add_argument('--check', action='store_true', help='read the first frame of each, print what is there, stop')
    parser.add_argument('--traceback', action='store_true', help='show where an error came from')
    return parser.parse_args(argv)


def view(args: argparse.Namespace) -> None:
    import projects.OneOcc.oneocc  # noqa: F401  registers the datasets
    from projects.OneOcc.oneocc.apis.rides import open_ride
    from projects.OneOcc.oneocc.visualization.keyed_page import KeyedPage
    from projects.OneOcc.oneocc.visualization.live_view import LiveView

    rides = [open_ride(source) for source in args.sources]
    if args.check:
        for ride in rides:
            moment = ride.moment(0)
            print(f'{ride.name}: {len(ride)} frames; {moment.name} has {", ".join(moment.volumes)}')
        return
    viewer = LiveView(rides, args.host, args.port + 1, 1.0 if args.live else None)
    page = KeyedPage(args.host, args.port, viewer.port)
    print(f'{sum(len(ride) for ride in rides)} frames at {page.address}   (Ctrl-C ends)', flush=True)
    try:
        viewer.wait()
    except KeyboardInterrupt:
        pass
    finally:
        page.stop()
        viewer.stop()


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    from projects.OneOcc.oneocc.engine import explain_errors

    return explain_errors('view.py', lambda: view(args), args.traceback)


if __name__ == '__main__':
    sys.exit(main())
