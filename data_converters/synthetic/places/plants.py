"""Trees, shrubs and hedges. Crowns are solid lumps of several ellipsoids: what a LiDAR sees of
them."""

from __future__ import annotations

import math

import numpy as np

from data_converters.synthetic.tracing.solids import BARK, HEDGE, LEAVES, SolidLook, Solids


def leaf_colour(rng: np.random.Generator, season: float) -> tuple:
    """A foliage colour; `season` 0 = high summer, 1 = autumn."""
    green = np.array((0.125, 0.215, 0.055)) * rng.uniform(0.7, 1.5) * rng.uniform(0.88, 1.12, 3)
    autumn = np.array(((0.36, 0.17, 0.04), (0.33, 0.25, 0.05), (0.27, 0.09, 0.04))[rng.integers(3)])
    share = np.clip(season * rng.uniform(0.3, 1.3), 0, 1)
    return tuple(green * (1 - share) + autumn * share)


def broadleaf(rng: np.random.Generator, height: float, colour: tuple[float, float, float], trunk: float) -> np.ndarray:
    """A deciduous tree: trunk of `trunk` metres below the crown, a core and a shell of lumps. Rows (P, WIDTH)."""
    s = Solids()
    girth = 0.022 * height * rng.uniform(0.8, 1.3) + 0.05
    bark = tuple(np.array((0.16, 0.12, 0.09)) * rng.uniform(0.7, 1.6))
    look = SolidLook(material=BARK, colour=bark, seed=float(rng.random()))
    s.cone((0, 0, -0.3), girth * 1.15, trunk + 0.30 * (height - trunk) + 0.3, 0.5, **look)
    s.cone((0, 0, -0.2), girth * 1.9, 0.45, 0.55, **look)
    half = (height - trunk) / 2
    spread = half * rng.uniform(0.62, 0.95)
    middle = trunk + half
    leaves = SolidLook(material=LEAVES, aux=(trunk, height))
    s.ellipsoid(
        (0, 0, middle),
        (spread * 0.74, spread * 0.74, half * 0.80),
        colour=colour,
        seed=float(rng.random()),
        **leaves,
    )
    lumps = int(rng.integers(30, 42))
    for k in range(lumps):
        azimuth = 2.399963 * k + rng.uniform(-0.4, 0.4)
        z = -0.80 + 1.72 * (k + 0.5) / lumps
        ring = math.sqrt(max(0.0, 1 - z * z)) * rng.uniform(0.66, 0.92)
        size = spread * rng.uniform(0.17, 0.31)
        tint = tuple(np.array(colour) * rng.uniform(0.8, 1.2))
        s.ellipsoid(
            (
                ring * spread * math.cos(azimuth),
                ring * spread * math.sin(azimuth),
                middle + z * half * 0.72,
            ),
            (size, size * rng.uniform(0.8, 1.1), size * rng.uniform(0.65, 0.9)),
            yaw=azimuth,
            colour=tint,
            seed=float(rng.random()),
            **leaves,
        )
    return s.rows()


def conifer(rng: np.random.Generator, height: float, colour: tuple[float, float, float]) -> np.ndarray:
    """A spruce: stacked cones. Rows (P, WIDTH)."""
    s = Solids()
    colour = tuple(np.array(colour) * np.array((0.6, 0.75, 0.9)))
    s.cone((0, 0, -0.3), 0.03 * height, height * 0.5, 0.4, material=BARK, colour=(0.14, 0.10, 0.08))
    tiers = int(rng.integers(5, 8))
    spread, foot = 0.20 * height * rng.uniform(0.8, 1.15), rng.uniform(0.25, 0.9)
    for k in range(tiers):
        low = foot + (height - foot) * 0.86 * k / tiers
        tall = (height - foot) / tiers * 1.75
        s.cone(
            (rng.normal(0, 0.04), rng.normal(0, 0.04), low),
            spread * (1 - k / (tiers + 0.4)),
            min(tall, height - low),
            0.92,
            material=LEAVES,
            colour=tuple(np.array(colour) * rng.uniform(0.85, 1.15)),
            seed=float(rng.random()),
            aux=(foot, height),
        )
    return s.rows()


def shrub(rng: np.random.Generator, size: float, colour: tuple[float, float, float]) -> np.ndarray:
    """A bush of a few lumps, `size` metres across. Rows (P, WIDTH)."""
    s = Solids()
    for _ in range(int(rng.integers(2, 5))):
        r = size * rng.uniform(0.28, 0.45)
        x, y = rng.uniform(-0.25, 0.25, 2) * size
        s.ellipsoid(
            (x, y, r * 0.55),
            (r, r * rng.uniform(0.8, 1.0), r * rng.uniform(0.7, 1.0)),
            yaw=rng.uniform(0, 3),
            material=LEAVES,
            colour=tuple(np.array(colour) * rng.uniform(0.8, 1.25)),
            seed=float(rng.random()),
            aux=(0.0, size),
        )
    return s.rows()


def hedge(
    rng: np.random.Generator, length: float, width: float, height: float, colour: tuple[float, float, float]
) -> np.ndarray:
    """A clipped hedge along x, in uneven pieces. Rows (P, WIDTH)."""
    s = Solids()
    pieces = max(1, round(length / 1.3))
    for k in range(pieces):
        x = (k + 0.5) / pieces * length - length / 2
        tall = height * rng.uniform(0.93, 1.05)
        s.box(
            (x, rng.normal(0, 0.02), tall / 2 - 0.25),
            (length / pieces / 2 + 0.02, width / 2 * rng.uniform(0.93, 1.05), tall / 2 + 0.25),
            yaw=rng.normal(0, 0.015),
            material=HEDGE,
            colour=tuple(np.array(colour) * rng.uniform(0.9, 1.1)),
            seed=float(rng.random()),
            aux=(0.0, tall),
            taper=(0.0, 0.12),
        )
    return s.rows()
