"""Rides from disk: what tools/infer.py wrote, what tools/test.py predicted beside the truth of its set, a set alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmdet3d.registry import DATASETS
from mmengine.config import Config
from PIL import Image

from ...core.formats.atomic_files import read_json, read_npz
from ...core.formats.lidar_scan import read_sweep
from ...core.formats.occupancy import load_occupancy, prediction_path
from ...core.formats.paths import inside
from ...core.geometry import CartesianGrid, View, camera_from_dict
from ..datasets.transforms.loading import read_occupancy
from ..datasets.transforms.read_image import read_image
from ..engine.config_files import load_config
from ..engine.usage_error import UsageError
from ..visualization.html import Panorama
from ..visualization.ride import Ride, RideMoment
from .outputs import RIDE
from .result import level_panorama

_PREDICTIONS = 'predictions'


class ResultRide:
    """The folder that `ResultWriter` writes; new frames of a run that goes on are found by `refresh`."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.name = self.folder.resolve().name
        self._read()

    def _read(self) -> None:
        content = read_json(self.folder / RIDE)
        if not isinstance(content, dict) or content.get('format') != 'oneocc-results':
            raise UsageError(f'{self.folder / RIDE}: expected results of tools/infer.py, got another file')
        self.grid = CartesianGrid.from_dict(content['grid'])
        self.classes = tuple(content['classes'])
        self.palette: Sequence[Sequence[int]] = content['palette']
        self._entries = [entry for entry in content['frames'] if 'npz' in entry]
        if not self._entries:
            raise UsageError(f'{self.folder / RIDE}: expected frames with labels, got none: run infer.py with npz')

    def __len__(self) -> int:
        return len(self._entries)

    def refresh(self) -> bool:
        """Read the list of frames anew; whether it grew."""
        before = len(self._entries)
        self._read()
        return len(self._entries) > before

    def moment(self, index: int) -> RideMoment:
        """Raises ArchiveError, OSError for files that are damaged or gone."""
        entry = self._entries[index]
        arrays = read_npz(inside(self.folder, entry['npz'], 'npz'), ('labels',), optional=('probability', 'unknown'))
        panorama, views = None, {}
        if 'panorama' in entry:
            told = dict(entry['panorama_view'])
            view = View(camera_from_dict(told), np.asarray(told['cam_from_ego'], dtype=np.float64))
            panorama = Panorama(np.array(Image.open(inside(self.folder, entry['panorama'], 'panorama'))), view)
            views = {'panorama': view}
        points = arrays_of_points(entry.get('lidars', {}))
        return RideMoment(
            entry['id'],
            float(entry['time']),
            {'prediction': arrays['labels']},
            arrays.get('probability'),
            arrays.get('unknown'),
            panorama,
            views,
            points,
        )


class SetRide:
    """A set's frames with their truth, and beside it the predictions that tools/test.py left in a folder.

    Args:
        config: whose test set it is.
        predictions: folder of `tools/test.py --out`; None shows the truth alone.
        name: shown above the voxels.

    Raises:
        UsageError: no frame of the set has a prediction there.
    """

    def __init__(self, config: Config, predictions: Path | None, name: str) -> None:
        self.name = name
        settings = config.test_dataloader.dataset.copy()
        settings.update(pipeline=[], views=None, points=None, test_mode=True)
        self._set = DATASETS.build(settings)
        self._set.full_init()
        info = self._set.metainfo
        self.grid = CartesianGrid.from_dict(dict(info['grid']))
        self.classes, self.palette = tuple(info['classes']), info['palette']
        self._unobserved = settings.get('unobserved', 'ignore')
        self._predictions = predictions
        self._kept = list(range(len(self._set)))
        self.refresh()
        if not self._kept:
            raise UsageError(
                f'{predictions}: expected predictions of the {len(self._set)} frames of {settings.ann_file}, got none'
            )

    def __len__(self) -> int:
        return len(self._kept)

    def refresh(self) -> bool:
        """Look which frames have predictions; whether there are more."""
        if self._predictions is None:
            return False
        before = len(self._kept)
        infos = (self._set.get_data_info(index)['sample_id'] for index in range(len(self._set)))
        found = [i for i, sample in enumerate(infos) if prediction_path(self._predictions, sample).is_file()]
        self._kept = found
        return len(found) > before

    def moment(self, index: int) -> RideMoment:
        """Raises CorruptSampleError, ArchiveError for files that are damaged."""
        frame = self._set.get_data_info(self._kept[index])
        grid = 'x'.join(str(size) for size in self.grid.shape)
        path = frame['occupancy_paths'][grid]
        volumes = {'ground truth': read_occupancy(path, self.grid, self.classes, self._unobserved)}
        if self._predictions is not None:
            found = load_occupancy(prediction_path(self._predictions, frame['sample_id']), self.grid, self.classes)
            volumes['prediction'] = found.labels
        name, view = next(iter(frame['cameras'].items()))
        image = read_image(frame['img_paths'][name], (view.camera.width, view.camera.height))
        return RideMoment(
            frame['sample_id'],
            float(frame['time']),
            volumes,
            panorama=Panorama(*level_panorama(image, view, 1024)),
            views=frame['cameras'],
            points=arrays_of_points(frame['lidars']),
        )


