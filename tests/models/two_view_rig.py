"""A tiny rig for model tests: one equirectangular view, one annulus, random features and samples."""

from __future__ import annotations

import math

import numpy as np
import torch

from projects.OneOcc.core.geometry import CartesianGrid, EquirectCamera, TaylorCamera, View
from projects.OneOcc.oneocc.structures import OccDataSample

GRID = dict(shape=(16, 16, 4), voxel_size=1.0, origin=(-8.0, -8.0, -2.0))
CYLINDER = dict(shape=(12, 32, 4), radius_range=(0.0, 12.0), z_range=(-2.0, 2.0))
EQUI_SIZE, RAW_SIZE = (64, 128), (96, 128)  # (H, W)
SCALES = (1, 4, 8, 16)
DOWN = np.diag((1.0, -1.0, -1.0, 1.0))  # a lens that looks straight down


def equi_camera(size=EQUI_SIZE, band_deg=(-90, 90)) -> EquirectCamera:
    return EquirectCamera(size[1], size[0], math.radians(band_deg[0]), math.radians(band_deg[1]))


def raw_camera(size=RAW_SIZE, center=(0.5, 0.5)) -> TaylorCamera:
    """An annulus that sees 51 degrees on its axis' side of the horizon and 27 beyond."""
    height, width = size
    inner, outer = 0.15 * height, 0.46 * height
    low, high = math.radians(-27), math.radians(51)
    slope = (inner - outer) / (high - low)
    return TaylorCamera(
        (outer - slope * low, slope),
        (center[0] * width, center[1] * height),
        ((1.0, 0.0), (0.0, 1.0)),
        width,
        height,
        radius_range=(inner, outer),
    )


def pose(rotation=None, translation=(0.0, 0.0, 0.0)) -> np.ndarray:
    matrix = np.eye(4) if rotation is None else rotation.copy()
    matrix[:3, 3] = translation
    return matrix


def cameras(equi=None, raw=None, raw_pose=None, equi_pose=None) -> dict[str, View]:
    return dict(
        equi=View(equi or equi_camera(), pose() if equi_pose is None else equi_pose),
        raw=View(raw or raw_camera(), pose(DOWN) if raw_pose is None else raw_pose),
    )


def sample(cams=None, labels=None, sample_id='seq00/000000', device='cpu') -> OccDataSample:
    data = OccDataSample(metainfo=dict(sample_id=sample_id, cameras=cams or cameras(), grid=CartesianGrid(**GRID)))
    if labels is None:
        labels = torch.randint(0, 4, GRID['shape'], dtype=torch.uint8)
    data.gt_occ = labels.to(device)
    return data


def features(batch=1, channels=8, views=('equi', 'raw'), device='cpu', scales=SCALES, dtype=torch.float32) -> dict:
    sizes = dict(equi=EQUI_SIZE, raw=RAW_SIZE)
    return {
        view: {
            s: torch.randn(batch, channels, sizes[view][0] // s, sizes[view][1] // s, device=device, dtype=dtype)
            for s in scales
        }
        for view in views
    }


def image_sizes() -> dict:
    return dict(equi=EQUI_SIZE, raw=RAW_SIZE)


def images(batch=1, device='cpu') -> dict:
    return {view: torch.randn(batch, 3, *size, device=device) for view, size in image_sizes().items()}
