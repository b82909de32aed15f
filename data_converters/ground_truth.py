"""Label recordings and write the files that a dataset reads: occupancy, info files, class counts.

root/recordings/<sequence>/...                      the recordings
root/occupancy/<sequence>/<frame>.npz               labels on the default (first) grid
root/occupancy_<X>x<Y>x<Z>/<sequence>/<frame>.npz   labels on every further grid
root/infos_<split>.json                             datasets/info_schema.py
root/class_counts.json                              voxels per class, split and grid
"""

from __future__ import annotations

import sys

if __name__ == '__main__':  # told before the imports, which need the repository on the path
    print(
        'ground_truth.py is not a command:',
        'recordings are labelled by label_recordings.py, synthetic sets made by create_data.py',
        file=sys.stderr,
    )
    sys.exit(2)

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data_converters.map_tiles import check_positions
from data_converters.voxelize import (
    PanoramaScanner,
    Scan,
    SequenceMap,
    VoxelizeSettings,
    count_labels,
    lidar_scan,
    write_occupancy,
)
from projects.OneOcc.core.formats.atomic_files import write_json
from projects.OneOcc.core.formats.infos import build_infos, grid_key
from projects.OneOcc.core.formats.recording import Frame, Recording, RecordingError
from projects.OneOcc.core.geometry import CartesianGrid


def occupancy_folder(grids: Sequence[CartesianGrid], grid: CartesianGrid) -> str:
    """Folder of a grid's labels below the data root."""
    return 'occupancy' if grid == grids[0] else f'occupancy_{grid_key(grid.shape)}'


def frame_scanner(recording: Recording, settings: VoxelizeSettings) -> Callable[[Frame], list[Scan]]:
    """How the frames of a recording become scans: lidar sweeps, or depth and semantic panoramas."""
    if recording.lidars:
        return lambda frame: [lidar_scan(recording, frame, name) for name in recording.lidars if name in frame.files]
    if recording.dense_camera is not None:
        panoramas = PanoramaScanner(recording, settings)
        return lambda frame: [panoramas.scan(frame)] if 'depth' in frame.files else []
    raise RecordingError(
        f'{recording.root / "recording.json"}: expected a lidar or a dense depth '
        'camera to make labels from, got neither'
    )


