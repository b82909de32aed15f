"""Ambient light on the ground: the share of open sky that each spot sees past everything that
stands still."""

from __future__ import annotations

import math

import numpy as np

from data_converters.synthetic.tracing import ground as gr
from data_converters.synthetic.tracing.jit import kernel
from data_converters.synthetic.tracing.raycast import Geometry, holder, trace
from data_converters.synthetic.tracing.vectors import Ray, Vector

STRIDE = 2
RAYS = 16
REACH = 22.0


@kernel
def _share_at(g: Geometry, x: float, y: float) -> float:
    """Cosine-weighted open share of the sky at knee height above (x, y)."""
    spot = Vector(x, y, gr.height_at(g.ground, x, y) + 0.3)
    origin, cell, count = g.raster
    ix = min(count - 1, max(0, int((x - origin) / cell)))
    iy = min(count - 1, max(0, int((y - origin) / cell)))
    if spot.z < g.ceiling[ix, iy] and holder(g, g.still, ix * count + iy, spot) >= 0:
        return 0.0
    open_rays = 0
    for k in range(RAYS):
        # equal shares of the cosine-weighted hemisphere: sin^2 of the zenith angle is uniform
        radius = math.sqrt((k + 0.5) / RAYS)
        azimuth = 2.399963 * k
        up = Vector(radius * math.cos(azimuth), radius * math.sin(azimuth), math.sqrt(1 - radius * radius))
        _, hit = trace(g, Ray(spot, up), REACH, True)
        open_rays += hit < 0
    return open_rays / RAYS


@kernel
def sky_shares(g: Geometry, out: np.ndarray) -> None:
    """Fill out (N, N), on the lattice of the ground fields; every STRIDE-th node is cast, the rest
    interpolated."""
    n = out.shape[0]
    step = g.ground.step
    for i in range(0, n, STRIDE):
        for j in range(0, n, STRIDE):
            out[i, j] = _share_at(g, g.ground.origin + i * step, g.ground.origin + j * step)
    for i in range(0, n, STRIDE):
        for j in range(1, n - 1, STRIDE):
            out[i, j] = 0.5 * (out[i, j - 1] + out[i, j + 1])
    for i in range(1, n - 1, STRIDE):
        for j in range(n):
            out[i, j] = 0.5 * (out[i - 1, j] + out[i + 1, j])
