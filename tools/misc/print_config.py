"""Prints a config with everything that it inherits: python tools/misc/print_config.py CONFIG"""

import argparse
import sys

from mmengine.config import Config, DictAction


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description='Print a whole config')
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--cfg-options',
        '--options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='override settings of the config',
    )
    args = parser.parse_args(argv)
    try:
        cfg = Config.fromfile(args.config, import_custom_modules=False)
    except (OSError, SyntaxError) as error:
        print(f'print_config.py: error: {args.config}: {error}', file=sys.stderr)
        return 2
    if args.cfg_options is not None:
        cfg.merge_from_dict(args.cfg_options)
    print(cfg.pretty_text)
    return 0


if __name__ == '__main__':
    sys.exit(main())
