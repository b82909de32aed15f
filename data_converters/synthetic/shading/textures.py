"""Colours of solids, evaluated where a ray meets them: leaves, bark, car paint, glass, cloth,
masonry.

Every function takes the spot and the look of `surface` and, where it needs the solid's size, the table of solids
(P, COLUMNS) and the index i; it returns the finish.
"""

from __future__ import annotations

import math

import numpy as np

from data_converters.synthetic.shading.facades import facade, roof
from data_converters.synthetic.shading.noise import detail, lattice, noise2, noise3, pulse, ramp
from data_converters.synthetic.shading.surface import Finish, Look, Paint, Spot, covered, matt, toned
from data_converters.synthetic.tracing.jit import kernel
from data_converters.synthetic.tracing.shapes import HX, HY, HZ, TAPER_X, TAPER_Y
from data_converters.synthetic.tracing.solids import (
    BARK,
    BODY,
    CABIN,
    CARGO,
    CLOTH,
    COACH,
    FACADE,
    HEDGE,
    LAMP,
    LEAVES,
    MASONRY,
    METAL,
    ROOF,
    TYRE,
)


@kernel
def _leaves(spot: Spot, look: Look, fine: float) -> Finish:
    """Foliage; `fine` > 1 has smaller leaves."""
    shift = 60 * look.seed
    x, y, z = spot.point.x + 7 * look.seed, spot.point.y, spot.point.z
    coarse = noise3(2.2 * x + shift, 2.2 * y, 2.2 * z, 41)
    tuft = noise3(6 * fine * x + shift, 6 * fine * y, 6 * fine * z, 42)
    leaf = noise3(19 * fine * x, 19 * fine * y + shift, 19 * fine * z, 43)
    tone = (
        0.45
        + 0.5 * coarse
        + (1.5 * (tuft - 0.5) * detail(0.16 / fine, spot.foot) + 1.1 * (leaf - 0.5) * detail(0.05 / fine, spot.foot))
    )
    tone = max(0.12, tone)
    yellow = 0.25 * (coarse - 0.5)
    return Finish(look.red * tone * (1 + yellow), look.green * tone, look.blue * tone * (1 - yellow), 0.0, 0.0, 1.0)


@kernel
def _bark(spot: Spot, look: Look) -> Finish:
    """Ridges up a trunk."""
    p = spot.point
    around = math.atan2(p.y, p.x)
    ridge = noise2(7 * around + 10 * look.seed, 3.0 * p.z, 44) * 0.6 + noise2(19 * around, 9 * p.z, 45) * 0.4
    return matt(toned(look, 0.75 + 0.9 * (ridge - 0.3) * detail(0.05, spot.foot)), 0.4)


@kernel
def _body(solids: np.ndarray, i: int, spot: Spot, look: Look) -> Finish:
    """Painted body: lamps at both ends, wheel arches, a door line, a sill. aux: lamps lit (0..1), height of the
    solid's middle (m). Solid i of (P, COLUMNS)."""
    if abs(spot.normal.x) > 0.7:
        return _body_end(solids, i, spot, look)
    hx, centre, foot = solids[i, HX], look.aux1, spot.foot
    x, _, z = spot.point
    station = abs(x) - 0.62 * hx
    up = z + centre - 0.31
    arch = ramp(0.39 - math.sqrt(station * station + up * up), 0.0, 0.02)
    door = (
        pulse(x, 0.22 * hx - 0.012, 0.22 * hx + 0.012, foot) + pulse(x, -0.27 * hx - 0.012, -0.27 * hx + 0.012, foot)
    ) * detail(0.06, foot)
    tone = (1 - 0.93 * arch) * (1 - 0.55 * min(1.0, door))
    return Finish(look.red * tone, look.green * tone, look.blue * tone, 0.0, 0.45 * (1 - arch), 0.0)


@kernel
def _body_end(solids: np.ndarray, i: int, spot: Spot, look: Look) -> Finish:
    """Front with lamps and grille, or rear with lamps and number plate. Solid i of (P, COLUMNS)."""
    hy, hz = solids[i, HY], solids[i, HZ]
    x, y, z = spot.point
    foot = spot.foot
    lamp = pulse(abs(y), 0.58 * hy, 0.93 * hy, foot) * pulse(z, -0.4 * hz, 0.9 * hz, foot)
    # a car's lower half carries no lamps; a van's body is one piece
    lamp *= 1.0 if solids[i, TAPER_X] > 0 or hz > 0.4 else 0.0
    if x > 0:
        grille = pulse(abs(y), -1.0, 0.5 * hy, foot) * pulse(z, -0.7 * hz, 0.7 * hz, foot) * (1 - lamp)
        paint = covered(toned(look, 1 - 0.85 * grille), lamp, Paint(0.75, 0.75, 0.72))
        return Finish(paint.red, paint.green, paint.blue, look.aux0 * lamp * 1.6, 0.35, 0.0)
    plate = pulse(abs(y), -1.0, 0.26, foot) * pulse(z, -0.5 * hz, 0.45 * hz, foot)
    paint = covered(toned(look, 1.0), plate, Paint(0.62, 0.62, 0.58))
    paint = covered(paint, lamp, Paint(0.45, 0.02, 0.02))
    return Finish(paint.red, paint.green, paint.blue, look.aux0 * lamp * 1.2, 0.35, 0.0)


