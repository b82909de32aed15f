"""Colours of solids, evaluated where a ray meets them: leaves, bark, car paint, glass, cloth,
masonry.

Every function takes the point in the solid's own coordinates, the local normal, the solid's look
(colour r g b, seed, aux0, aux1) and `foot`, the width of the pixel on the surface in metres. They
return r, g, b (base colour), glow (own light, added as glow * colour), gloss (0..1, mirrors the
sky) and bump (how uneven the surface is).
"""

import math

from data_converters.synthetic.shading.facades import facade, roof
from data_converters.synthetic.shading.noise import detail, lattice, noise2, noise3, pulse, ramp
from data_converters.synthetic.tracing.jit import kernel
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
def _leaves(x, y, z, r, g, b, seed, fine, foot):
    shift = 60 * seed
    coarse = noise3(2.2 * x + shift, 2.2 * y, 2.2 * z, 41)
    tuft = noise3(6 * fine * x + shift, 6 * fine * y, 6 * fine * z, 42)
    leaf = noise3(19 * fine * x, 19 * fine * y + shift, 19 * fine * z, 43)
    tone = (
        0.45
        + 0.5 * coarse
        + (1.5 * (tuft - 0.5) * detail(0.16 / fine, foot) + 1.1 * (leaf - 0.5) * detail(0.05 / fine, foot))
    )
    tone = max(0.12, tone)
    yellow = 0.25 * (coarse - 0.5)
    return r * tone * (1 + yellow), g * tone, b * tone * (1 - yellow), 0.0, 0.0, 1.0


@kernel
def _bark(x, y, z, r, g, b, seed, foot):
    around = math.atan2(y, x)
    ridge = noise2(7 * around + 10 * seed, 3.0 * z, 44) * 0.6 + noise2(19 * around, 9 * z, 45) * 0.4
    tone = 0.75 + 0.9 * (ridge - 0.3) * detail(0.05, foot)
    return r * tone, g * tone, b * tone, 0.0, 0.0, 0.4


@kernel
def _body(p, i, x, y, z, nx, r, g, b, lights, centre, foot):
    """Painted body: lamps at both ends, wheel arches, a door line, a sill."""
    hx, hy, hz = p[i, 3], p[i, 4], p[i, 5]
    if abs(nx) > 0.7:
        lamp = pulse(abs(y), 0.58 * hy, 0.93 * hy, foot) * pulse(z, -0.4 * hz, 0.9 * hz, foot)
        # a car's lower half carries no lamps; a van's body is one piece
        lamp *= 1.0 if p[i, 8] > 0 or hz > 0.4 else 0.0
        if x > 0:
            grille = pulse(abs(y), -1.0, 0.5 * hy, foot) * pulse(z, -0.7 * hz, 0.7 * hz, foot) * (1 - lamp)
            r, g, b = r * (1 - 0.85 * grille), g * (1 - 0.85 * grille), b * (1 - 0.85 * grille)
            return (
                r + lamp * (0.75 - r),
                g + lamp * (0.75 - g),
                b + lamp * (0.72 - b),
                lights * lamp * 1.6,
                0.35,
                0.0,
            )
        plate = pulse(abs(y), -1.0, 0.26, foot) * pulse(z, -0.5 * hz, 0.45 * hz, foot)
        r, g, b = r + plate * (0.62 - r), g + plate * (0.62 - g), b + plate * (0.58 - b)
        return (
            r + lamp * (0.45 - r),
            g + lamp * (0.02 - g),
            b + lamp * (0.02 - b),
            lights * lamp * 1.2,
            0.35,
            0.0,
        )
    station = abs(x) - 0.62 * hx
    up = z + centre - 0.31
    arch = ramp(0.39 - math.sqrt(station * station + up * up), 0.0, 0.02)
    door = (
        pulse(x, 0.22 * hx - 0.012, 0.22 * hx + 0.012, foot) + pulse(x, -0.27 * hx - 0.012, -0.27 * hx + 0.012, foot)
    ) * detail(0.06, foot)
    tone = (1 - 0.93 * arch) * (1 - 0.55 * min(1.0, door))
    return r * tone, g * tone, b * tone, 0.0, 0.45 * (1 - arch), 0.0


