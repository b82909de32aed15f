"""How a model's cost grows with the size of its images, its grid and its batch: counted, not timed.

    python tools/analysis_tools/cost_growth.py configs/oneocc/oneocc-light-304x608_quadocc.py \
        --json work_dirs/growth.json --plot work_dirs/growth.png

Three sweeps around the config's own sizes: images by 0.5 to 2 (in steps that the encoders take), the grid's cells along
x and y by 0.5 to 2, the batch from 1 to 4. Of every point the multiply-adds, the operators, and the bytes that they
read and write in eager mode are counted; these do not depend on the machine. --records draws what --json wrote.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

SWEEPS = {'image': (0.5, 1.0, 1.5, 2.0), 'grid': (0.5, 1.0, 1.5, 2.0), 'batch': (1, 2, 3, 4)}
QUANTITIES = {'macs': ('GMAC', 1e9), 'bytes_moved': ('GB moved', 1e9), 'operators': ('operators', 1)}


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', nargs='?', type=Path)
    parser.add_argument('--records', type=Path, metavar='FILE', help='count nothing, draw what --json wrote')
    parser.add_argument('--sweep', nargs='+', choices=SWEEPS, default=list(SWEEPS))
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the numbers there')
    parser.add_argument('--plot', type=Path, metavar='FILE', help='draw them there')
    parser.add_argument('--traceback', action='store_true', help='show where an error came from')
    args = parser.parse_args(argv)
    if (args.config is None) == (args.records is None):
        parser.error('expected a config to count, or --records to draw')
    return args


def resized_views(views: dict, factor: float, divisor: int) -> dict:
    """The settings of a set's views with images `factor` times as large, in multiples of the divisor.

    Widths in twice these: a ring is halved evenly by the last stage too, which a backbone runs even if it is not read.
    """
    steps = {'height': divisor, 'width': 2 * divisor}

    def scaled(pixels: int, step: int) -> int:
        return max(step, round(pixels * factor / step) * step)

    return {
        name: {**view, **{side: scaled(view[side], step) for side, step in steps.items() if side in view}}
        for name, view in views.items()
    }


def count(config: object, path: Path, batch: int) -> dict:
    """Multiply-adds, operators, bytes and pixels of a forward pass of a config."""
    from tools.analysis_tools import benchmark

    args = benchmark.parse_args([str(path)])
    candidate = benchmark.Candidate(path, args, dict(benchmark.RECORDED), config=config)
    images = candidate.inputs['imgs']
    candidate.inputs['imgs'] = {view: image.repeat(batch, 1, 1, 1) for view, image in images.items()}
    candidate.samples = [copy.copy(candidate.samples[0]) for _ in range(batch)]
    found = candidate.count()
    return dict(found, pixels=sum(i.shape[-2] * i.shape[-1] for i in images.values()), batch=batch)


def sweep(path: Path, names: list[str]) -> list[dict]:
    """One record a point of every sweep."""
    from projects.OneOcc.oneocc.engine import read_config

    records = []
    for name in names:
        for factor in SWEEPS[name]:
            config = read_config(path)
            dataset = config.test_dataloader.dataset
            if name == 'image':
                divisor = config.model.data_preprocessor.get('size_divisor', 32)
                dataset.views = resized_views(dataset.views, factor, divisor)
            if name == 'grid':
                x, y, z = config.model.grid.shape
                cells = [max(round(n * factor / 8) * 8, 8) for n in (x, y)]
                size = config.model.grid.voxel_size * x / cells[0]
                config.model.grid.update(shape=(*cells, z), voxel_size=size)
            records.append(dict(sweep=name, factor=factor, **count(config, path, factor if name == 'batch' else 1)))
            print(json.dumps(records[-1]), flush=True)
    return records


def draw(records: list[dict], path: Path) -> None:
    """One row of pictures a sweep, one column a quantity."""
    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot

    names = list(dict.fromkeys(record['sweep'] for record in records))
    figure, axes = pyplot.subplots(
        len(names), len(QUANTITIES), figsize=(9, 2.4 * len(names)), squeeze=False, layout='constrained'
    )
    labels = dict(image='image, side against its own', grid='grid, cells along x and y', batch='frames in a batch')
    for row, name in zip(axes, names):
        points = [record for record in records if record['sweep'] == name]
        for axis, (key, (title, unit)) in zip(row, QUANTITIES.items()):
            axis.plot([p['factor'] for p in points], [p[key] / unit for p in points], marker='o', color='#3060a0')
            axis.set(xlabel=labels[name], ylabel=title, ylim=(0, None))
            axis.grid(alpha=0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def main(argv: list[str] | None = None) -> list[dict]:
    args = parse_args(argv)
    from projects.OneOcc.core.formats.atomic_files import write_json

    records = json.loads(args.records.read_text()) if args.records else sweep(args.config, args.sweep)
    if args.json:
        write_json(args.json, records, indent=1)
    if args.plot:
        draw(records, args.plot)
    return records


if __name__ == '__main__':
    from projects.OneOcc.oneocc.engine.launch import explain_errors

    sys.exit(explain_errors('cost_growth.py', main))
