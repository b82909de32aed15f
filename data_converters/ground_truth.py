"""Label recordings and write the files that a dataset reads: occupancy, info files, class counts.

root/recordings/<sequence>/...                      the recordings
root/occupancy/<sequence>/<frame>.npz               labels on the default (first) grid
root/occupancy/<sequence>/made_from.json            which recording they are of
root/occupancy_<X>x<Y>x<Z>/<sequence>/<frame>.npz   labels on every further grid
root/infos_<split>.json                             core/formats/infos.py
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
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from data_converters.label_checks import (
    check_grids,
    check_labelable,
    check_splits,
    check_summaries,
    claim_labels,
    folder_below,
)
from data_converters.map_tiles import check_positions
from data_converters.voxel_edits import apply_edits, read_edits
from data_converters.voxelize import PanoramaScanner, Scan, SequenceMap, VoxelizeSettings, lidar_scan
from projects.OneOcc.core.formats.atomic_files import write_json
from projects.OneOcc.core.formats.infos import build_infos, grid_key
from projects.OneOcc.core.formats.lidar_scan import check_body, own_body
from projects.OneOcc.core.formats.occupancy import count_labels, write_occupancy
from projects.OneOcc.core.formats.recording import Frame, Recording, RecordingError
from projects.OneOcc.core.geometry import CartesianGrid


def occupancy_folder(grids: Sequence[CartesianGrid], grid: CartesianGrid) -> str:
    """Folder of a grid's labels below the data root."""
    return 'occupancy' if grid == grids[0] else f'occupancy_{grid_key(grid.shape)}'


def frame_scanner(
    recording: Recording, settings: VoxelizeSettings, dropped: dict[tuple[str, int], int] | None = None
) -> Callable[[Frame], list[Scan]]:
    """How the frames of a recording become scans: lidar sweeps, or depth and semantic panoramas.

    Args:
        dropped: Takes the number of returns from the robot's own body by frame id and number of the scan.
    """
    check_body(settings.min_range, settings.body_box)
    panoramas = None
    if not recording.lidars:
        if recording.dense_camera is None:
            raise RecordingError(
                f'{recording.root / "recording.json"}: expected a lidar or a dense depth '
                'camera to make labels from, got neither'
            )
        panoramas = PanoramaScanner(recording, settings)

    def scans_of(frame: Frame) -> list[Scan]:
        if panoramas is not None:
            scans = [panoramas.scan(frame)] if 'depth' in frame.files else []
        else:
            scans = [lidar_scan(recording, frame, name) for name in recording.lidars if name in frame.files]
        kept = [without_own_body(scan, frame.world_from_body, settings) for scan in scans]
        if dropped is not None:
            dropped.update({(frame.id, index): count for index, (_, count) in enumerate(kept)})
        return [scan for scan, _ in kept]

    return scans_of


def without_own_body(scan: Scan, world_from_body: np.ndarray, settings: VoxelizeSettings) -> tuple[Scan, int]:
    """The scan without the robot itself (`min_range` and `body_box` of the settings), and how many returns that were.

    Rays without return stay; of a return that is dropped, the ray is dropped too.
    """
    if settings.min_range == 0 and settings.body_box is None:
        return scan, 0
    body_from_world = np.linalg.inv(world_from_body)
    in_body = np.vstack([scan.ends, scan.origin]) @ body_from_world[:3, :3].T + body_from_world[:3, 3]
    own = own_body(in_body[:-1], in_body[-1], settings.min_range, settings.body_box) & (scan.labels > 0)
    kept = ~own
    if kept.all():
        return scan, 0
    return replace(scan, ends=scan.ends[kept], labels=scan.labels[kept], dynamic=scan.dynamic[kept]), int(own.sum())


