"""Everything of a bundle that follows from the calibration, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from ...core.geometry import CartesianGrid, View
from ...core.geometry.visibility import visible_voxels
from ..datasets.transforms.resize import ResizeView
from ..datasets.transforms.unwrap import UnwrapPanorama
from ..engine.usage_error import UsageError
from ..structures import OccDataSample
from .network import ExportNetwork

Recorded = Mapping[str, View]


def rig_sample(
    steps: Sequence[Any], recorded: Recorded, wanted: Sequence[str]
) -> tuple[OccDataSample, dict[str, dict[str, Any]], dict[str, np.ndarray]]:
    """What the loading of a data set does, for one calibration and without images.

    Args:
        steps: the built transforms of the test pipeline.
        recorded: the rig's views by camera name.
        wanted: views that the network reads.

    Returns:
        A sample whose views the network sees; the card's entry of each view; the tables of unwrapped views.

    Raises:
        UsageError: a camera that the pipeline loads and the calibration lacks, or a camera whose view is made by other
            transforms than unwrapping and resizing.
    """
    results: dict[str, Any] = dict(sample_id='calibration', cameras={}, imgs={})
    cameras = {name: View.of(view) for name, view in recorded.items()}
    origins: dict[str, dict[str, Any]] = {}
    tables: dict[str, np.ndarray] = {}
    for step in steps:
        if type(step).__name__ == 'LoadPanorama':
            names = step.views if step.views is not None else tuple(cameras)
            missing = [name for name in names if name not in cameras]
            if missing:
                raise UsageError(f'--calib: expected the cameras {list(names)} of the config, got {sorted(cameras)}')
            results['cameras'] |= {name: cameras[name] for name in names}
            origins |= {name: dict(camera=name, method='resize') for name in names}
        elif isinstance(step, UnwrapPanorama):
            (pixels, valid), view = step.unwrapped(results['cameras'][step.source])
            tables[f'remap_{step.target}_pixels'] = pixels.numpy()
            tables[f'remap_{step.target}_valid'] = valid.numpy()
            origins[step.target] = dict(camera=step.source, method='remap')
            results['cameras'][step.target] = view
        elif isinstance(step, ResizeView):
            if origins[step.view]['method'] != 'resize':
                raise UsageError(f'export: expected {step.view!r} unwrapped to its final size, got a resize after it')
            results['cameras'][step.view] = results['cameras'][step.view].resized(step.width, step.height)
    missing = [view for view in wanted if view not in results['cameras']]
    if missing:
        raise UsageError(f'export: expected the views {list(wanted)} from the pipeline, got no {missing}')
    sample = OccDataSample(metainfo=dict(sample_id='calibration', cameras={v: results['cameras'][v] for v in wanted}))
    entries = {view: _entry(origins[view], sample.cameras[view]) for view in wanted}
    return sample, entries, {key: value for key, value in tables.items() if key.split('_')[1] in wanted}


def network_tables(network: ExportNetwork, sample: OccDataSample, grid: CartesianGrid) -> dict[str, np.ndarray]:
    """The network's tables, what the lens sees (`seen`), and where it is (`centre_m`).

    What the lens sees, for a robot, is what all views show together: none of them can show what another hides.
    """
    found = {name: table.numpy() for name, table in network.tables(sample).items()}
    found['seen'] = visible_voxels(sample.cameras, grid)
    pose = np.linalg.inv(View.of(sample.cameras[network.views[0]]).cam_from_ego)
    found['centre_m'] = pose[:3, 3]
    return found


def example_sample(network: ExportNetwork, images: Mapping[str, torch.Tensor]) -> list[torch.Tensor]:
    """Images {view: (3, H, W) uint8}, as a data set packs them, and the network's own tables, in its order."""
    tables = network.tables(network.sample)
    return [images[view].permute(1, 2, 0)[None].contiguous() for view in network.views] + list(tables.values())


def _entry(origin: Mapping[str, Any], view: View) -> dict[str, Any]:
    camera = view.camera
    return dict(
        origin,
        size=[camera.height, camera.width],
        periodic=bool(camera.periodic),
        elevation_rad=list(camera.elevation_range),
    )
