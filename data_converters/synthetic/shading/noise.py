"""Hash and value noise for procedural textures; soft edges that widen with the pixel's
footprint."""

from __future__ import annotations

import math

from data_converters.synthetic.tracing.jit import kernel


@kernel
def lattice(i: int, j: int, k: int) -> float:
    """A number in [0, 1) that belongs to a lattice point."""
    h = (i * 374761393 + j * 668265263 + k * 1274126177) & 0xFFFFFFFF
    h = ((h ^ (h >> 13)) * 1274126177) & 0xFFFFFFFF
    h = ((h ^ (h >> 16)) * 668265263) & 0xFFFFFFFF
    return (h ^ (h >> 15)) / 4294967296.0


@kernel
def noise2(x: float, y: float, k: int) -> float:
    """Smooth noise in [0, 1] over the plane; `k` picks the layer."""
    fx, fy = math.floor(x), math.floor(y)
    i, j = int(fx), int(fy)
    u, v = x - fx, y - fy
    u = u * u * (3 - 2 * u)
    v = v * v * (3 - 2 * v)
    low = lattice(i, j, k) * (1 - u) + lattice(i + 1, j, k) * u
    high = lattice(i, j + 1, k) * (1 - u) + lattice(i + 1, j + 1, k) * u
    return low * (1 - v) + high * v


@kernel
def noise3(x: float, y: float, z: float, k: int) -> float:
    """Smooth noise in [0, 1] in space."""
    fz = math.floor(z)
    w = z - fz
    w = w * w * (3 - 2 * w)
    layer = int(fz) * 57 + k
    return noise2(x, y, layer) * (1 - w) + noise2(x, y, layer + 57) * w


@kernel
def clouds2(x: float, y: float, k: int) -> float:
    """Four octaves of noise, in [0, 1]."""
    return (
        0.5 * noise2(x, y, k)
        + 0.25 * noise2(2.1 * x, 2.1 * y, k + 1)
        + 0.15 * noise2(4.3 * x, 4.3 * y, k + 2)
        + 0.1 * noise2(8.7 * x, 8.7 * y, k + 3)
    )


@kernel
def detail(feature: float, footprint: float) -> float:
    """How much of a feature of this size (m) survives in a pixel that covers `footprint` metres: 1
    to 0."""
    return min(1.0, max(0.0, 1.6 - 1.2 * footprint / feature))


@kernel
def ramp(x: float, low: float, high: float) -> float:
    """0 at low, 1 at high, straight between; low may be the larger one."""
    return min(1.0, max(0.0, (x - low) / (high - low)))


@kernel
def pulse(x: float, low: float, high: float, soft: float) -> float:
    """1 where low < x < high, its edges `soft` wide."""
    soft = max(soft, 1e-4)
    return min(1.0, max(0.0, (x - low) / soft + 0.5)) * min(1.0, max(0.0, (high - x) / soft + 0.5))
