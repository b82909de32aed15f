"""The info files `infos_{split}.json`: one schema for converters that write and datasets that read.

An info file is `{"metainfo": {...}, "data_list": [...]}`, plain JSON as mmengine's BaseDataset
reads it. Poses and transforms are 4x4 row-major lists, metres, named `a_from_b`; times are seconds;
paths are relative to the data root. An entry may have `depth`: by view the `path` of a map, its `unit_m` and `kind`
(depth_maps.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .atomic_files import read_json
from .depth_maps import DepthMapError, check_scale
from .labels import check_classes
from .paths import UnsafeNameError, check_name, check_relative
from .poses import is_finite_number, rigid_pose

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
    return validate_infos(read_json(path, InfoError), path)


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
    rigid_pose(matrix, where, InfoError)


def _validate_metainfo(metainfo: Any, where: str) -> None:
    _require(isinstance(metainfo, dict), where, 'expected an object', type(metainfo).__name__)
    for key in META_KEYS:
        _require(key in metainfo, where, f'expected the key {key!r}', _keys(metainfo))
    _require(metainfo['format'] == FORMAT, f'{where}: format', f'expected {FORMAT!r}', metainfo['format'])
    _require(metainfo['version'] == VERSION, f'{where}: version', f'expected {VERSION}', metainfo['version'])
    for key in ('dataset', 'split'):
        _require(isinstance(metainfo[key], str) and metainfo[key], f'{where}: {key}', 'expected a name', metainfo[key])
    classes = check_classes(metainfo['classes'], f'{where}: classes', InfoError)
    _validate_grid(metainfo['grid'], f'{where}: grid')
    counts = metainfo['class_counts']
    _require(
        isinstance(counts, list) and len(counts) == len(classes) + 1 and all(_is_count(n) and n >= 0 for n in counts),
        f'{where}: class_counts',
        f'expected {len(classes) + 1} counts (empty and {len(classes)} classes)',
        counts,
    )
    share = metainfo['unknown_share']
    _require(
        is_finite_number(share) and 0 <= share <= 1, f'{where}: unknown_share', 'expected a share in [0, 1]', share
    )


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
        and all(_is_count(n) and n > 0 for n in grid['shape']),
        f'{where}: shape',
        'expected three positive integers',
        grid['shape'],
    )
    _require(
        is_finite_number(grid['voxel_size']) and grid['voxel_size'] > 0,
        f'{where}: voxel_size',
        'expected positive metres',
        grid['voxel_size'],
    )
    _require(
        isinstance(grid['origin'], list)
        and len(grid['origin']) == 3
        and all(is_finite_number(x) for x in grid['origin']),
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
    for check, key in ((check_relative, 'sample_id'), (check_name, 'sequence'), (check_name, 'frame')):
        _validate_path(check, entry[key], f'{where}: {key}')
    _require(is_finite_number(entry['time']), f'{where}: time', 'expected finite seconds', entry['time'])
    for key in ('world_from_ego', 'world_from_body'):
        validate_pose(entry[key], f'{where}: {key}')
    for key, transform, path_key in (('cameras', 'cam_from_ego', 'image'), ('lidars', 'lidar_from_ego', 'path')):
        _require(isinstance(entry[key], dict), f'{where}: {key}', 'expected an object', type(entry[key]).__name__)
        for name, sensor in entry[key].items():
            at = f'{where}: {key}[{name!r}]'
            _validate_path(check_name, name, at)
            _require(
                isinstance(sensor, dict) and {transform, path_key} <= set(sensor),
                at,
                f'expected the keys {transform!r} and {path_key!r}',
                _keys(sensor),
            )
            validate_pose(sensor[transform], f'{at}: {transform}')
            _validate_path(check_relative, sensor[path_key], f'{at}: {path_key}')
            largest = sensor.get('intensity_max', 1)
            _require(is_finite_number(largest) and largest > 0, at, "expected an 'intensity_max' above 0", largest)
            if key == 'cameras':
                _require(isinstance(sensor.get('model'), str), at, "expected a camera 'model'", sensor.get('model'))
                if isinstance(sensor.get('mask'), str):
                    _validate_path(check_relative, sensor['mask'], f'{at}: mask')
    _require(
        isinstance(entry['occupancy'], dict),
        f'{where}: occupancy',
        'expected an object',
        type(entry['occupancy']).__name__,
    )
    for key, path in entry['occupancy'].items():
        _validate_path(check_relative, path, f'{where}: occupancy[{key!r}]')
    _validate_depth(entry.get('depth', {}), f'{where}: depth')


def _validate_depth(depth: Any, where: str) -> None:
    _require(isinstance(depth, dict), where, 'expected an object', type(depth).__name__)
    for view, entry in depth.items():
        at = f'{where}[{view!r}]'
        _validate_path(check_name, view, at)
        _require(isinstance(entry, dict) and 'path' in entry, at, "expected the key 'path'", _keys(entry))
        _validate_path(check_relative, entry['path'], at)
        try:
            check_scale(entry, at)
        except DepthMapError as error:
            raise InfoError(str(error)) from error


def _validate_path(check: Callable[[str, str], Any], name: Any, where: str) -> None:
    try:
        check(name, where)
    except UnsafeNameError as error:
        raise InfoError(f'{error}; expected a path below the data root') from error


def _require(condition: Any, where: str, expected: str, actual: Any) -> None:
    if not condition:
        raise InfoError(f'{where}: {expected}, got {_shorten(actual)}')


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _keys(value: Any) -> Any:
    return sorted(value, key=str) if isinstance(value, dict) else type(value).__name__


def _shorten(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 160 else text[:157] + '...'