def arrays_of_points(lidars: Mapping[str, Mapping[str, Any]]) -> np.ndarray | None:
    """(N, 3) float32 points of all sweeps in the ego frame; None without any."""
    clouds = []
    for sensor in lidars.values():
        sweep, _ = read_sweep(sensor['path'], ['points', 'intensity'], sensor.get('intensity_max'))
        ego_from_lidar = np.linalg.inv(np.asarray(sensor['lidar_from_ego'], dtype=np.float64))
        clouds.append(sweep['points'].astype(np.float64) @ ego_from_lidar[:3, :3].T + ego_from_lidar[:3, 3])
    return np.concatenate(clouds).astype(np.float32) if clouds else None


def open_ride(source: str | Path) -> Ride:
    """The ride that a path stands for.

    Args:
        source: a folder of tools/infer.py; a folder of tools/test.py, with metrics.json and predictions/; a config,
            whose test set is shown; or CONFIG:PREDICTIONS, a config and the folder of its predictions.

    Raises:
        UsageError: none of these; the message says what is missing.
    """
    text = str(source)
    path = Path(text)
    if (path / RIDE).is_file():
        return ResultRide(path)
    if path.is_dir():
        return _of_test(path)
    config, sign, predictions = text.partition(':')
    if sign and Path(config).is_file():
        if not Path(predictions).is_dir():
            raise UsageError(f'{predictions}: expected the folder of tools/test.py --out, got nothing')
        return SetRide(load_config(config), Path(predictions), Path(predictions).resolve().parent.name)
    if path.is_file() and path.suffix == '.py':
        return SetRide(load_config(path), None, path.stem)
    raise UsageError(
        f'{source}: expected a folder of infer.py ({RIDE}) or of test.py (metrics.json and predictions), a config, or '
        'CONFIG:PREDICTIONS, got nothing of the kind'
    )


def _of_test(folder: Path) -> SetRide:
    """A work dir of tools/test.py; the config is the one that metrics.json names, or that lies there."""
    predictions = folder / _PREDICTIONS if (folder / _PREDICTIONS).is_dir() else None
    configs = [Path(str(name)) for name in (_config_of(folder),) if name] + sorted(folder.glob('*.py'))
    config = next((path for path in configs if path.is_file()), None)
    if config is None or predictions is None:
        raise UsageError(
            f'{folder}: expected {RIDE}, or predictions/ and a metrics.json that names its config, got '
            f'{sorted(item.name for item in folder.iterdir())[:10]}; CONFIG:PREDICTIONS names both'
        )
    return SetRide(load_config(config), predictions, folder.resolve().name)


def _config_of(folder: Path) -> str | None:
    try:
        found = json.loads((folder / 'metrics.json').read_text()).get('config')
    except (OSError, ValueError, AttributeError):
        return None
    return found if isinstance(found, str) else None
