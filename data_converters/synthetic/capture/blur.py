"""Motion blur by smearing a finished picture along the paths that its points take during the
exposure."""

from __future__ import annotations

import numpy as np
import torch

from data_converters.synthetic.tracing.jit import kernel
from projects.OneOcc.core.geometry import OmniCamera

TAPS = 7
FAR = 200.0


def smear(
    image: np.ndarray,
    camera: OmniCamera,
    index: np.ndarray,
    rays: np.ndarray,
    ranges: np.ndarray,
    pose: np.ndarray,
    pose_end: np.ndarray,
) -> np.ndarray:
    """Average (H, W, 3) float32 radiance along each pixel's motion from `pose` to `pose_end`
    (world_from_cam).

    The exposure is centred on `pose`; the motion in the picture follows from camera, range and
    pose, so near things smear more under translation. Pixels whose path leaves the picture stay
    sharp.
    """
    end_from_start = np.linalg.inv(pose_end) @ pose
    points = rays * np.minimum(ranges, FAR)[:, None]
    moved = points @ end_from_start[:3, :3].T + end_from_start[:3, 3]
    start, _ = camera.project(torch.from_numpy(points.astype(np.float32)))
    end, seen = camera.project(torch.from_numpy(moved.astype(np.float32)))
    shift = (end - start).numpy()
    if camera.periodic:
        shift[:, 0] -= camera.width * np.round(shift[:, 0] / camera.width)
    shift[~seen.numpy()] = 0
    valid = np.zeros(image.shape[:2], bool)
    valid.ravel()[index] = True
    out = image.copy()
    _average(image, valid, index, shift, camera.periodic, out)
    return out


@kernel
def _average(
    image: np.ndarray, valid: np.ndarray, index: np.ndarray, shift: np.ndarray, periodic: bool, out: np.ndarray
) -> None:
    """Means of image (H, W, 3) along `shift` (N, 2) px of the pixels `index` (N,), into out; `valid` (H, W)."""
    height, width = valid.shape
    for n in range(len(index)):
        row, column = index[n] // width, index[n] % width
        length = abs(shift[n, 0]) + abs(shift[n, 1])
        if length < 0.6 or length > 0.2 * width:
            continue
        r = g = b = 0.0
        count = 0
        for k in range(TAPS):
            part = (k + 0.5) / TAPS - 0.5
            i = int(round(row + part * shift[n, 1]))
            j = int(round(column + part * shift[n, 0]))
            if periodic:
                j %= width
            if 0 <= i < height and 0 <= j < width and valid[i, j]:
                r += image[i, j, 0]
                g += image[i, j, 1]
                b += image[i, j, 2]
                count += 1
        if count:
            out[row, column, 0] = r / count
            out[row, column, 1] = g / count
            out[row, column, 2] = b / count