@kernel
def _cabin(p, i, x, y, z, nx, ny, nz, r, g, b, foot):
    """Windows all round with pillars, a painted roof."""
    if nz > 0.92:
        return r, g, b, 0.0, 0.4, 0.0
    up = (z + p[i, 5]) / (2 * p[i, 5])
    glass = pulse(up, 0.08, 0.88, foot / (2 * p[i, 5]))
    if abs(ny) > abs(nx):
        half = p[i, 3] * (1 - p[i, 8] * up)
        along = x / half
        glass *= pulse(along, -0.93, 0.93, foot / half) * (1 - pulse(along, -0.06, 0.02, foot / half))
    else:
        glass *= pulse(y / (p[i, 4] * (1 - p[i, 9] * up)), -0.9, 0.9, foot)
    return (
        r + glass * (0.02 - r),
        g + glass * (0.024 - g),
        b + glass * (0.028 - b),
        0.0,
        0.4 + 0.4 * glass,
        0.0,
    )


@kernel
def _tyre(p, i, x, z, r, g, b, foot):
    rho = math.sqrt(x * x + z * z) / p[i, 3]
    if p[i, 4] < 0.04:
        # a bicycle wheel: rim and tyre outside, spokes (drawn, not holes) inside
        hub = 1 - ramp(rho, 0.80, 0.86)
        return r + hub * 0.16, g + hub * 0.16, b + hub * 0.17, 0.0, 0.1, 0.0
    spokes = 0.5 + 0.5 * math.cos(5 * math.atan2(z, x))
    rim = (1 - ramp(rho, 0.60, 0.66)) * (0.25 + 0.75 * ramp(spokes, 0.25, 0.45) * (1 - ramp(0.2 - rho, 0.0, 0.05)))
    return r + rim * (0.42 - r), g + rim * (0.43 - g), b + rim * (0.44 - b), 0.0, 0.2 * rim, 0.0


@kernel
def _coach(p, i, x, y, z, nx, nz, r, g, b, lights, foot):
    if nz > 0.9:
        return 0.5, 0.5, 0.5, 0.0, 0.1, 0.0
    up = z + p[i, 5]
    band = pulse(up, 0.85, 1.95, foot)
    if abs(nx) > 0.7:
        glass = band * pulse(y / p[i, 4], -0.92, 0.92, foot)
        sign = pulse(up, 2.1, 2.4, foot) * pulse(y / p[i, 4], -0.7, 0.7, foot)
        lamp = pulse(up, 0.25, 0.5, foot) * pulse(abs(y) / p[i, 4], 0.6, 0.9, foot)
        red = 1.0 if x > 0 else 0.15
        keep = 1 - glass
        return (
            r * keep + 0.02 + lamp * 0.6 + sign * 0.5,
            g * keep + 0.02 + lamp * 0.6 * red + sign * 0.3,
            b * keep + 0.02 + lamp * 0.55 * red,
            lights * (lamp * 3 + sign),
            0.3 + 0.4 * glass,
            0.0,
        )
    pane = x / 1.35 - math.floor(x / 1.35)
    glass = band * pulse(pane, 0.05, 0.95, foot / 1.35)
    stripe = pulse(up, 0.45, 0.62, foot)
    station = abs(x) - 0.6 * p[i, 3]
    arch = ramp(0.62 - math.sqrt(station * station + up * up), 0.0, 0.02)
    tone = (1 - 0.9 * arch) * (1 - 0.6 * stripe)
    return (
        r * tone * (1 - glass) + 0.025,
        g * tone * (1 - glass) + 0.025,
        b * tone * (1 - glass) + 0.03,
        lights * glass * 0.25,
        0.25 + 0.5 * glass,
        0.0,
    )