def label_sequence(
    recording: Recording,
    root: Path,
    grids: Sequence[CartesianGrid],
    settings: VoxelizeSettings | None = None,
    on_frame: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Write the labels of every key frame (one that has an image) of one recording.

    Args:
        root: Data root; the recording must lie below it.
        grids: Label grids, the default one first.
        on_frame: Called after every labelled frame.

    Returns:
        JSON-able `dict(sequence, classes, entries, counts)`; counts[grid key] is C + 2 voxel
        numbers: empty, the classes, unknown.
    """
    settings = settings or VoxelizeSettings()
    scans_of = frame_scanner(recording, settings)
    key_frames = [f for f in recording.frames if set(f.files) & set(recording.cameras)]
    positions = np.stack([frame.world_from_ego[:3, 3] for frame in recording.frames])
    check_positions(positions, settings.max_step, [f'{recording.name}/{frame.id}' for frame in recording.frames])
    num_classes = len(recording.classes)
    aggregate = SequenceMap(
        (scan for frame in recording.frames for scan in scans_of(frame)), positions, grids, num_classes, settings
    )
    counts = {grid_key(grid.shape): np.zeros(num_classes + 2, np.int64) for grid in grids}
    entries = []
    for frame in key_frames:
        own_scans = scans_of(frame)
        occupancy = {}
        for grid in grids:
            labels = aggregate.labels(frame.world_from_ego, grid, own_scans)
            path = f'{occupancy_folder(grids, grid)}/{recording.name}/{frame.id}.npz'
            write_occupancy(root / path, labels, grid, recording.classes)
            occupancy[grid_key(grid.shape)] = path
            known, unknown = count_labels(labels, num_classes)
            counts[grid_key(grid.shape)] += [*known, unknown]
        entries.append(_entry(recording, frame, root, occupancy))
        on_frame()
    return dict(
        sequence=recording.name,
        classes=list(recording.classes),
        entries=entries,
        counts={key: numbers.tolist() for key, numbers in counts.items()},
    )


def write_infos(
    root: Path,
    dataset: str,
    splits: dict[str, list[str]],
    grids: Sequence[CartesianGrid],
    summaries: Iterable[dict[str, Any]],
    **extra: Any,
) -> dict[str, Any]:
    """Write infos_{split}.json for every split and class_counts.json; return the latter's content.

    Args:
        splits: Split name -> names of its sequences.
        summaries: What `label_sequence` returned for each of them.
        extra: Further metainfo for the info files.
    """
    by_name = {summary['sequence']: summary for summary in summaries}
    classes = next(iter(by_name.values()))['classes']
    table: dict[str, Any] = dict(classes=classes, splits={})
    for split, names in splits.items():
        entries = [entry for name in names for entry in by_name[name]['entries']]
        totals = {
            grid_key(grid.shape): np.sum([by_name[name]['counts'][grid_key(grid.shape)] for name in names], axis=0)
            for grid in grids
        }
        shares = {key: float(total[-1] / total.sum()) for key, total in totals.items()}
        default = grid_key(grids[0].shape)
        infos = build_infos(
            dataset,
            split,
            classes,
            grids[0].to_dict(),
            entries,
            totals[default][:-1],
            shares[default],
            grids={grid_key(grid.shape): grid.to_dict() for grid in grids},
            class_counts_by_grid={key: total[:-1].tolist() for key, total in totals.items()},
            unknown_share_by_grid=shares,
            **extra,
        )
        write_json(root / f'infos_{split}.json', infos)
        table['splits'][split] = {
            key: dict(
                samples=len(entries),
                class_counts=total[:-1].tolist(),
                unknown=int(total[-1]),
                unknown_share=shares[key],
            )
            for key, total in totals.items()
        }
    write_json(root / 'class_counts.json', table, indent=1)
    return table


def format_table(table: dict[str, Any]) -> str:
    """Class shares as text: percent of the occupied voxels, and of all voxels for empty, unknown."""
    names = table['classes']
    width = max(12, *(len(name) + 1 for name in names))
    head = ['samples', *names, 'empty', 'unknown']
    lines = [f'{"split, grid":<26}' + ''.join(f'{name:>{width}}' for name in head)]
    for split, grids in table['splits'].items():
        for key, row in grids.items():
            counts = np.asarray(row['class_counts'], dtype=np.float64)
            voxels = counts.sum() + row['unknown']
            shares = [*(counts[1:] / max(counts[1:].sum(), 1)), counts[0] / voxels, row['unknown'] / voxels]
            lines.append(
                f'{split + ", " + key:<26}{row["samples"]:>{width}}'
                + ''.join(f'{100 * share:>{width}.2f}' for share in shares)
            )
    return '\n'.join([*lines, 'classes: % of occupied voxels; empty, unknown: % of all voxels'])


def _entry(recording: Recording, frame: Frame, root: Path, occupancy: dict[str, str]) -> dict[str, Any]:
    """Info entry of one key frame. A robot knows its nominal mount only, so that is `a_from_ego`."""
    base = recording.root.relative_to(root).as_posix()
    cameras = {}
    for name, mount in recording.cameras.items():
        if name in frame.files:
            model = {key: value for key, value in mount.items() if key != 'cam_from_body'}
            if isinstance(model.get('mask'), str):
                model['mask'] = f'{base}/{model["mask"]}'
            cameras[name] = dict(
                model, cam_from_ego=mount['cam_from_body'].tolist(), image=f'{base}/{frame.files[name]}'
            )
    lidars = {
        name: dict(lidar_from_ego=matrix.tolist(), path=f'{base}/{frame.files[name]}')
        for name, matrix in recording.lidars.items()
        if name in frame.files
    }
    meta = recording.meta
    return dict(
        sample_id=f'{recording.name}/{frame.id}',
        sequence=recording.name,
        frame=frame.id,
        time=frame.time,
        lighting=meta.get('lighting', 'unknown'),
        weather=meta.get('weather', 'unknown'),
        map=meta.get('map', recording.name),
        world_from_ego=frame.world_from_ego.tolist(),
        world_from_body=frame.world_from_body.tolist(),
        cameras=cameras,
        lidars=lidars,
        occupancy=occupancy,
    )
