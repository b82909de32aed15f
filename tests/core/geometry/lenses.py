"""Lenses that several test files look through."""

import json
import math
from pathlib import Path

import numpy as np

from projects.OneOcc.core.geometry import EquirectCamera, OCamCalib, TaylorCamera

DATA = Path(__file__).parents[2] / 'data/cameras'
REFERENCE = json.loads((DATA / 'reference_vectors.json').read_text())
# A PAL looking straight down: image right is ego right, image up is ego forward.
DOWN_FROM_EGO = np.array([[0.0, -1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])


def pal() -> TaylorCamera:
    """A real annular lens: 160..470 px of 1280x960."""
    return TaylorCamera.from_ocamcalib(DATA / 'calib_results_pal_1216.txt', radius_range=(160, 470))


def skewed() -> TaylorCamera:
    """A lens with a strong affine part, off-centre, so that a dropped or swapped term shows."""
    return TaylorCamera(
        (120.0, -70.0, 4.0, -2.0), (91.5, 77.25), ((1.1, 0.06), (-0.04, 0.95)), 200, 160, radius_range=(25, 60)
    )


def band() -> EquirectCamera:
    """A panorama of the elevations that the PAL sees when it looks down."""
    return EquirectCamera(96, 20, math.radians(-52), math.radians(21))


def ocam(name: str) -> OCamCalib:
    """A camera of the reference file in OCamCalib's conventions."""
    c = REFERENCE[name]
    return OCamCalib(
        tuple(c['ss']),
        tuple(c['invpol']),
        (c['xc_row'], c['yc_col']),
        (c['c'], c['d'], c['e']),
        c['height'],
        c['width'],
    )
