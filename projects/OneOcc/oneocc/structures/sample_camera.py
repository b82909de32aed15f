"""The calibration that a data sample carries."""

from __future__ import annotations

from collections.abc import Mapping

from mmengine.structures import BaseDataElement


def sample_camera(sample: BaseDataElement, view: str) -> Mapping:
    """{'camera': OmniCamera, 'cam_from_ego': (4, 4) float64} of a sample's view; ValueError if missing."""
    cameras = sample.get('cameras') or {}
    if view not in cameras:
        raise ValueError(
            f'sample {sample.get("sample_id")!r} carries the calibration of '
            f'{sorted(cameras)}, but the model needs the view {view!r}'
        )
    return cameras[view]
