"""The info files `infos_{split}.json`: one schema for converters that write and datasets that read.

An info file is `{"metainfo": {...}, "data_list": [...]}`, plain JSON as mmengine's BaseDataset
reads it. Poses and transforms are 4x4 row-major lists, metres, named `a_from_b`; times are seconds;
paths are relative to the data root. Standard library only, so that a converter needs nothing else.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

FORMAT = 'oneocc-infos'
VERSION = 1
META_KEYS = ('format', 'version', 'dataset', 'split', 'classes', 'grid', 'class_counts', 'unknown_share')
ENTRY_KEYS = (
    'sample_id',
    'sequence',
    'frame',
    'time',
    'lighting',
    'weather',
    'map',
    'world_from_ego',
    'world_from_body',
    'cameras',
    'lidars',
    'occupancy',
)
ROTATION_TOLERANCE = 1e-4


class InfoError(ValueError):
    """An info file against the schema; the message names file, entry, expected and actual."""


def grid_key(shape: Sequence[int]) -> str:
    """Name of a grid among the occupancy files of a sample: (64, 64, 8) -> '64x64x8'."""
    return 'x'.join(str(int(size)) for size in shape)


def build_infos(
    dataset: str,
    split: str,
    classes: Sequence[str],
    grid: dict,
    entries: list[dict],
    class_counts: Sequence[int],
    unknown_share: float,
    **extra: Any,
) -> dict:
    """Assemble and validate the content of one info file.

    Args:
        dataset: Set name, e.g. 'quadsim'.
        split: Split name, e.g. 'train'.
        classes: Label names without 'empty'; label i + 1 is classes[i].
        grid: `shape` (X, Y, Z), `voxel_size` (m), `origin` (m) of the default label grid.
        entries: Samples with the keys of `ENTRY_KEYS`.
        class_counts: Voxels of empty and of every class over the entries, C + 1 integers.
        unknown_share: Share of voxels labelled 255, in [0, 1].
        extra: Further metainfo, kept as it is.

    Raises:
        InfoError: The first thing that breaks the schema.
    """
    metainfo = dict(
        format=FORMAT,
        version=VERSION,
        dataset=dataset,
        split=split,
        classes=list(classes),
        grid=grid,
        class_counts=[int(n) for n in class_counts],
        unknown_share=float(unknown_share),
        **extra,
    )
    return validate_infos({'metainfo': metainfo, 'data_list': entries}, f'infos_{split}.json')


def read_infos(path: str | Path) -> dict:
    """Read and validate one info file.

    Raises:
        FileNotFoundError: No such file.
        InfoError: Not JSON, or against the schema.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such info file; create_data.py writes one per split')
    try:
        infos = json.loads(path.read_text(encoding='utf-8'))
    except ValueError as error:
        raise InfoError(f'{path}: not a JSON info file (truncated?): {error}') from error
    return validate_infos(infos, path)


def validate_infos(infos: dict, source: str | Path = 'infos') -> dict:
    """Check a whole info file and return it unchanged.

    Raises:
        InfoError: Names `source`, the first wrong entry, the key, the expected and the actual.
    """
    where = str(source)
    _require(
        isinstance(infos, dict) and set(infos) == {'metainfo', 'data_list'},
        where,
        "expected an object with exactly 'metainfo' and 'data_list'",
        _keys(infos),
    )
    _validate_metainfo(infos['metainfo'], f'{where}: metainfo')
    entries = infos['data_list']
    _require(
        isinstance(entries, list) and entries,
        where,
        'expected a non-empty data_list',
        'an empty split' if entries == [] else type(entries).__name__,
    )
    seen: dict[str, int] = {}
    default_grid = grid_key(infos['metainfo']['grid']['shape'])
    for index, entry in enumerate(entries):
        at = f'{where}: data_list[{index}]'
        _validate_entry(entry, at)
        first = seen.setdefault(entry['sample_id'], index)
        _require(
            first == index,
            at,
            'expected a sample_id used once',
            f'{entry["sample_id"]!r}, already at data_list[{first}]',
        )
        _require(
            default_grid in entry['occupancy'],
            f'{at}: occupancy',
            f'expected the grid of the metainfo, {default_grid!r}',
            _keys(entry['occupancy']),
        )
    return infos


def validate_pose(matrix: Any, where: str) -> None:
    """Refuse anything that is not a finite, rigid 4x4 transform (rotation within 1e-4)."""
    rows_fit = (
        isinstance(matrix, (list, tuple))
        and len(matrix) == 4
        and all(isinstance(row, (list, tuple)) and len(row) == 4 for row in matrix)
    )
    _require(rows_fit, where, 'expected a 4x4 matrix as nested lists', _shorten(matrix))
    numbers = [value for row in matrix for value in row]
    _require(all(_is_number(value) for value in numbers), where, 'expected 16 finite numbers', _shorten(matrix))
    _require(
        all(abs(a - b) < 1e-9 for a, b in zip(matrix[3], (0, 0, 0, 1))),
        where,
        'expected the last row 0 0 0 1',
        list(matrix[3]),
    )
    columns = [[matrix[i][j] for i in range(3)] for j in range(3)]
    for i in range(3):
        for j in range(i, 3):
            dot = sum(a * b for a, b in zip(columns[i], columns[j]))
            _require(
                abs(dot - (i == j)) < ROTATION_TOLERANCE,
                where,
                'expected an orthonormal rotation',
                f'columns {i} and {j} with the product {dot:.6g}',
            )
    x, y, z = columns
    determinant = sum(z[k] * (x[(k + 1) % 3] * y[(k + 2) % 3] - x[(k + 2) % 3] * y[(k + 1) % 3]) for k in range(3))
    _require(determinant > 0, where, 'expected a rotation', 'a mirrored frame (determinant -1)')