def label_sequence(
    recording: Recording,
    root: Path,
    grids: Sequence[CartesianGrid],
    settings: VoxelizeSettings | None = None,
    on_frame: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Write the labels of every key frame (one that has an image) of one recording.

    Everything that can be wrong with the recording is asked before the first label is made.

    Args:
        root: Data root; the recording must lie below it.
        grids: Label grids, the default one first.
        on_frame: Called after every labelled frame.

    Returns:
        JSON-able `dict(sequence, recording, classes, entries, counts, unobserved, dropped)`; counts[grid
        key] is C + 2 voxel numbers: empty, the classes, unknown; `unobserved` says how many of the unknown
        ones nothing was seen of; `dropped` counts padding points and returns from the robot's own body,
        `edited` the voxels that voxel_edits.json changed, where there is one.

    Raises:
        RecordingError: Names what cannot be used.
    """
    settings = settings or VoxelizeSettings()
    root = Path(root)
    check_grids(grids)
    base = folder_below(recording, root)
    check_labelable(recording)
    positions = np.stack([frame.world_from_ego[:3, 3] for frame in recording.frames])
    check_positions(positions, settings.max_step, [f'{recording.name}/{frame.id}' for frame in recording.frames])
    edits = read_edits(recording)
    own_returns: dict[tuple[str, int], int] = {}
    scans_of = frame_scanner(recording, settings, own_returns)
    folders = {grid: claim_labels(root / occupancy_folder(grids, grid), recording.name, base) for grid in grids}
    key_frames = [f for f in recording.frames if set(f.files) & set(recording.cameras)]
    num_classes = len(recording.classes)
    aggregate = SequenceMap(
        (scan for frame in recording.frames for scan in scans_of(frame)), positions, grids, num_classes, settings
    )
    counts = {grid_key(grid.shape): np.zeros(num_classes + 2, np.int64) for grid in grids}
    never_seen = dict.fromkeys(counts, 0)
    entries, edited = [], 0
    for frame in key_frames:
        own_scans = scans_of(frame)
        occupancy = {}
        for grid in grids:
            labels, unobserved = aggregate.observe(frame.world_from_ego, grid, own_scans)
            edited += apply_edits(labels, unobserved, edits, frame, grid)
            write_occupancy(folders[grid] / f'{frame.id}.npz', labels, grid, recording.classes, unobserved)
            occupancy[grid_key(grid.shape)] = f'{occupancy_folder(grids, grid)}/{recording.name}/{frame.id}.npz'
            known, unknown = count_labels(labels, num_classes)
            counts[grid_key(grid.shape)] += [*known, unknown]
            never_seen[grid_key(grid.shape)] += int(unobserved.sum())
        entries.append(_entry(recording, frame, base, occupancy))
        on_frame()
    return dict(
        sequence=recording.name,
        recording=base,
        classes=list(recording.classes),
        entries=entries,
        counts={key: numbers.tolist() for key, numbers in counts.items()},
        unobserved=never_seen,
        dropped=dict(padding=sum(recording.padding.values()), own_body=sum(own_returns.values())),
        **(dict(edited=edited) if edits else {}),
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

    Nothing is written before everything is known to fit.

    Args:
        splits: Split name -> names of its sequences.
        summaries: What `label_sequence` returned for each of them.
        extra: Further metainfo for the info files.

    Raises:
        InfoError: Two recordings of one name, other classes or another order of them, a split that is
            empty or names a sequence without summary.
    """
    root = Path(root)
    check_grids(grids)
    by_name = check_summaries(list(summaries), grids)
    check_splits(splits, list(by_name))
    classes = next(iter(by_name.values()))['classes']
    files = {}
    table: dict[str, Any] = dict(classes=classes, splits={})
    for split, names in splits.items():
        entries = [entry for name in names for entry in by_name[name]['entries']]
        totals = {
            grid_key(grid.shape): np.sum([by_name[name]['counts'][grid_key(grid.shape)] for name in names], axis=0)
            for grid in grids
        }
        shares = {key: float(total[-1] / total.sum()) for key, total in totals.items()}
        never_seen = {
            key: sum(int(by_name[name].get('unobserved', {}).get(key, 0)) for name in names) for key in totals
        }
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
            unobserved_by_grid=never_seen,
            **extra,
        )
        files[root / f'infos_{split}.json'] = infos
        table['splits'][split] = {
            key: dict(
                samples=len(entries),
                class_counts=total[:-1].tolist(),
                unknown=int(total[-1]),
                unknown_share=shares[key],
                unobserved=never_seen[key],
            )
            for key, total in totals.items()
        }
    for path, infos in files.items():
        write_json(path, infos)
    write_json(root / 'class_counts.json', table, indent=1)
    return table


def format_table(table: dict[str, Any]) -> str:
    """Class shares as text: percent of the occupied voxels, and of all voxels for empty, unknown."""
    names = table['classes']
    width = max(12, *(len(name) + 1 for name in names))
    head = ['samples', *names, 'empty', 'unknown', 'unobserved']
    lines = [f'{"split, grid":<26}' + ''.join(f'{name:>{width}}' for name in head)]
    for split, grids in table['splits'].items():
        for key, row in grids.items():
            counts = np.asarray(row['class_counts'], dtype=np.float64)
            voxels = counts.sum() + row['unknown']
            shares = [*(counts[1:] / max(counts[1:].sum(), 1)), counts[0] / voxels, row['unknown'] / voxels]
            shares.append(row['unobserved'] / voxels)
            lines.append(
                f'{split + ", " + key:<26}{row["samples"]:>{width}}'
                + ''.join(f'{100 * share:>{width}.2f}' for share in shares)
            )
    return '\n'.join(
        [*lines, 'classes: % of occupied voxels; empty, unknown (unobserved ones among them): % of all voxels']
    )


def _entry(recording: Recording, frame: Frame, base: str, occupancy: dict[str, str]) -> dict[str, Any]:
    """Info entry of one key frame. A robot knows its nominal mount only, so that is `a_from_ego`."""
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
        name: dict(
            lidar_from_ego=matrix.tolist(),
            path=f'{base}/{frame.files[name]}',
            **({'intensity_max': recording.intensity_max[name]} if name in recording.intensity_max else {}),
        )
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
