"""Which entries of a frame are pictures of a view: the transforms that move pixels move them all, or refuse."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ....core.geometry import View

_NO_PICTURES = ('cameras', 'img_paths', 'depth_files', 'lidars', 'occupancy_paths')  # sensors may share a name


def pictures(results: Mapping, view: str) -> dict[str, np.ndarray]:
    """{key: picture} of all that a frame holds of a view beside its calibration, e.g. 'imgs' and 'depth'.

    Args:
        results: a frame on its way through the pipeline.
        view: name.

    Returns:
        Arrays (H, W) or (H, W, ...) of the calibration's size.

    Raises:
        ValueError: an entry of the view that is no such array, so nobody knows where its pixels are.
    """
    camera = View.of(results['cameras'][view]).camera
    found = {}
    for key, entries in results.items():
        if key in _NO_PICTURES or not isinstance(entries, Mapping) or view not in entries:
            continue
        picture = entries[view]
        if not isinstance(picture, np.ndarray) or picture.shape[:2] != (camera.height, camera.width):
            got = picture.shape if isinstance(picture, np.ndarray) else type(picture).__name__
            raise ValueError(
                f'{results.get("sample_id")}: expected {key!r} of the view {view!r} to be a picture of '
                f'({camera.height}, {camera.width}, ...), got {got}: make it after the transforms that move pixels'
            )
        found[key] = picture
    return found
