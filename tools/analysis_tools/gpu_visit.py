"""Everything that wants a GPU in one visit of minutes, the most valuable first; needs no network.

    python tools/analysis_tools/gpu_visit.py --out work_dirs/visit --minutes 12 \
        --train configs/oneocc/oneocc-light-304x608_quadsim.py --wheels wheels
    python tools/analysis_tools/gpu_visit.py --out /tmp/visit --device cpu --small    # a rehearsal

Steps, in this order: facts (what is installed), tests of the fast paths, efficiency (one config a process), profile by
kernel, data (the twins, made there from a seed), training, all tests with the device, compiled models. Each runs in a
process of its own with a time limit, writes into files of its own as it goes, and is skipped next time if it is done: a
visit that was cut short goes on where it was, a training from its last epoch. `visit.json` says what ran, how long and
how it ended. After training, the newest weights lie beside their checkpoint in half precision.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODELS = (
    'oneocc/oneocc-fast_quadocc',
    'oneocc/oneocc_quadocc',
    'oneocc/oneocc-light-304x608_quadocc',
    'oneocc/oneocc-band_quadocc',
    'oneocc/oneocc-light_quadocc',
    'baselines/monoscene_quadocc',
    'baselines/voxformer-s_quadsim',
    'baselines/voxformer-t_quadsim',
    'baselines/sgn-s_quadsim',
    'baselines/occformer_quadsim',
)
SMALL_MODELS = ('tiny/oneocc-tiny_quadsim-mini', 'tiny/oneocc-fast-tiny_quadsim-mini')
SMALL_TRAINING = 'configs/tiny/oneocc-fast-tiny_quadsim-mini.py'
TESTS = ('tests/core/ops', 'tests/models/lifting', 'tests/engine/test_graphed_predictor.py')


@dataclass(frozen=True)
class Step:
    """One command of a visit.

    Attributes:
        name: also of its log, NAME.log.
        command: arguments behind the Python interpreter.
        limit_s: seconds after which it is ended.
        makes: a file that shows that the step is done, beside its good ending.
        again: run it in every visit.
    """

    name: str
    command: tuple[str, ...]
    limit_s: float
    makes: Path | None = None
    again: bool = False


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--out', type=Path, required=True, metavar='DIR', help='where everything is written')
    parser.add_argument('--device', default='cuda')
    parser.add_argument('--small', action='store_true', help='tiny models, few frames: a rehearsal on a CPU')
    parser.add_argument('--minutes', type=float, default=12, help='of the whole visit')
    parser.add_argument('--only', nargs='+', metavar='STEP', help='steps by their names or their beginnings')
    parser.add_argument('--list', action='store_true', help='show the steps and do nothing')
    parser.add_argument('--train', type=Path, metavar='CONFIG', help='model to train on the twins')
    parser.add_argument('--train-minutes', type=float, default=4.5)
    parser.add_argument('--train-options', nargs='+', default=[], metavar='KEY=VALUE', help='--cfg-options of it')
    parser.add_argument(
        '--data-options', nargs='+', default=[], metavar='ARGUMENT', help='of create_data.py, without the two dashes'
    )
    parser.add_argument('--data', type=Path, metavar='DIR', help='folder of the sets (default: OUT/data)')
    parser.add_argument('--seed', type=int, default=0, help='of the data and the training')
    parser.add_argument('--wheels', type=Path, metavar='DIR', help='what gpu_pack.py packed; unpacked in front')
    parser.add_argument('--traceback', action='store_true', help='show where an error came from')
    return parser.parse_args(argv)


def steps_of(args: argparse.Namespace) -> list[Step]:
    """The steps of a visit, the most valuable first."""
    steps = [Step('facts', ('tools/misc/check_env.py',), 60)]
    tests = ('tests/core/ops/test_volume_conv.py',) if args.small else TESTS
    steps.append(Step('tests-fast-paths', ('-m', 'pytest', '-q', '-x', f'--device={args.device}', *tests), 120))
    models = [m for m in (SMALL_MODELS if args.small else MODELS) if (ROOT / f'configs/{m}.py').is_file()]
    steps += [_efficiency(args, model, ('eager',) if args.device == 'cpu' else ('eager', 'graph')) for model in models]
    steps += [_profile(args, model) for model in models[: 1 if args.small else 2]]
    if args.train is not None or args.small:
        steps += _training(args)
    if not args.small:
        steps.append(Step('tests-all', ('-m', 'pytest', '-q', f'--device={args.device}'), 240))
        steps += [_efficiency(args, model, ('raw',)) for model in models[:3]]
    return steps


def _benchmark(args: argparse.Namespace, model: str) -> tuple[str, ...]:
    precision = ('float32',) if args.device == 'cpu' else ('float32', 'tfloat32', 'float16')
    repeats = ('--repeats', '1', '--warmup', '0') if args.small else ('--repeats', '50', '--warmup', '5')
    config = f'configs/{model}.py'
    device = ('--device', args.device, '--precision', *precision)
    return ('tools/analysis_tools/benchmark.py', config, *device, *repeats)


def _efficiency(args: argparse.Namespace, model: str, modes: Sequence[str]) -> Step:
    """A config's rows; compiling takes longer."""
    name = f'{"compiled" if "raw" in modes else "efficiency"}-{Path(model).name}'
    record = args.out / f'{name}.json'
    command = (*_benchmark(args, model), '--mode', *modes, '--json', str(record))
    return Step(name, command, 240 if 'raw' in modes else 75, record)


