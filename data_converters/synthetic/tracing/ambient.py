"""Ambient light on the ground: the share of open sky that each spot sees past everything that
stands still."""

import math

from data_converters.synthetic.tracing import ground as gr
from data_converters.synthetic.tracing.jit import kernel
from data_converters.synthetic.tracing.raycast import _holder, trace

STRIDE = 2
RAYS = 16
REACH = 22.0


@kernel
def _share_at(g, x, y):
    """Cosine-weighted open share of the sky at knee height above (x, y)."""
    z = gr.height_at(g.ground, x, y) + 0.3
    count = g.ceiling.shape[0]
    ix = min(count - 1, max(0, int((x - g.origin) / g.cell)))
    iy = min(count - 1, max(0, int((y - g.origin) / g.cell)))
    if z < g.ceiling[ix, iy] and _holder(g, g.still, ix * count + iy, x, y, z) >= 0:
        return 0.0
    open_rays = 0
    for k in range(RAYS):
        # equal shares of the cosine-weighted hemisphere: sin^2 of the zenith angle is uniform
        radius = math.sqrt((k + 0.5) / RAYS)
        azimuth = 2.399963 * k
        _, hit = trace(
            g,
            x,
            y,
            z,
            radius * math.cos(azimuth),
            radius * math.sin(azimuth),
            math.sqrt(1 - radius * radius),
            REACH,
            True,
        )
        open_rays += hit < 0
    return open_rays / RAYS


@kernel
def sky_shares(g, out):
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
