"""What textures are told about the place that a ray met, and what they answer."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from data_converters.synthetic.tracing.jit import kernel
from data_converters.synthetic.tracing.vectors import Vector

# columns of a scene's looks (P, 7) float32
LOOK_MATERIAL, LOOK_RED, LOOK_GREEN, LOOK_BLUE, LOOK_SEED, LOOK_AUX0, LOOK_AUX1 = range(7)
LOOK_COLOUR = slice(LOOK_RED, LOOK_SEED)


class Spot(NamedTuple):
    """The place: point (m) and unit normal in the solid's own frame, width of the pixel on the surface (m)."""

    point: Vector
    normal: Vector
    foot: float


class Look(NamedTuple):
    """Base colour, a seed in [0, 1) and two numbers whose meaning the material defines; float32."""

    red: float
    green: float
    blue: float
    seed: float
    aux0: float
    aux1: float


class Finish(NamedTuple):
    """Colour of a spot, linear; glow (own light, added as glow * colour), gloss (0..1, mirrors the sky), bump (how
    uneven the surface is); float64."""

    red: float
    green: float
    blue: float
    glow: float
    gloss: float
    bump: float


class Paint(NamedTuple):
    """A colour r, g, b, linear; float64."""

    red: float
    green: float
    blue: float


@kernel
def look_of(looks: np.ndarray, i: int) -> Look:
    """Look of solid i of looks (P, 7)."""
    return Look(
        looks[i, LOOK_RED],
        looks[i, LOOK_GREEN],
        looks[i, LOOK_BLUE],
        looks[i, LOOK_SEED],
        looks[i, LOOK_AUX0],
        looks[i, LOOK_AUX1],
    )


@kernel
def matt(paint: Paint, bump: float) -> Finish:
    """A finish that neither shines nor mirrors."""
    return Finish(paint.red, paint.green, paint.blue, 0.0, 0.0, bump)


@kernel
def toned(look: Look, tone: float) -> Paint:
    """The look's own colour, `tone` times as bright."""
    return Paint(look.red * tone, look.green * tone, look.blue * tone)


@kernel
def covered(under: Paint, cover: float, over: Paint) -> Paint:
    """`over` laid on `under` where cover = 1, blended where it is between 0 and 1."""
    return Paint(
        under.red + cover * (over.red - under.red),
        under.green + cover * (over.green - under.green),
        under.blue + cover * (over.blue - under.blue),
    )