def _profile(args: argparse.Namespace, model: str) -> Step:
    mode = 'eager' if args.device == 'cpu' else 'graph'
    file = args.out / f'profile-{Path(model).name}.txt'
    command = (*_benchmark(args, model), '--mode', mode, '--profile', str(file))
    return Step(f'profile-{Path(model).name}', command, 60, file)


def _training(args: argparse.Namespace) -> list[Step]:
    """The set is made, the model trained on it (resumed where it was), and its weights halved."""
    config = args.train or Path(SMALL_TRAINING)
    set_name = config.stem.rpartition('_')[2]  # quadsim, quadsim-mini, humansim-...
    kind = set_name.split('-')[0]
    mini = ('--mini',) if 'mini' in set_name else ()
    few = ('--sequences', '5', '--frames', '2', '--image-width', '64') if args.small else ()
    folder = data_folder(args) / (f'{kind}-mini' if mini else kind)
    options = tuple(f'--{option}' if not option.isdigit() else option for option in args.data_options)
    make = ('data_converters/create_data.py', kind, '--out', str(folder), '--seed', str(args.seed), '--quiet')
    work = args.out / f'train-{config.stem}'
    changes = [f'randomness.seed={args.seed}', *args.train_options]
    if args.small:
        changes += ['train_cfg.max_epochs=1', 'train_cfg.val_interval=1']
    train = ('tools/train.py', str(config), '--work-dir', str(work), '--resume', '--cfg-options', *changes)
    this = str(Path(__file__).relative_to(ROOT)) if ROOT in Path(__file__).parents else __file__
    return [
        Step(f'data-{folder.name}', (*make, *mini, *few, *options), 240, folder / 'infos_train.json'),
        Step(f'train-{config.stem}', train, 60 * args.train_minutes),
        Step(f'weights-{config.stem}', (this, '--halve', str(work)), 60, again=True),
    ]


def data_folder(args: argparse.Namespace) -> Path:
    """Where the sets lie, or will."""
    return args.data or args.out / 'data'


def halve(work_dir: Path) -> Path:
    """Write the newest checkpoint's weights in half precision beside it; a file of NAME_half.pth.

    Raises:
        FileNotFoundError: the folder holds no whole checkpoint.
    """
    import torch

    from projects.OneOcc.oneocc.engine import read_checkpoint, write_checkpoint
    from projects.OneOcc.oneocc.engine.checkpoint import latest_checkpoint

    newest, complaints = latest_checkpoint(work_dir)
    if newest is None:
        raise FileNotFoundError(f'{work_dir}: expected a whole checkpoint, found none {complaints}')
    weights = read_checkpoint(newest)['state_dict']
    half = {key: v.half() if v.dtype == torch.float32 else v for key, v in weights.items()}
    path = newest.with_name(f'{newest.stem}_half.pth')
    write_checkpoint(dict(meta=dict(source=newest.name), state_dict=half), path)
    return path


