"""The calibrated views that data samples carry."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.structures import BaseDataElement

from ...core.geometry import View


def sample_view(sample: BaseDataElement, name: str) -> View:
    """The view of this name in a sample's metainfo; ValueError if it is missing."""
    cameras = sample.get('cameras') or {}
    if name not in cameras:
        raise ValueError(
            f'sample {sample.get("sample_id")!r} carries the calibration of '
            f'{sorted(cameras)}, but the model needs the view {name!r}'
        )
    return View.of(cameras[name])


def batch_views(
    samples: Sequence[BaseDataElement], name: str, image_size: tuple[int, int], ring: bool = False
) -> list[View]:
    """The views of this name of all samples, as calibrated for images of this size.

    Args:
        samples: B samples with `cameras` in their metainfo.
        name: of the view.
        image_size: (H, W) of the batch's images.
        ring: the features go round the ring, so the cameras must, too.

    Raises:
        ValueError: a view that is missing, of another image size, or no ring; the message names the sample.
    """
    views = []
    for sample in samples:
        view = sample_view(sample, name)
        source = f'sample {sample.get("sample_id")!r}, view {name!r}'
        if ring and not view.camera.periodic:
            raise ValueError(f'{source}: a ring view needs a periodic camera, got {type(view.camera).__name__}')
        view.check_image_size(image_size, source)
        views.append(view)
    return views
