"""Write the model zoo's pages from the cards: zoo_page.py [--check]

Reads every card in projects/OneOcc/zoo and writes docs/model_zoo.md, and metafile.yml as OpenMMLab has it. With --check
nothing is written: it fails where a page says something else than the cards.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
ZOO, PAGE, METAFILE = 'projects/OneOcc/zoo', 'docs/model_zoo.md', 'projects/OneOcc/metafile.yml'
COLLECTION = 'OneOcc'
PAPER = 'OneOcc: Semantic Occupancy Prediction for Legged Robots with a Single Panoramic Camera'
INTRODUCTION = """# Model zoo

Written by `tools/model_converters/zoo_page.py` from the cards in `projects/OneOcc/zoo`. Each folder has the weights
in half precision (safetensors, no code), the config in one file, and the card, whose hashes are checked in reading.
`python tools/infer.py photo.jpg --model NAME` uses one, and so does `OccInferencer('NAME')`; how to make one is said in
[own_photo.md](own_photo.md#your-own-model-and-from-python).
"""


@dataclass(frozen=True)
class Entry:
    """A shipped model: the name of its folder, and what its card says."""

    name: str
    card: Mapping[str, Any]

    def about(self, key: str) -> str:
        """A text of the card on one line; empty where the publisher said nothing."""
        return ' '.join(str(self.card.get('about', {}).get(key, '')).split())

    @property
    def data(self) -> str:
        """The set's name: what the card says of the data, up to a colon."""
        return self.about('data').split(':')[0] or 'not said'


def read_entries(zoo: Path) -> list[Entry]:
    """All cards of a zoo by name; none where there is no such folder.

    Raises:
        ValueError: a card that cannot be read, or without what a page says; the message names it.
    """
    from projects.OneOcc.core.formats.atomic_files import read_json

    found = []
    for path in sorted(zoo.glob('*/card.json')):
        card = read_json(path)
        missing = [key for key in ('classes', 'grid', 'metrics', 'parameters', 'files') if key not in card]
        if missing or 'miou' not in card['metrics']:
            raise ValueError(f'{path}: expected the card of a model with metrics, got none of {missing or ["miou"]}')
        found.append(Entry(path.parent.name, card))
    return found


def page(entries: Sequence[Entry]) -> str:
    """The text of the zoo's page."""
    if not entries:
        return f'{INTRODUCTION}\nNo model is shipped with this version.\n'
    rows = [
        '| model | trained on | mIoU | IoU | parameters | size | licence of the weights |',
        '|---|---|---|---|---|---|---|',
        *(_row(entry) for entry in entries),
    ]
    return '\n'.join([INTRODUCTION, *rows, *(_section(entry) for entry in entries)]) + '\n'


def metafile(entries: Sequence[Entry]) -> str:
    """The zoo as OpenMMLab's tools read it."""
    models = [
        {
            'Name': entry.name,
            'In Collection': COLLECTION,
            'Config': f'{ZOO}/{entry.name}/config.py',
            'Metadata': {
                'Training Data': entry.about('data') or 'not said',
                'Parameters': entry.card['parameters'],
                'License': entry.about('license') or 'not said',
            },
            'Results': [
                {
                    'Task': '3D Semantic Occupancy Prediction',
                    'Dataset': entry.data,
                    'Metrics': {
                        name: round(float(entry.card['metrics'][key]), 2)
                        for name, key in (('mIoU', 'miou'), ('IoU', 'iou'))
                        if key in entry.card['metrics']
                    },
                }
            ],
            'Weights': f'{ZOO}/{entry.name}/model.safetensors',
        }
        for entry in entries
    ]
    collection = {'Name': COLLECTION, 'Paper': {'Title': PAPER}, 'README': 'projects/OneOcc/README.md'}
    content = dict(Collections=[collection], Models=models)
    return '# Written from the cards by tools/model_converters/zoo_page.py\n' + yaml.safe_dump(
        content, sort_keys=False, allow_unicode=True, width=120
    )


def _row(entry: Entry) -> str:
    metrics, size = entry.card['metrics'], entry.card['files']['model.safetensors']['bytes']
    cells = (
        f'[{entry.name}](#{entry.name.lower()})',
        entry.data,
        f'{metrics["miou"]:.2f}',
        _percent(metrics.get('iou')),
        f'{entry.card["parameters"]:,}',
        f'{size / 1e6:.1f} MB',
        entry.about('license') or 'not said',
    )
    return f'| {" | ".join(cells)} |'


def _section(entry: Entry) -> str:
    card, metrics = entry.card, entry.card['metrics']
    grid = card['grid']
    shape = ' x '.join(str(n) for n in grid['shape'])
    facts = [entry.about('summary')] if entry.about('summary') else []
    scored = [f'{metrics["frames"]} frames' if 'frames' in metrics else '']
    scored += [f'mask policy `{metrics["mask_policy"]}`' if 'mask_policy' in metrics else '']
    table = [
        ('grid', f'{shape} voxels of {grid["voxel_size"]} m' if 'voxel_size' in grid else f'{shape} voxels'),
        ('data', entry.about('data')),
        ('schedule', entry.about('schedule')),
        ('config', f'`{metrics["config"]}`' if 'config' in metrics else ''),
        ('scored on', ', '.join(text for text in scored if text)),
        ('IoU of classes', ', '.join(f'{name} {_percent(iou)}' for name, iou in metrics.get('class_iou', {}).items())),
        (
            'mIoU of subsets',
            ', '.join(f'{name} {_subset(value)}' for name, value in metrics.get('subsets', {}).items()),
        ),
        ('limits', entry.about('limits')),
        ('authors', entry.about('authors')),
        ('source', entry.about('url')),
        ('commit', f'`{card["commit"]}`' if card.get('commit') else ''),
        ('SHA-256 of the weights', f'`{card["files"]["model.safetensors"]["sha256"]}`'),
    ]
    rows = [f'| {name} | {text} |' for name, text in table if text]
    return '\n'.join(
        ['', f'## {entry.name}', '', *(line for fact in facts for line in (fact, '')), '| | |', '|---|---|', *rows]
    )


def _percent(value: Any) -> str:
    """A share in percent; a class that no frame has is not scored."""
    return f'{value:.2f}' if isinstance(value, (int, float)) and value == value else 'not scored'


def _subset(value: Any) -> str:
    found = value.get('miou') if isinstance(value, Mapping) else value
    return _percent(found)


def write_pages(root: Path, zoo: Path, check: bool = False) -> list[str]:
    """Write both files below `root`, or compare them; returns those that were or would be changed."""
    from projects.OneOcc.core.formats.atomic_files import write_bytes

    entries = read_entries(zoo)
    changed = []
    for name, text in ((PAGE, page(entries)), (METAFILE, metafile(entries))):
        path = root / name
        if path.is_file() and path.read_text() == text:
            continue
        changed.append(name)
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(path, text.encode())
    return changed


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--check', action='store_true', help='write nothing; fail where a page is not as the cards are')
    args = parser.parse_args(argv)
    try:
        changed = write_pages(ROOT, ROOT / ZOO, args.check)
    except (OSError, ValueError) as error:
        print(f'zoo_page.py: error: {error}', file=sys.stderr)
        return 1
    if args.check and changed:
        print(
            f'zoo_page.py: error: {", ".join(changed)}: not as the cards say: run it without --check', file=sys.stderr
        )
        return 1
    print(f'written: {", ".join(changed)}' if changed else 'the pages are as the cards say')
    return 0


if __name__ == '__main__':
    sys.exit(main())
