"""What a model's training saw through: its lenses, where they hung, how high the ego frame was, which elevations."""

from __future__ import annotations

import os.path as osp
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config

from ...core.formats.infos import read_infos
from ...core.formats.occupancy import load_occupancy
from ...core.formats.paths import inside
from ...core.geometry import OmniCamera, View, azimuth_elevation, camera_from_dict

_FRAMES_ASKED = 12
_NEAR_M = 1.5


@dataclass(frozen=True)
class TrainingLens:
    """The cameras of a set, as a model that learned from it expects them.

    Attributes:
        views: name -> the stored camera and its mount.
        ego_height_m: origin of the ego frame above the ground, metres; None where it is not known.
    """

    views: Mapping[str, View]
    ego_height_m: float | None = None

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> TrainingLens:
        """What `to_dict` wrote; ValueError on anything else."""
        if not isinstance(content, Mapping) or not isinstance(content.get('views'), Mapping):
            raise ValueError(f"lens: expected a mapping with 'views', got {type(content).__name__}")
        views = {}
        for name, entry in content['views'].items():
            if not isinstance(entry, Mapping) or 'cam_from_ego' not in entry:
                raise ValueError(f"lens: view {name!r}: expected a camera with 'cam_from_ego', got {entry!r}")
            views[name] = View(camera_from_dict(dict(entry)), np.asarray(entry['cam_from_ego'], dtype=np.float64))
        height = content.get('ego_height_m')
        if height is not None and not (isinstance(height, (int, float)) and 0 <= height < 100):
            raise ValueError(f'lens: ego_height_m: expected metres above the ground, got {height!r}')
        return cls(views, height)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        views = {
            name: dict(view.camera.to_dict(), cam_from_ego=view.cam_from_ego.tolist())
            for name, view in self.views.items()
        }
        return dict(views=views, ego_height_m=self.ego_height_m)

    @property
    def camera_height_m(self) -> float | None:
        """Height of the first view's lens above the ground in metres."""
        if self.ego_height_m is None or not self.views:
            return None
        return self.ego_height_m + float(lens_centre(next(iter(self.views.values())))[2])

    @property
    def elevations_deg(self) -> tuple[float, float]:
        """Lowest and highest elevation in the ego frame that any of the views sees, degrees."""
        bands = [elevations_seen(view.camera, view.cam_from_ego) for view in self.views.values()]
        return min(low for low, _ in bands), max(high for _, high in bands)


def lens_centre(view: View) -> np.ndarray:
    """(3,) metres in the ego frame."""
    return -view.cam_from_ego[:3, :3].T @ view.cam_from_ego[:3, 3]


def elevations_seen(camera: OmniCamera, cam_from_ego: np.ndarray) -> tuple[float, float]:
    """The band of elevations in the ego frame that the pixels of a camera look into, degrees.

    The lowest and the highest percentile of the pixels are left out: a tilted lens or a corner would set the band.

    Args:
        camera: lens and image size.
        cam_from_ego: (4, 4); its rotation counts.

    Raises:
        ValueError: no pixel sees the world.
    """
    small = camera.resized(min(camera.width, 256), max(1, round(camera.height * min(camera.width, 256) / camera.width)))
    rays, valid = small.unproject(small.pixel_centers())
    if not bool(valid.any()):
        raise ValueError(f'{camera}: expected pixels that see the world, got none')
    ego = rays[valid] @ torch.tensor(np.asarray(cam_from_ego)[:3, :3], dtype=rays.dtype)
    elevation = azimuth_elevation(ego)[1].rad2deg()
    low, high = torch.quantile(elevation, torch.tensor([0.005, 0.995], dtype=elevation.dtype)).tolist()
    return low, high


def lens_of_dataset(config: Config, needed: Sequence[str] | None = None) -> TrainingLens:
    """The lens of the set that a config is tested on, from the set's info file and a few of its labels.

    Args:
        config: with `test_dataloader.dataset`.
        needed: views to keep; all by default.

    Raises:
        FileNotFoundError: the set is not on this machine.
        ValueError: an info file that breaks the schema.
    """
    dataset = config.test_dataloader.dataset
    root = Path(dataset.get('data_root', ''))
    path = root / dataset.ann_file
    if not path.is_file():
        raise FileNotFoundError(f'{path}: the set that the model was trained on is not here')
    content = read_infos(str(path))
    first = content['data_list'][0]
    views = {}
    for name, entry in first['cameras'].items():
        if needed is None or name in needed:
            parameters = {key: value for key, value in entry.items() if key not in ('image', 'cam_from_ego')}
            views[name] = View(camera_from_dict(parameters, osp.join(root)), np.asarray(entry['cam_from_ego'], float))
    return TrainingLens(views, _ego_height(content, root))


def _ego_height(content: Mapping[str, Any], root: Path) -> float | None:
    """Metres from the ground to the ego origin: the lowest matter of the columns near the ego, over a few frames."""
    infos = content['data_list']
    heights: list[float] = []
    for index in np.unique(np.linspace(0, len(infos) - 1, _FRAMES_ASKED).round().astype(int)):
        for name in list(infos[index]['occupancy'].values())[:1]:
            path = inside(root, name, 'occupancy')
            if not path.is_file():
                continue
            found = load_occupancy(path)
            solid = (found.labels > 0) & (found.labels < 255)
            middle = found.grid.origin + (np.argwhere(solid) + 0.5) * found.grid.voxel_size
            near = np.hypot(middle[:, 0], middle[:, 1]) < _NEAR_M
            heights.extend(middle[near, 2].tolist())
    return round(max(-float(np.median(heights)), 0.0), 3) if heights else None
