"""Facades with storeys, windows, doors and shops, and tiled roofs; same interface as `textures`."""

import math

from data_converters.synthetic.shading.noise import clouds2, detail, lattice, noise2, pulse, ramp
from data_converters.synthetic.tracing.jit import kernel

SUNK = 0.8
BRICK, BANDS, GLASS = 1, 2, 3


@kernel
def roof(x, y, z, nx, ny, r, g, b, seed, foot):
    """Tiles in courses along the slope."""
    along = y if abs(nx) > abs(ny) else x
    row = math.floor(z / 0.17)
    run = along / 0.28 + 0.5 * (row % 2)
    column = math.floor(run)
    keep = detail(0.25, foot)
    tone = 1 + keep * (0.35 * (lattice(int(column), int(row), 61) - 0.5) - 0.35 * (1 - ramp(z / 0.17 - row, 0.0, 0.3)))
    tone *= 0.75 + 0.5 * noise2(0.5 * along + 9 * seed, 1.2 * z, 62)
    return r * tone, g * tone, b * tone, 0.0, 0.0, 0.0


@kernel
def _wall(style, along, up, r, g, b, seed, foot):
    """The wall between the windows: plaster with stains, bricks, or concrete panels."""
    stain = clouds2(0.35 * along + 40 * seed, 0.22 * up, 63)
    tone = 0.86 + 0.28 * stain + 0.14 * (noise2(9 * along, 9 * up, 64) - 0.5) * detail(0.1, foot)
    tone *= 0.72 + 0.28 * ramp(up, -0.1, 0.9)
    if style == BRICK:
        row = math.floor(up / 0.09)
        run = along / 0.25 + 0.5 * (row % 2)
        column = math.floor(run)
        keep = detail(0.16, foot)
        tone *= 1 + keep * 0.5 * (lattice(int(column), int(row), 65) - 0.5)
        joint = (
            (1 - pulse(run - column, 0.04, 0.96, foot / 0.25) * pulse(up / 0.09 - row, 0.1, 0.9, foot / 0.09))
            * detail(0.07, foot)
            * 0.5
        )
        return (
            r * tone + joint * (0.45 - r),
            g * tone + joint * (0.44 - g),
            b * tone + joint * (0.42 - b),
        )
    if style == BANDS:
        run = along / 2.4
        tone *= 1 - 0.3 * (1 - pulse(run - math.floor(run), 0.01, 0.99, foot / 2.4)) * detail(0.12, foot)
    return r * tone, g * tone, b * tone


@kernel
def _window(style, u, v, width, storey, ground_floor, shop, foot):
    """Cover (0..1) of glass and of frame at u (m from the middle of the bay), v (m above the
    floor)."""
    half, low, high = 0.5 * min(1.3, 0.55 * width), 0.85, min(2.3, storey - 0.45)
    if style == BANDS:
        half, low, high = 0.5 * width, 0.9, storey - 0.75
    elif style == GLASS:
        half, low, high = 0.5 * width, 0.12, storey - 0.05
    elif ground_floor and shop:
        half, low, high = 0.44 * width, 0.35, 2.5
    pane = pulse(u, -half, half, foot) * pulse(v, low, high, foot)
    inner = pulse(u, -half + 0.07, half - 0.07, foot) * pulse(v, low + 0.07, high - 0.07, foot)
    bar = 1 - 0.8 * pulse(u, -0.03, 0.03, foot) * detail(0.12, foot)
    glass = inner * bar
    return glass, max(0.0, pane - glass)


@kernel
def _room(bay, level, seed, style, u, v, storey):
    """What is seen through a window: dim room, pale curtain or blind. r, g, b."""
    dice = lattice(bay, level, int(1000 * seed) + 1)
    depth = 0.03 + 0.03 * lattice(bay, level, int(1000 * seed) + 2)
    if style != GLASS and dice < 0.35:
        blind = ramp(v - storey * (0.35 + 0.5 * dice), 0.0, 0.05)
        return depth + 0.38 * blind, depth + 0.36 * blind, depth + 0.32 * blind
    if style != GLASS and dice < 0.6:
        fold = 0.5 + 0.5 * math.cos(40 * u)
        side = ramp(abs(u) - 0.25, 0.0, 0.08) * (0.22 + 0.12 * fold)
        return depth + side, depth + 0.95 * side, depth + 0.85 * side
    return depth, depth * 1.05, depth * 1.15


