"""Lenses that several test files look through."""

import json
import math
from pathlib import Path

import numpy as np

from projects.OneOcc.core.geometry import (
    DoubleSphereCamera,
    EquirectCamera,
    ExtendedUnifiedCamera,
    OCamCalib,
    PinholeCamera,
    TaylorCamera,
    UnifiedCamera,
)

DATA = Path(__file__).parents[2] / 'data/cameras'
REFERENCE = json.loads((DATA / 'reference_vectors.json').read_text())
# A PAL looking straight down: image right is ego right, image up is ego forward.
DOWN_FROM_EGO = np.array([[0.0, -1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])

# Lenses whose image circle lies inside the picture, with every kind of distortion.
PLANE_LENSES = {
    'kannala_brandt': TaylorCamera.from_kannala_brandt(
        (60.0, 62.0), (101.0, 79.0), (0.05, -0.01, 0.002, -0.0003), 200, 160, max_angle=1.2, skew=0.5
    ),
    'pinhole': PinholeCamera(
        (90.0, 92.0), (101.0, 79.0), 200, 160, (-0.3, 0.12, -1e-3, 2e-3, -0.03), skew=0.4, max_angle=0.7
    ),
    'rational': PinholeCamera(
        (90.0, 92.0), (101.0, 79.0), 200, 160, (0.1, -0.05, 1e-3, -2e-3, 0.01, 0.12, 0.02, 0.001), max_angle=0.65
    ),
    'unified': UnifiedCamera(
        (150.0, 151.0), (101.0, 79.0), 200, 160, (0.0168, 1.65, 4.2e-4, 4.2e-4), xi=2.2134, max_angle=1.57
    ),
    'double_sphere': DoubleSphereCamera((70.0, 71.0), (101.0, 79.0), 200, 160, xi=-0.2, alpha=0.6, max_angle=0.8),
    'extended_unified': ExtendedUnifiedCamera(
        (50.0, 51.0), (101.0, 79.0), 200, 160, alpha=0.6, beta=1.1, max_angle=1.5
    ),
}


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
