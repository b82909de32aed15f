"""Prints a config with everything that it inherits: python tools/misc/print_config.py CONFIG"""

import argparse
import sys


def main(argv: list[str] | None = None) -> int:
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
    args = parser.parse_args(argv)
    from projects.OneOcc.oneocc.engine import read_config
    from projects.OneOcc.oneocc.engine.launch import explain_errors

    return explain_errors('print_config.py', lambda: print(read_config(args.config, args.cfg_options).pretty_text))


if __name__ == '__main__':
    sys.exit(main())