@kernel
def facade(p, i, x, y, z, nx, ny, nz, r, g, b, seed, aux0, aux1, night, foot):
    """Storeys of height aux0 % 10, bays about aux1 wide, style aux0 // 10: plaster, brick, window
    bands, glass."""
    if nz > 0.5:
        tone = 0.8 + 0.4 * noise2(2 * x, 2 * y, 66)
        return 0.30 * tone, 0.29 * tone, 0.28 * tone, 0.0, 0.0, 0.0
    style = int(aux0 // 10)
    storey = aux0 - 10 * style
    sideways = abs(nx) > abs(ny)
    half = p[i, 4] if sideways else p[i, 3]
    along = y if sideways else x
    face = (2 if nx > 0 else 3) if sideways else (0 if ny < 0 else 1)
    up = z + p[i, 5] - SUNK
    bays = max(1, int(round(2 * half / aux1)))
    width = 2 * half / bays
    bay = min(bays - 1, max(0, int((along + half) / width)))
    u = along + half - (bay + 0.5) * width
    level = int(math.floor(up / storey))
    v = up - level * storey
    key = bay + 31 * face
    wr, wg, wb = _wall(style, along, up, r, g, b, seed, foot)
    roof_line = 2 * p[i, 5] - SUNK
    if up < 0 or (level + 1) * storey > roof_line + 0.2 or (face >= 2 and style < 2 and seed > 0.65):
        return wr, wg, wb, 0.0, 0.0, 0.0
    shop = face == 0 and (seed * 7.3) % 1.0 < 0.35 and style < 2
    if level == 0 and face == 0 and style < 2 and lattice(bay, 7, int(1000 * seed)) < 0.22:
        door = pulse(u, -0.5, 0.5, foot) * pulse(up, 0.0, 2.15, foot)
        hue = 6.28 * lattice(bay, 8, int(1000 * seed))
        dr, dg, db = (
            0.16 + 0.12 * math.cos(hue),
            0.14 + 0.10 * math.cos(hue - 2.1),
            0.13 + 0.11 * math.cos(hue - 4.2),
        )
        return (
            wr + door * (dr - wr),
            wg + door * (dg - wg),
            wb + door * (db - wb),
            0.0,
            0.15 * door,
            0.0,
        )
    glass, frame = _window(style, u, v, width, storey, level == 0, shop, foot)
    if shop and level == 0:
        board = pulse(v, 2.55, 2.95, foot)
        hue = 6.28 * ((seed * 91.7) % 1.0)
        wr += board * (0.28 + 0.26 * math.cos(hue) - wr)
        wg += board * (0.28 + 0.26 * math.cos(hue - 2.1) - wg)
        wb += board * (0.28 + 0.26 * math.cos(hue - 4.2) - wb)
    pale = 0.55 if style < 2 and seed > 0.4 else 0.12
    room_r, room_g, room_b = _room(key, level, seed, style, u, v, storey)
    lit = 0.0
    if night > 0 and lattice(key, level, int(1000 * seed) + 5) < 0.30 + 0.3 * (shop and level == 0):
        lit = night * glass
        warmth = 0.35 + 0.65 * lattice(key, level, 9)
        shine = (0.25 + 0.35 * ramp(v, 0.3, storey)) * (0.6 + 0.4 * math.cos(1.7 * u))
        room_r, room_g, room_b = (
            shine,
            shine * (0.86 - 0.18 * warmth),
            shine * (0.66 - 0.36 * warmth),
        )
    keep = 1 - glass - frame
    return (
        wr * keep + pale * frame + room_r * glass,
        wg * keep + pale * frame + room_g * glass,
        wb * keep + pale * frame + room_b * glass,
        0.55 * lit,
        0.75 * glass,
        0.0,
    )