class Visit:
    """Runs steps within a time, and remembers in `visit.json` what was done.

    Args:
        out: folder of everything.
        minutes: of the whole.
        environment: of every step.
    """

    def __init__(self, out: Path, minutes: float, environment: dict[str, str]) -> None:
        self.out, self.environment = out, environment
        self.ends = time.monotonic() + 60 * minutes
        out.mkdir(parents=True, exist_ok=True)
        self.file = out / 'visit.json'
        self.known: dict[str, dict] = json.loads(self.file.read_text()) if self.file.is_file() else {}

    def run(self, step: Step) -> dict:
        """Run a step unless it is done or no time is left; what is known of it."""
        done = self.known.get(step.name, {})
        if not step.again and done.get('ended') == 'well' and (step.makes is None or step.makes.exists()):
            print(f'{step.name}: done before', flush=True)
            return done
        left = self.ends - time.monotonic()
        if left < 5:
            return self._note(step, 'no time was left', 0.0)
        start = time.monotonic()
        with (self.out / f'{step.name}.log').open('ab') as log:
            process = subprocess.Popen(
                [sys.executable, *step.command],
                cwd=ROOT,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.environment,
                start_new_session=True,
            )
            try:
                code = process.wait(min(step.limit_s, left))
                ended = 'well' if code == 0 else f'with {code}'
            except subprocess.TimeoutExpired:
                ended = 'at its limit'
                os.killpg(process.pid, signal.SIGINT)  # time to end in order
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
        return self._note(step, ended, time.monotonic() - start)

    def _note(self, step: Step, ended: str, seconds: float) -> dict:
        from projects.OneOcc.core.formats.atomic_files import write_json

        print(f'{step.name}: {seconds:.0f} s, ended {ended}', flush=True)
        self.known[step.name] = dict(ended=ended, seconds=round(seconds, 1), command=' '.join(step.command))
        write_json(self.file, self.known, indent=2, sort_keys=False)
        return self.known[step.name]


def environment_of(args: argparse.Namespace) -> dict[str, str]:
    """The steps' environment: this tree, the unpacked wheels and the sets."""
    paths = [str(ROOT), *([str(args.wheels / 'site')] if args.wheels else []), os.environ.get('PYTHONPATH', '')]
    cache = str((args.out / 'inductor').resolve())
    return dict(
        os.environ,
        PYTHONPATH=os.pathsep.join(path for path in paths if path),
        ONEOCC_DATA=str(data_folder(args).resolve()),
        TORCHINDUCTOR_CACHE_DIR=os.environ.get('TORCHINDUCTOR_CACHE_DIR', cache),
    )


def main(argv: list[str] | None = None) -> dict:
    args = parse_args(argv)
    steps = steps_of(args)
    if args.only:
        steps = [step for step in steps if any(step.name.startswith(name) for name in args.only)]
    if args.list:
        for step in steps:
            print(f'{step.limit_s:5.0f} s  {step.name}: {" ".join(step.command)}')
        return {}
    if args.wheels:
        from tools.analysis_tools.gpu_pack import unpack

        unpack(args.wheels)
    visit = Visit(args.out, args.minutes, environment_of(args))
    for step in steps:
        visit.run(step)
    return visit.known


if __name__ == '__main__':
    sys.path.insert(0, str(ROOT))
    if sys.argv[1:2] == ['--halve']:
        print(halve(Path(sys.argv[2])))
    else:
        from projects.OneOcc.oneocc.engine.launch import explain_errors

        sys.exit(explain_errors('gpu_visit.py', main))
