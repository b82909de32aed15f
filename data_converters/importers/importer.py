"""What every importer of a public set shares: check first, then sequence by sequence, resumable, info files last.

root/source                                      link to the set as it was downloaded
root/occupancy/<sequence>/<frame>.npz            labels on the default (first) grid, one folder for each further one
root/lidar/<sequence>/<frame>.npz                sweeps, where the set has any
root/infos_<split>.json, root/class_counts.json  as of any other set
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from tqdm import tqdm

from data_converters.ground_truth import occupancy_folder, write_infos
from data_converters.output_folder import claim_output
from data_converters.sequence_summaries import read_summary, summary_path
from data_converters.task_cluster import run_jobs
from projects.OneOcc.core.formats.atomic_files import remove_leftovers, write_json, write_npz
from projects.OneOcc.core.formats.folder_lock import FolderLock
from projects.OneOcc.core.formats.infos import grid_key
from projects.OneOcc.core.formats.labels import UNKNOWN
from projects.OneOcc.core.formats.occupancy import count_labels, write_occupancy
from projects.OneOcc.core.formats.paths import check_name, inside
from projects.OneOcc.core.geometry import CartesianGrid, OmniCamera

SETTINGS_FILE = 'create_data.json'
SOURCE = 'source'


class ImportFailedError(ValueError):
    """A public set that cannot be imported; the message names the file or folder, the expected and the actual."""


@dataclass
class ImportedFrame:
    """One frame, ready to be written.

    Attributes:
        id: name of the frame within its sequence.
        time: seconds.
        cameras: by name the camera, its `cam_from_ego` (4, 4) and its image's path relative to the data root.
        labels: by grid (X, Y, Z) uint8: 0 empty, 1..C, 255 unknown.
        unobserved: by grid (X, Y, Z) bool: what nothing was seen of; none where the set does not tell it from empty.
        lidars: by name points (N, 3) metres and intensity (N,) in [0, 1], in the LiDAR's frame, with `lidar_from_ego`.
    """

    id: str
    time: float
    cameras: Mapping[str, tuple[OmniCamera, np.ndarray, str]]
    labels: dict[CartesianGrid, np.ndarray]
    unobserved: dict[CartesianGrid, np.ndarray] = field(default_factory=dict)
    lidars: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]] = field(default_factory=dict)
    world_from_ego: np.ndarray = field(default_factory=lambda: np.eye(4))


class Importer(ABC):
    """One public set in its own layout. Everything that can be wrong with it is asked by the constructor."""

    dataset: ClassVar[str]
    classes: tuple[str, ...]
    grids: tuple[CartesianGrid, ...]
    evidence: list[str]

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        if not self.root.is_dir():
            raise ImportFailedError(f'--root: expected the folder of the set, got {self.root}, which is none')
        self.evidence = []

    @abstractmethod
    def splits(self) -> dict[str, list[str]]:
        """Split name -> names of its sequences."""

    @abstractmethod
    def frame_ids(self, sequence: str) -> list[str]:
        """Ids of the frames of a sequence that have labels, in their order."""

    @abstractmethod
    def frame(self, sequence: str, frame: str, out: Path) -> ImportedFrame:
        """Read one frame; may write pictures that the set does not have as such below `out`."""

    def settings(self) -> dict[str, Any]:
        """What makes two imports different; a folder is continued only by the same."""
        return dict(set=self.dataset, root=str(self.root.resolve()))

    def names(self, sequence: str) -> dict[str, str]:
        """`lighting`, `weather` and `map` of a sequence, as far as the set tells."""
        return {}

    def source(self, path: Path) -> str:
        """A file of the set, relative to the data root."""
        return f'{SOURCE}/{path.relative_to(self.root).as_posix()}'


def import_set(
    importer: Importer, out: Path, workers: int = 1, quiet: bool = False, scheduler: str | None = None
) -> dict[str, Any]:
    """Import or continue a set in `out`; returns the content of class_counts.json.

    Workers and scheduler: see `task_cluster.run_jobs`.

    Raises:
        ValueError: `out` holds something else, another run is writing there, or a file of the set is damaged.
    """
    if workers < 1:
        raise ValueError(f'--workers: expected at least 1, got {workers}')
    out = Path(out)
    splits = importer.splits()
    sequences = sorted({name for names in splits.values() for name in names})
    frames = {name: len(importer.frame_ids(name)) for name in sequences}
    empty = [name for name, count in frames.items() if count == 0]
    if empty or not sequences:
        raise ImportFailedError(f'{importer.root}: expected frames in every sequence, got none in {empty or "the set"}')
    claim_output(out, SETTINGS_FILE, importer.settings())
    with FolderLock(out):
        for folder in (out, out / 'sequences'):
            remove_leftovers(folder)
        _link(out / SOURCE, importer.root)
        missing = [name for name in sequences if read_summary(out, name) is None]
        jobs = [(name, partial(import_sequence, importer, name, out)) for name in missing]
        total = sum(frames.values())
        done = total - sum(frames[name] for name in missing)
        title = f'{importer.dataset} ({len(sequences)} sequences)'
        with tqdm(total=total, initial=done, unit='frame', desc=title, disable=quiet) as bar:
            run_jobs(jobs, workers, bar, scheduler)
        summaries = [read_summary(out, name) or {} for name in sequences]
        return write_infos(out, importer.dataset, splits, importer.grids, summaries, evidence=importer.evidence)


def import_sequence(importer: Importer, name: str, out: Path, on_frame: Callable[[], Any] = lambda: None) -> None:
    """Write the labels and sweeps of one sequence, then mark it as done."""
    check_name(name, 'sequence')
    counts = {grid_key(grid.shape): np.zeros(len(importer.classes) + 2, np.int64) for grid in importer.grids}
    never_seen = dict.fromkeys(counts, 0)
    padding, entries = 0, []
    for frame_id in importer.frame_ids(name):
        frame = importer.frame(name, frame_id, out)
        occupancy = {}
        for grid in importer.grids:
            labels = frame.labels[grid]
            unobserved = frame.unobserved.get(grid, np.zeros(labels.shape, bool))
            folder = occupancy_folder(importer.grids, grid)
            path = inside(out / folder, f'{name}/{frame.id}.npz', 'frame')
            write_occupancy(path, labels, grid, importer.classes, unobserved)
            key = grid_key(grid.shape)
            occupancy[key] = f'{folder}/{name}/{frame.id}.npz'
            known, unknown = count_labels(labels, len(importer.classes))
            counts[key] += [*known, unknown]
            never_seen[key] += int(unobserved.sum())
        lidars, dropped = _write_sweeps(frame, name, out)
        padding += dropped
        entries.append(_entry(importer, name, frame, occupancy, lidars))
        on_frame()
    summary = dict(
        sequence=name,
        recording=name,
        classes=list(importer.classes),
        entries=entries,
        counts={key: numbers.tolist() for key, numbers in counts.items()},
        unobserved=never_seen,
        dropped=dict(padding=padding),
    )
    write_json(summary_path(out, name), summary)


def _write_sweeps(frame: ImportedFrame, name: str, out: Path) -> tuple[dict[str, Any], int]:
    entries, dropped = {}, 0
    for lidar, (points, intensity, lidar_from_ego) in frame.lidars.items():
        real = np.isfinite(points).all(axis=1) & (points != 0).any(axis=1)
        dropped += int((~real).sum())
        path = inside(out / lidar, f'{name}/{frame.id}.npz', 'frame')
        write_npz(
            path,
            points=points[real].astype(np.float32),
            intensity=intensity[real].astype(np.float32),
            label=np.full(int(real.sum()), UNKNOWN, np.uint8),
            dynamic=np.zeros(int(real.sum()), bool),
        )
        entries[lidar] = dict(lidar_from_ego=lidar_from_ego.tolist(), path=f'{lidar}/{name}/{frame.id}.npz')
    return entries, dropped


def _entry(
    importer: Importer, name: str, frame: ImportedFrame, occupancy: dict[str, str], lidars: dict[str, Any]
) -> dict[str, Any]:
    names = importer.names(name)
    return dict(
        sample_id=f'{name}/{frame.id}',
        sequence=name,
        frame=frame.id,
        time=frame.time,
        lighting=names.get('lighting', 'unknown'),
        weather=names.get('weather', 'unknown'),
        map=names.get('map', name),
        world_from_ego=frame.world_from_ego.tolist(),
        world_from_body=frame.world_from_ego.tolist(),
        cameras={
            camera: dict(lens.to_dict(), cam_from_ego=pose.tolist(), image=image)
            for camera, (lens, pose, image) in frame.cameras.items()
        },
        lidars=lidars,
        occupancy=occupancy,
    )


def _link(link: Path, target: Path) -> None:
    if link.is_symlink() or link.exists():
        if not link.exists() or not link.samefile(target):
            raise ImportFailedError(f'{link}: expected a link to {target}, got another one; remove it')
        return
    link.symlink_to(target.resolve(), target_is_directory=True)


def relabel(raw: np.ndarray, table: Mapping[int, int], where: str) -> np.ndarray:
    """Raw ids (...) as training labels (...) uint8.

    Raises:
        ImportFailedError: an id that the table does not have; names the file and the ids.
    """
    if raw.dtype.kind not in 'iub':
        raise ImportFailedError(f'{where}: expected integer ids, got {raw.dtype}')
    found = np.unique(raw)
    strange = [int(value) for value in found if int(value) not in table]
    if strange:
        raise ImportFailedError(f'{where}: expected ids among {sorted(table)}, got {strange[:10]}')
    lookup = np.zeros(int(found.max(initial=0)) + 1, np.uint8)
    for value in found:
        lookup[int(value)] = table[int(value)]
    return lookup[raw]


def files_by_stem(folder: Path, suffixes: Sequence[str], what: str, cure: str = '') -> dict[str, Path]:
    """Files of a folder by their name without suffix.

    Raises:
        ImportFailedError: no such folder, or none of these files in it; it ends in `cure`.
    """
    if not folder.is_dir():
        raise ImportFailedError(f'{folder}: expected a folder with {what}, got none')
    found = {path.stem: path for path in sorted(folder.iterdir()) if path.suffix.lower() in suffixes}
    if not found:
        there = ', '.join(sorted({path.suffix or path.name for path in folder.iterdir()})) or 'an empty folder'
        raise ImportFailedError(f'{folder}: expected {what} ({", ".join(suffixes)}), got {there}{cure}')
    return found


def load_array(path: Path, shapes: Sequence[tuple[int, ...]] | None = None) -> np.ndarray:
    """The array (...) of a .npy file without objects, of one of the given shapes.

    Raises:
        ImportFailedError: missing, damaged, of objects, or of another shape; names the file and both shapes.
    """
    try:
        array = np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise ImportFailedError(f'{path}: expected this file, got none') from error
    except (OSError, ValueError, EOFError) as error:
        raise ImportFailedError(f'{path}: expected an array file of numbers: {error}') from error
    if not isinstance(array, np.ndarray) or (shapes is not None and array.shape not in set(shapes)):
        got = array.shape if isinstance(array, np.ndarray) else type(array).__name__
        raise ImportFailedError(f'{path}: expected an array of {" or ".join(map(str, shapes or []))}, got {got}')
    return array
