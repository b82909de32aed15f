"""Make a model to hand over: publish.py CONFIG CHECKPOINT --metrics metrics.json --out DIR

DIR gets model.safetensors (float16), config.py (flattened) and card.json (classes, grid, lens, metrics, hashes);
`tools/infer.py --model DIR` uses it, and the folders in projects/OneOcc/zoo by their names.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file of the training')
    parser.add_argument('checkpoint', help='checkpoint file, or bare weights')
    parser.add_argument('--metrics', required=True, type=Path, help='metrics.json of tools/test.py')
    parser.add_argument('--out', required=True, type=Path, help='folder to write; its name is the name of the model')
    parser.add_argument(
        '--about',
        nargs='+',
        action='extend',
        default=[],
        metavar='KEY=TEXT',
        help='name, summary, data, schedule, license, authors, url, limits; ego_height_m=0.6 where the set is not here',
    )
    parser.add_argument('--traceback', action='store_true', help='show where an error came from')
    return parser.parse_args(argv)


def about_of(pairs: list[str]) -> dict[str, str | float]:
    """{key: text} of KEY=TEXT; a height is a number."""
    from projects.OneOcc.oneocc.engine.usage_error import UsageError

    about: dict[str, str | float] = {}
    for pair in pairs:
        key, sign, text = pair.partition('=')
        if not sign or not text:
            raise UsageError(f'--about: expected KEY=TEXT, got {pair!r}')
        try:
            about[key] = float(text) if key == 'ego_height_m' else text
        except ValueError:
            raise UsageError(f'--about ego_height_m: expected metres, got {text!r}') from None
    return about


def publish(args: argparse.Namespace) -> None:
    from projects.OneOcc.core.formats.atomic_files import read_json
    from projects.OneOcc.oneocc.apis.model_card import write_model_card

    about = {'name': args.out.resolve().name, 'license': 'Apache-2.0', **about_of(args.about)}
    card = write_model_card(args.out, args.config, args.checkpoint, read_json(args.metrics), about)
    size = card.content['files']['model.safetensors']['bytes'] / 1e6
    print(f'{args.out}: {card.content["parameters"]:,} parameters in {size:.1f} MB, mIoU {card.metrics["miou"]:.2f}')
    if card.lens is None:
        print('the set of the config is not here, so the card says nothing of its lens: photos need --calib with it')


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    import projects.OneOcc.oneocc  # noqa: F401  registers the parts
    from projects.OneOcc.oneocc.engine import explain_errors

    return explain_errors('publish.py', lambda: publish(args), args.traceback)


if __name__ == '__main__':
    sys.exit(main())
