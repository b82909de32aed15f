"""Prints a config with everything that it comes to: python tools/misc/print_config.py CONFIG [--cfg-options ...]

What it inherits, with the overrides of the command line; every pipeline in full, from the files on; and what the
slots of the model take from each other. The output is a config itself and builds the same.
"""

import argparse
import re
import sys
from contextlib import redirect_stdout
from pathlib import Path

from mmengine.config import Config

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
SLOTS = ('backbone', 'view_transformer', 'voxel_encoder', 'neck', 'decode_head')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Print a whole config')
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--cfg-options',
        '--options',
        nargs='+',
        action='extend',
        metavar='KEY=VALUE',
        help='override settings of the config',
    )
    parser.add_argument('--traceback', action='store_true', help='show where an error came from')
    return parser.parse_args(argv)


def spell_out(cfg: Config) -> Config:
    """The same config, in place, with nothing left to be filled in or expanded."""
    from projects.OneOcc.oneocc.datasets.views import whole_pipeline
    from projects.OneOcc.oneocc.models.slot_widths import fill_slots

    for name in LOADERS:
        dataset = (cfg.get(name) or {}).get('dataset') or {}
        if dataset.get('views') is not None or dataset.get('points') is not None:
            dataset['pipeline'] = whole_pipeline(dataset)
            for key in ('views', 'points', 'body_pose'):
                dataset.pop(key, None)
    model = cfg.get('model') or {}
    if str(model.get('type')).endswith('OccupancySegmentor'):
        filled = fill_slots({name: model.get(name) for name in SLOTS}, model.get('grid'))
        model.update({name: part for name, part in filled.items() if part is not None})
    return cfg


def shorter(text: str) -> str:
    """The text with every tuple or list of numbers on one line."""

    def one_line(found: re.Match) -> str:
        numbers = found[2].replace(',', ' ').split()
        comma = ',' if len(numbers) == 1 and found[1] == '(' else ''
        return f'{found[1]}{", ".join(numbers)}{comma}{found[3]}'

    return re.sub(r'(?<!\w)([(\[])\s+((?:-?\d[\d.e+-]*,\s*)+)([)\]])', one_line, text)


def print_config(args: argparse.Namespace) -> None:
    import projects.OneOcc.oneocc  # noqa: F401  registers the parts
    from projects.OneOcc.oneocc.engine import read_config

    with redirect_stdout(sys.stderr):  # what is logged is no part of the config
        cfg = read_config(args.config, args.cfg_options)
    print(shorter(spell_out(cfg).pretty_text))


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    from projects.OneOcc.oneocc.engine.launch import explain_errors

    return explain_errors('print_config.py', lambda: print_config(args))


if __name__ == '__main__':
    sys.exit(main())
