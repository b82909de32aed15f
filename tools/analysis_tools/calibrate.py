"""How far a bundle's probabilities can be trusted, and the temperature that mends them.

    python tools/analysis_tools/calibrate.py CONFIG BUNDLE [--frames 60] [--out calibration.json] [--write]

Runs the bundle on frames of the config's test set. The temperature is fitted on every other ride (with a single
ride, on its first half) and judged on the rest: expected calibration error (ECE) of the predicted label and of every
class, before and after. --write puts it into the bundle's card; labels do not change by it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file')
    parser.add_argument('bundle', type=Path, help='made by tools/deploy/export.py')
    parser.add_argument('--frames', type=int, default=60, help='so many, evenly spread')
    parser.add_argument('--voxels', type=int, default=4096, help='of each frame, by chance')
    parser.add_argument('--out', type=Path, help='JSON record')
    parser.add_argument('--write', action='store_true', help="put the temperature into the bundle's card")
    parser.add_argument('--seed', type=int, default=0, help='of the choice of voxels')
    parser.add_argument('--traceback', action='store_true', help='show where an error came from')
    return parser.parse_args(argv)


def calibrate(args: argparse.Namespace) -> dict:
    """The record: temperature, and `before` and `after` on the rides that it was not fitted on."""
    from projects.OneOcc.core.formats.atomic_files import write_json
    from projects.OneOcc.oneocc.deploy.bundle_logits import labelled_logits
    from projects.OneOcc.oneocc.deploy.export_bundle import set_temperature
    from projects.OneOcc.oneocc.evaluation.probability_calibration import calibration_report, fit_temperature
    from projects.OneOcc.runtime import OccRuntime

    runtime = OccRuntime(args.bundle)
    fitted, judged = labelled_logits(runtime, args.config, args.frames, args.voxels, args.seed)
    temperature = fit_temperature(*fitted)
    classes = runtime.bundle.classes
    record = dict(
        config=str(args.config),
        precision=runtime.bundle.card['network']['precision'],
        temperature=temperature,
        voxels=dict(fitted=len(fitted[1]), judged=len(judged[1])),
        before=calibration_report(*judged, 1.0, classes),
        after=calibration_report(*judged, temperature, classes),
    )
    if args.out is not None:
        write_json(args.out, record, indent=1)
    if args.write:
        set_temperature(args.bundle, temperature)
    return record


def show(record: dict) -> None:
    """One line a class."""
    before, after = record['before'], record['after']
    print(f'temperature {record["temperature"]:.3f}')
    print(f'{"":12s} ECE before  after')
    for name in ('predicted', *before['class_ece']):
        pair = [part['ece'] if name == 'predicted' else part['class_ece'][name] for part in (before, after)]
        print(f'{name:12s} {pair[0]:10.4f} {pair[1]:6.4f}')


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    from projects.OneOcc.oneocc.engine import explain_errors

    return explain_errors('calibrate.py', lambda: show(calibrate(args)), args.traceback)


if __name__ == '__main__':
    sys.exit(main())
