"""A trained model as a bundle that runs on a robot without this stack.

    python tools/deploy/export.py CONFIG CHECKPOINT --out bundle
    python tools/deploy/export.py CONFIG CHECKPOINT --out bundle --calib rig.json --network-of old_bundle

The bundle holds the network (model.onnx), the tables of one calibration and card.json. The calibration is that of the
config's test set unless --calib names a file. --network-of exports nothing: it takes the network of another bundle and
makes the tables anew. Without --no-check, frames of the test set are run through both, and the bundle is kept only
where their labels agree.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--out', required=True, type=Path, help='folder of the bundle; a bundle there is replaced')
    parser.add_argument('--calib', type=Path, metavar='FILE', help='calibration of the robot')
    parser.add_argument('--precision', choices=('fp32', 'fp16', 'int8'), default='fp32')
    parser.add_argument('--format', choices=('onnx', 'aoti'), default='onnx')
    parser.add_argument('--exporter', choices=('trace', 'program'), default='trace', help="which of torch's")
    parser.add_argument('--network-of', type=Path, metavar='BUNDLE', help='take its network, make only new tables')
    parser.add_argument('--temperature', type=float, default=1.0, help='of the probabilities (calibrate.py)')
    parser.add_argument(
        '--ego-body',
        nargs=6,
        type=float,
        metavar='M',
        help='box of the robot: x y z of its lower, then its upper corner',
    )
    parser.add_argument('--frames', type=int, default=3, help='of the test set, to compare on')
    parser.add_argument('--calibration-frames', type=int, default=32, help='of the training set, for int8')
    parser.add_argument('--no-check', action='store_true', help='do not compare with the model')
    parser.add_argument(
        '--cfg-options', nargs='+', action='extend', metavar='KEY=VALUE', help='override settings of the config'
    )
    parser.add_argument('--traceback', action='store_true', help='show where an error came from')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    from projects.OneOcc.oneocc.deploy.export_command import export
    from projects.OneOcc.oneocc.engine import explain_errors

    return explain_errors('export.py', lambda: export(args), args.traceback)


if __name__ == '__main__':
    sys.exit(main())
