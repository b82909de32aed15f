"""Tables of solids: how objects are put together, placed, and handed to the ray caster.

One row per solid: shape, the eleven geometry columns of `shapes`, then class label, instance (0 =
still), material, colour (3), a seed in [0, 1) that textures draw from, and two numbers whose
meaning the material defines. An object is built once about its own origin (x forward, y left, z up
from the ground) and placed by `place`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from data_converters.synthetic.tracing.shapes import (
    BOX,
    CAPSULE,
    COLUMNS,
    CONE,
    COS,
    CX,
    CY,
    CZ,
    ELLIPSOID,
    FRUSTUM,
    HX,
    HY,
    SIN,
    WHEEL,
)

(
    PLAIN,
    FACADE,
    ROOF,
    BARK,
    LEAVES,
    HEDGE,
    BODY,
    CABIN,
    TYRE,
    CLOTH,
    METAL,
    LAMP,
    COACH,
    CARGO,
    MASONRY,
) = range(15)
SHAPE = 0
GEOMETRY = slice(1, 1 + COLUMNS)
LABEL, INSTANCE, MATERIAL, RED, GREEN, BLUE, SEED, AUX0, AUX1 = range(1 + COLUMNS, 10 + COLUMNS)
WIDTH = 10 + COLUMNS
LOOK = slice(MATERIAL, WIDTH)


# x, y, z or r, g, b
Triple = tuple[float, float, float] | np.ndarray


# keyword arguments of `Solids.add` beside place and size
SolidLook = dict[str, Any]


class Solids:
    """Grows a table of solids. Centres and half sizes in metres, yaw in radians about z; `look` names what `add` takes
    after them."""

    def __init__(self) -> None:
        self._rows: list[tuple] = []

    def add(
        self,
        shape: int,
        centre: Triple,
        half: Triple,
        yaw: float = 0.0,
        material: int = PLAIN,
        colour: Triple = (0.5, 0.5, 0.5),
        seed: float = 0.0,
        aux: tuple[float, float] = (0.0, 0.0),
        taper: tuple[float, float] = (0.0, 0.0),
        radius: float = 0.0,
        label: int = 0,
    ) -> None:
        """Append one solid."""
        self._rows.append(
            (
                shape,
                *centre,
                *half,
                np.cos(yaw),
                np.sin(yaw),
                *taper,
                radius,
                label,
                0,
                material,
                *colour,
                seed,
                *aux,
            )
        )

    def box(self, centre: Triple, half: Triple, yaw: float = 0.0, **look: Any) -> None:
        """A yaw-oriented box; with `taper=(tx, ty)` a frustum."""
        shape = FRUSTUM if any(look.get('taper', (0, 0))) else BOX
        self.add(shape, centre, half, yaw, **look)

    def cone(self, foot: Triple, radius: float, height: float, narrowing: float = 0.0, **look: Any) -> None:
        """A vertical cylinder or (truncated) cone standing on `foot`."""
        centre = (foot[0], foot[1], foot[2] + height / 2)
        self.add(CONE, centre, (radius, radius, height / 2), taper=(narrowing, 0.0), **look)

    def ellipsoid(self, centre: Triple, half: Triple, yaw: float = 0.0, **look: Any) -> None:
        """An ellipsoid with the given semi-axes."""
        self.add(ELLIPSOID, centre, half, yaw, **look)

    def capsule(self, a: Triple, b: Triple, radius: float, **look: Any) -> None:
        """A rounded rod from a to b."""
        a, b = np.asarray(a, float), np.asarray(b, float)
        self.add(CAPSULE, (a + b) / 2, (b - a) / 2, radius=radius, **look)

    def wheel(self, centre: Triple, radius: float, half_width: float, yaw: float = 0.0, **look: Any) -> None:
        """A disc standing on its tread, axle along local y."""
        self.add(WHEEL, centre, (radius, half_width, radius), yaw, **look)

    def rows(self) -> np.ndarray:
        """The table, float64 (P, WIDTH)."""
        return np.array(self._rows, dtype=np.float64).reshape(-1, WIDTH)


def place(
    rows: np.ndarray,
    x: float,
    y: float,
    z: float,
    yaw: float,
    label: int | None = None,
    instance: int = 0,
) -> np.ndarray:
    """A copy of an object's rows turned by yaw and moved to (x, y, z); sets label and instance. rows (P, WIDTH);
    metres, radians."""
    out = rows.copy()
    g = out[:, GEOMETRY]
    c, s = np.cos(yaw), np.sin(yaw)
    cx, cy = rows[:, 1 + CX], rows[:, 1 + CY]
    g[:, CX], g[:, CY] = x + c * cx - s * cy, y + s * cx + c * cy
    g[:, CZ] += z
    capsule = rows[:, SHAPE] == CAPSULE
    ax, ay = rows[:, 1 + HX], rows[:, 1 + HY]
    g[:, HX] = np.where(capsule, c * ax - s * ay, ax)
    g[:, HY] = np.where(capsule, s * ax + c * ay, ay)
    rc, rs = rows[:, 1 + COS], rows[:, 1 + SIN]
    g[:, COS] = np.where(capsule, 1.0, c * rc - s * rs)
    g[:, SIN] = np.where(capsule, 0.0, s * rc + c * rs)
    if label is not None:
        out[:, LABEL] = label
    out[:, INSTANCE] = instance
    return out