@kernel
def _cabin(solids: np.ndarray, i: int, spot: Spot, look: Look) -> Finish:
    """Windows all round with pillars, a painted roof. Solid i of (P, COLUMNS)."""
    n, p, foot = spot.normal, spot.point, spot.foot
    if n.z > 0.92:
        return Finish(look.red * 1.0, look.green * 1.0, look.blue * 1.0, 0.0, 0.4, 0.0)
    hz = solids[i, HZ]
    up = (p.z + hz) / (2 * hz)
    glass = pulse(up, 0.08, 0.88, foot / (2 * hz))
    if abs(n.y) > abs(n.x):
        half = solids[i, HX] * (1 - solids[i, TAPER_X] * up)
        along = p.x / half
        glass *= pulse(along, -0.93, 0.93, foot / half) * (1 - pulse(along, -0.06, 0.02, foot / half))
    else:
        glass *= pulse(p.y / (solids[i, HY] * (1 - solids[i, TAPER_Y] * up)), -0.9, 0.9, foot)
    paint = covered(toned(look, 1.0), glass, Paint(0.02, 0.024, 0.028))
    return Finish(paint.red, paint.green, paint.blue, 0.0, 0.4 + 0.4 * glass, 0.0)


@kernel
def _tyre(solids: np.ndarray, i: int, spot: Spot, look: Look) -> Finish:
    """A wheel seen from the side: tyre, rim, spokes. Solid i of (P, COLUMNS)."""
    x, _, z = spot.point
    rho = math.sqrt(x * x + z * z) / solids[i, HX]
    if solids[i, HY] < 0.04:
        # a bicycle wheel: rim and tyre outside, spokes (drawn, not holes) inside
        hub = 1 - ramp(rho, 0.80, 0.86)
        return Finish(look.red + hub * 0.16, look.green + hub * 0.16, look.blue + hub * 0.17, 0.0, 0.1, 0.0)
    spokes = 0.5 + 0.5 * math.cos(5 * math.atan2(z, x))
    rim = (1 - ramp(rho, 0.60, 0.66)) * (0.25 + 0.75 * ramp(spokes, 0.25, 0.45) * (1 - ramp(0.2 - rho, 0.0, 0.05)))
    paint = covered(toned(look, 1.0), rim, Paint(0.42, 0.43, 0.44))
    return Finish(paint.red, paint.green, paint.blue, 0.0, 0.2 * rim, 0.0)


@kernel
def _coach(solids: np.ndarray, i: int, spot: Spot, look: Look) -> Finish:
    """A bus: bands of windows, destination signs, wheel arches. aux0: lamps lit (0..1). Solid i of (P, COLUMNS)."""
    n, p, foot = spot.normal, spot.point, spot.foot
    if n.z > 0.9:
        return Finish(0.5, 0.5, 0.5, 0.0, 0.1, 0.0)
    up = p.z + solids[i, HZ]
    band = pulse(up, 0.85, 1.95, foot)
    if abs(n.x) > 0.7:
        across = p.y / solids[i, HY]
        glass = band * pulse(across, -0.92, 0.92, foot)
        sign = pulse(up, 2.1, 2.4, foot) * pulse(across, -0.7, 0.7, foot)
        lamp = pulse(up, 0.25, 0.5, foot) * pulse(abs(p.y) / solids[i, HY], 0.6, 0.9, foot)
        red = 1.0 if p.x > 0 else 0.15
        keep = 1 - glass
        return Finish(
            look.red * keep + 0.02 + lamp * 0.6 + sign * 0.5,
            look.green * keep + 0.02 + lamp * 0.6 * red + sign * 0.3,
            look.blue * keep + 0.02 + lamp * 0.55 * red,
            look.aux0 * (lamp * 3 + sign),
            0.3 + 0.4 * glass,
            0.0,
        )
    pane = p.x / 1.35 - math.floor(p.x / 1.35)
    glass = band * pulse(pane, 0.05, 0.95, foot / 1.35)
    stripe = pulse(up, 0.45, 0.62, foot)
    station = abs(p.x) - 0.6 * solids[i, HX]
    arch = ramp(0.62 - math.sqrt(station * station + up * up), 0.0, 0.02)
    tone = (1 - 0.9 * arch) * (1 - 0.6 * stripe)
    return Finish(
        look.red * tone * (1 - glass) + 0.025,
        look.green * tone * (1 - glass) + 0.025,
        look.blue * tone * (1 - glass) + 0.03,
        look.aux0 * glass * 0.25,
        0.25 + 0.5 * glass,
        0.0,
    )