@kernel
def _cargo(p, i, x, y, z, ny, r, g, b, seed, foot):
    rib = x / 0.6 - math.floor(x / 0.6)
    tone = 1 - 0.12 * (1 - pulse(rib, 0.03, 0.97, foot / 0.6)) * detail(0.2, foot)
    logo = 0.0
    if abs(ny) > 0.7:
        logo = pulse(x / p[i, 3], -0.55, 0.35, foot) * pulse(z / p[i, 5], 0.0, 0.5, foot)
    hue = 6.28 * seed
    return (
        r * tone * (1 - logo) + logo * (0.3 + 0.28 * math.cos(hue)),
        g * tone * (1 - logo) + logo * (0.3 + 0.28 * math.cos(hue - 2.1)),
        b * tone * (1 - logo) + logo * (0.3 + 0.28 * math.cos(hue - 4.2)),
        0.0,
        0.15,
        0.0,
    )


@kernel
def _cloth(x, y, z, r, g, b, seed, foot):
    fold = noise3(9 * x + 50 * seed, 9 * y, 5 * z, 46)
    tone = 0.8 + 0.4 * fold
    if seed < 0.18:
        stripe = 14 * z - math.floor(14 * z)
        tone *= 1 - 0.45 * pulse(stripe, 0.25, 0.75, 14 * foot) * detail(0.1, foot)
    return r * tone, g * tone, b * tone, 0.0, 0.0, 0.2


@kernel
def _masonry(x, y, z, nx, ny, r, g, b, seed, foot):
    along = y if abs(nx) > abs(ny) else x
    row = math.floor(z / 0.085)
    run = along / 0.24 + 0.5 * (row % 2)
    column = math.floor(run)
    tone = 0.8 + 0.4 * lattice(int(column), int(row), int(100 * seed)) * detail(0.2, foot)
    joint = 1 - pulse(run - column, 0.04, 0.96, foot / 0.24) * pulse(z / 0.085 - row, 0.10, 0.90, foot / 0.085)
    joint *= detail(0.08, foot) * 0.55
    return (
        r * tone + joint * (0.42 - r),
        g * tone + joint * (0.41 - g),
        b * tone + joint * (0.39 - b),
        0.0,
        0.0,
        0.0,
    )


@kernel
def solid_colour(material, p, i, x, y, z, nx, ny, nz, r, g, b, seed, aux0, aux1, night, foot):
    """Dispatch on the material; see the module's text. `night` (0..1) lights windows."""
    if material == LEAVES:
        return _leaves(x + 7 * seed, y, z, r, g, b, seed, 1.0, foot)
    if material == HEDGE:
        return _leaves(x + 7 * seed, y, z, r, g, b, seed, 1.7, foot)
    if material == FACADE:
        return facade(p, i, x, y, z, nx, ny, nz, r, g, b, seed, aux0, aux1, night, foot)
    if material == ROOF:
        return roof(x, y, z, nx, ny, r, g, b, seed, foot)
    if material == BARK:
        return _bark(x, y, z, r, g, b, seed, foot)
    if material == BODY:
        return _body(p, i, x, y, z, nx, r, g, b, aux0, aux1, foot)
    if material == CABIN:
        return _cabin(p, i, x, y, z, nx, ny, nz, r, g, b, foot)
    if material == TYRE:
        return _tyre(p, i, x, z, r, g, b, foot)
    if material == COACH:
        return _coach(p, i, x, y, z, nx, nz, r, g, b, aux0, foot)
    if material == CARGO:
        return _cargo(p, i, x, y, z, ny, r, g, b, seed, foot)
    if material == CLOTH:
        return _cloth(x, y, z, r, g, b, seed, foot)
    if material == MASONRY:
        return _masonry(x, y, z, nx, ny, r, g, b, seed, foot)
    if material == LAMP:
        return r, g, b, 2.5 * night, 0.0, 0.0
    if material == METAL:
        return r, g, b, 0.0, 0.2, 0.0
    return r, g, b, 0.0, 0.0, 0.0
