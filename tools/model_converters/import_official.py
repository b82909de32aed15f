"""Turn a checkpoint of an official repository into one of ours.

    python tools/model_converters/import_official.py METHOD CKPT OUT [--config CONFIG]

METHOD is monoscene, lmscnet, lmscnet-ss, sscnet, sscnet-full, voxformer (stage 2), voxformer-proposals (stage 1),
sgn or occformer. The model of CONFIG (by default the method's in configs/baselines) is built and must take the result
entry for entry; only then OUT is written, for `tools/test.py CONFIG OUT`. Which official entries were dropped, why,
and which of ours the file does not set is printed. A config of another size is reached with --cfg-options, e.g.
model.decode_head.num_classes=19. VoxFormer's stage 2 has no stage 1 in its file: it fits a config with
model.view_transformer.proposal_network=None and model.view_transformer.proposal_weights=None.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

METHODS = (
    'monoscene',
    'lmscnet',
    'lmscnet-ss',
    'sscnet',
    'sscnet-full',
    'voxformer',
    'voxformer-proposals',
    'occformer',
    'sgn',
)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('method', choices=METHODS)
    parser.add_argument('checkpoint', help='file of the official repository')
    parser.add_argument('out', type=Path, help='checkpoint to write')
    parser.add_argument('--config', help='config whose model must take the weights')
    parser.add_argument(
        '--cfg-options', nargs='+', action='extend', metavar='KEY=VALUE', help='override settings of the config'
    )
    parser.add_argument('--traceback', action='store_true', help='show where an error came from')
    return parser.parse_args(argv)


def default_config(method: str, state_dict: dict) -> Path:
    """The shipped config of a method: MonoScene's with its context prior where the weights have one, VoxFormer-T's
    where they know several frames, SGN-S for SGN, whose weights know nothing of frames."""
    if method == 'voxformer':
        frames = len(state_dict['view_transformer.encoder.view_embeddings'])
        return ROOT / f'configs/baselines/voxformer-{"s" if frames == 1 else "t"}_quadsim.py'
    if method == 'sgn':
        return ROOT / 'configs/baselines/sgn-s_quadsim.py'
    has_prior = any(key.startswith('neck.context_prior.') for key in state_dict)
    return ROOT / f'configs/baselines/{method}{"-crp" if has_prior else ""}_quadsim.py'


def build_model(config: str | Path, options: list[str] | dict | None):
    from mmdet3d.registry import MODELS
    from mmengine.registry import init_default_scope

    import projects.OneOcc.oneocc  # noqa: F401  registers the parts
    from projects.OneOcc.oneocc.engine import read_config

    cfg = read_config(config, options)
    init_default_scope('mmdet3d')
    return MODELS.build(cfg.model)


def fill_counters(model, state_dict: dict) -> list[str]:
    """Set the batch counters of norms that the file lacks, as files of old torch versions do; names them."""
    counters = [key for key in model.state_dict() if key.endswith('.num_batches_tracked') and key not in state_dict]
    state_dict.update({key: model.state_dict()[key].clone() for key in counters})
    return counters


def report(imported, counters: list[str]) -> None:
    print(f'{len(imported.state_dict) - len(counters)} entries taken over')
    for reason in dict.fromkeys(imported.dropped.values()):
        names = [key for key, value in imported.dropped.items() if value == reason]
        print(f'dropped, {reason}:', *names, sep='\n  ')
    if counters:
        print('not set by the file, left at zero:', *counters, sep='\n  ')
    else:
        print('every entry of ours is set')


def convert(args: argparse.Namespace) -> None:
    from projects.OneOcc.oneocc.baselines.official_weights import BOOK_KEEPING_CLASSES, import_official
    from projects.OneOcc.oneocc.engine.checkpoint import check_state_dict, read_plain, write_checkpoint

    imported = import_official(args.method, read_plain(args.checkpoint, inert=BOOK_KEEPING_CLASSES))
    config = args.config or default_config(args.method, imported.state_dict)
    model = build_model(config, args.cfg_options)
    counters = fill_counters(model, imported.state_dict)
    check_state_dict(model, imported.state_dict, f'{args.checkpoint} for {config}')
    model.load_state_dict(imported.state_dict)
    report(imported, counters)
    meta = dict(method=args.method, source=Path(args.checkpoint).name, dropped=imported.dropped)
    write_checkpoint(dict(state_dict=imported.state_dict, meta=meta), args.out)
    print(f'{args.out}: written; it fits {config}')


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    from projects.OneOcc.oneocc.engine.launch import explain_errors

    return explain_errors('import_official.py', lambda: convert(args))


if __name__ == '__main__':
    sys.exit(main())