def _validate_metainfo(metainfo: Any, where: str) -> None:
    _require(isinstance(metainfo, dict), where, 'expected an object', type(metainfo).__name__)
    for key in META_KEYS:
        _require(key in metainfo, where, f'expected the key {key!r}', _keys(metainfo))
    _require(metainfo['format'] == FORMAT, f'{where}: format', f'expected {FORMAT!r}', metainfo['format'])
    _require(metainfo['version'] == VERSION, f'{where}: version', f'expected {VERSION}', metainfo['version'])
    for key in ('dataset', 'split'):
        _require(isinstance(metainfo[key], str) and metainfo[key], f'{where}: {key}', 'expected a name', metainfo[key])
    classes = metainfo['classes']
    _require(
        isinstance(classes, list)
        and classes
        and all(isinstance(c, str) for c in classes)
        and len(set(classes)) == len(classes)
        and 'empty' not in classes,
        f'{where}: classes',
        "expected distinct names without 'empty'",
        classes,
    )
    _validate_grid(metainfo['grid'], f'{where}: grid')
    counts = metainfo['class_counts']
    _require(
        isinstance(counts, list)
        and len(counts) == len(classes) + 1
        and all(isinstance(n, int) and n >= 0 for n in counts),
        f'{where}: class_counts',
        f'expected {len(classes) + 1} counts (empty and {len(classes)} classes)',
        counts,
    )
    share = metainfo['unknown_share']
    _require(_is_number(share) and 0 <= share <= 1, f'{where}: unknown_share', 'expected a share in [0, 1]', share)


def _validate_grid(grid: Any, where: str) -> None:
    _require(
        isinstance(grid, dict) and {'shape', 'voxel_size', 'origin'} <= set(grid),
        where,
        "expected the keys 'shape', 'voxel_size', 'origin'",
        _keys(grid),
    )
    _require(
        isinstance(grid['shape'], list)
        and len(grid['shape']) == 3
        and all(isinstance(n, int) and n > 0 for n in grid['shape']),
        f'{where}: shape',
        'expected three positive integers',
        grid['shape'],
    )
    _require(
        _is_number(grid['voxel_size']) and grid['voxel_size'] > 0,
        f'{where}: voxel_size',
        'expected positive metres',
        grid['voxel_size'],
    )
    _require(
        isinstance(grid['origin'], list) and len(grid['origin']) == 3 and all(_is_number(x) for x in grid['origin']),
        f'{where}: origin',
        'expected three finite numbers',
        grid['origin'],
    )


def _validate_entry(entry: Any, where: str) -> None:
    _require(isinstance(entry, dict), where, 'expected an object', type(entry).__name__)
    for key in ENTRY_KEYS:
        _require(key in entry, where, f'expected the key {key!r}', _keys(entry))
    for key in ('sample_id', 'sequence', 'frame', 'lighting', 'weather', 'map'):
        _require(isinstance(entry[key], str) and entry[key], f'{where}: {key}', 'expected a name', entry[key])
    _require(_is_number(entry['time']), f'{where}: time', 'expected finite seconds', entry['time'])
    for key in ('world_from_ego', 'world_from_body'):
        validate_pose(entry[key], f'{where}: {key}')
    for key, transform, path_key in (('cameras', 'cam_from_ego', 'image'), ('lidars', 'lidar_from_ego', 'path')):
        _require(isinstance(entry[key], dict), f'{where}: {key}', 'expected an object', type(entry[key]).__name__)
        for name, sensor in entry[key].items():
            at = f'{where}: {key}[{name!r}]'
            _require(
                isinstance(sensor, dict) and {transform, path_key} <= set(sensor),
                at,
                f'expected the keys {transform!r} and {path_key!r}',
                _keys(sensor),
            )
            validate_pose(sensor[transform], f'{at}: {transform}')
            _validate_path(sensor[path_key], f'{at}: {path_key}')
            if key == 'cameras':
                _require(isinstance(sensor.get('model'), str), at, "expected a camera 'model'", sensor.get('model'))
                if isinstance(sensor.get('mask'), str):
                    _validate_path(sensor['mask'], f'{at}: mask')
    _require(
        isinstance(entry['occupancy'], dict),
        f'{where}: occupancy',
        'expected an object',
        type(entry['occupancy']).__name__,
    )
    for key, path in entry['occupancy'].items():
        _validate_path(path, f'{where}: occupancy[{key!r}]')


def _validate_path(path: Any, where: str) -> None:
    fits = (
        isinstance(path, str)
        and path
        and not PurePosixPath(path).is_absolute()
        and '..' not in PurePosixPath(path).parts
        and '\\' not in path
    )
    _require(fits, where, 'expected a path below the data root, with forward slashes', path)


def _require(condition: Any, where: str, expected: str, actual: Any) -> None:
    if not condition:
        raise InfoError(f'{where}: {expected}, got {_shorten(actual)}')


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _keys(value: Any) -> Any:
    return sorted(value) if isinstance(value, dict) else type(value).__name__


def _shorten(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 160 else text[:157] + '...'