@kernel
def _cargo(solids: np.ndarray, i: int, spot: Spot, look: Look) -> Finish:
    """A box body with ribs and, on its flanks, a firm's colour. Solid i of (P, COLUMNS)."""
    p, foot = spot.point, spot.foot
    rib = p.x / 0.6 - math.floor(p.x / 0.6)
    tone = 1 - 0.12 * (1 - pulse(rib, 0.03, 0.97, foot / 0.6)) * detail(0.2, foot)
    logo = 0.0
    if abs(spot.normal.y) > 0.7:
        logo = pulse(p.x / solids[i, HX], -0.55, 0.35, foot) * pulse(p.z / solids[i, HZ], 0.0, 0.5, foot)
    hue = 6.28 * look.seed
    return Finish(
        look.red * tone * (1 - logo) + logo * (0.3 + 0.28 * math.cos(hue)),
        look.green * tone * (1 - logo) + logo * (0.3 + 0.28 * math.cos(hue - 2.1)),
        look.blue * tone * (1 - logo) + logo * (0.3 + 0.28 * math.cos(hue - 4.2)),
        0.0,
        0.15,
        0.0,
    )


@kernel
def _cloth(spot: Spot, look: Look) -> Finish:
    """Folds, and stripes on some."""
    x, y, z = spot.point
    fold = noise3(9 * x + 50 * look.seed, 9 * y, 5 * z, 46)
    tone = 0.8 + 0.4 * fold
    if look.seed < 0.18:
        stripe = 14 * z - math.floor(14 * z)
        tone *= 1 - 0.45 * pulse(stripe, 0.25, 0.75, 14 * spot.foot) * detail(0.1, spot.foot)
    return matt(toned(look, tone), 0.2)


@kernel
def _masonry(spot: Spot, look: Look) -> Finish:
    """Courses of stones with joints."""
    n, p, foot = spot.normal, spot.point, spot.foot
    along = p.y if abs(n.x) > abs(n.y) else p.x
    row = math.floor(p.z / 0.085)
    run = along / 0.24 + 0.5 * (row % 2)
    column = math.floor(run)
    tone = 0.8 + 0.4 * lattice(int(column), int(row), int(100 * look.seed)) * detail(0.2, foot)
    joint = 1 - pulse(run - column, 0.04, 0.96, foot / 0.24) * pulse(p.z / 0.085 - row, 0.10, 0.90, foot / 0.085)
    joint *= detail(0.08, foot) * 0.55
    return Finish(
        look.red * tone + joint * (0.42 - look.red),
        look.green * tone + joint * (0.41 - look.green),
        look.blue * tone + joint * (0.39 - look.blue),
        0.0,
        0.0,
        0.0,
    )


@kernel
def solid_finish(material: int, solids: np.ndarray, i: int, spot: Spot, look: Look, night: float) -> Finish:
    """Finish of solid i of (P, COLUMNS) at a spot, by its material. `night` (0..1) lights windows."""
    if material == LEAVES:
        return _leaves(spot, look, 1.0)
    if material == HEDGE:
        return _leaves(spot, look, 1.7)
    if material == FACADE:
        return facade(solids, i, spot, look, night)
    if material == ROOF:
        return roof(spot, look)
    if material == BARK:
        return _bark(spot, look)
    if material == BODY:
        return _body(solids, i, spot, look)
    if material == CABIN:
        return _cabin(solids, i, spot, look)
    if material == TYRE:
        return _tyre(solids, i, spot, look)
    if material == COACH:
        return _coach(solids, i, spot, look)
    if material == CARGO:
        return _cargo(solids, i, spot, look)
    if material == CLOTH:
        return _cloth(spot, look)
    if material == MASONRY:
        return _masonry(spot, look)
    plain = toned(look, 1.0)
    if material == LAMP:
        return Finish(plain.red, plain.green, plain.blue, 2.5 * night, 0.0, 0.0)
    if material == METAL:
        return Finish(plain.red, plain.green, plain.blue, 0.0, 0.2, 0.0)
    return matt(plain, 0.0)
