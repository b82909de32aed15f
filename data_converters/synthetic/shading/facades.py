"""Facades with storeys, windows, doors and shops, and tiled roofs; same interface as `textures`."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from data_converters.synthetic.shading.noise import clouds2, detail, lattice, noise2, pulse, ramp
from data_converters.synthetic.shading.surface import Finish, Look, Paint, Spot, covered, matt, toned
from data_converters.synthetic.tracing.jit import kernel
from data_converters.synthetic.tracing.shapes import HX, HY, HZ

SUNK = 0.8
BRICK, BANDS, GLASS = 1, 2, 3


class Bay(NamedTuple):
    """Where on a facade a point lies.

    Attributes:
        style: 0 plaster | BRICK | BANDS | GLASS.
        face: 0 front, 1 back, 2 and 3 the sides.
        number, width: Which bay along the face, and its width (m).
        level, storey: Which floor, and its height (m).
        u, v: Metres from the middle of the bay and above the floor.
        along, up: Metres along the face from its middle and above the street.
    """

    style: int
    face: int
    number: int
    width: float
    level: int
    storey: float
    u: float
    v: float
    along: float
    up: float


@kernel
def roof(spot: Spot, look: Look) -> Finish:
    """Tiles in courses along the slope."""
    n, (x, y, z) = spot.normal, spot.point
    along = y if abs(n.x) > abs(n.y) else x
    row = math.floor(z / 0.17)
    run = along / 0.28 + 0.5 * (row % 2)
    column = math.floor(run)
    keep = detail(0.25, spot.foot)
    tone = 1 + keep * (0.35 * (lattice(int(column), int(row), 61) - 0.5) - 0.35 * (1 - ramp(z / 0.17 - row, 0.0, 0.3)))
    tone *= 0.75 + 0.5 * noise2(0.5 * along + 9 * look.seed, 1.2 * z, 62)
    return matt(toned(look, tone), 0.0)


@kernel
def _wall(bay: Bay, look: Look, foot: float) -> Paint:
    """The wall between the windows: plaster with stains, bricks, or concrete panels."""
    along, up = bay.along, bay.up
    stain = clouds2(0.35 * along + 40 * look.seed, 0.22 * up, 63)
    tone = 0.86 + 0.28 * stain + 0.14 * (noise2(9 * along, 9 * up, 64) - 0.5) * detail(0.1, foot)
    tone *= 0.72 + 0.28 * ramp(up, -0.1, 0.9)
    if bay.style == BRICK:
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
        return Paint(
            look.red * tone + joint * (0.45 - look.red),
            look.green * tone + joint * (0.44 - look.green),
            look.blue * tone + joint * (0.42 - look.blue),
        )
    if bay.style == BANDS:
        run = along / 2.4
        tone *= 1 - 0.3 * (1 - pulse(run - math.floor(run), 0.01, 0.99, foot / 2.4)) * detail(0.12, foot)
    return toned(look, tone)


@kernel
def _window(bay: Bay, shop: bool, foot: float) -> tuple[float, float]:
    """Cover (0..1) of glass and of frame; `shop`: behind this window is one."""
    half, low, high = 0.5 * min(1.3, 0.55 * bay.width), 0.85, min(2.3, bay.storey - 0.45)
    if bay.style == BANDS:
        half, low, high = 0.5 * bay.width, 0.9, bay.storey - 0.75
    elif bay.style == GLASS:
        half, low, high = 0.5 * bay.width, 0.12, bay.storey - 0.05
    elif shop:
        half, low, high = 0.44 * bay.width, 0.35, 2.5
    pane = pulse(bay.u, -half, half, foot) * pulse(bay.v, low, high, foot)
    inner = pulse(bay.u, -half + 0.07, half - 0.07, foot) * pulse(bay.v, low + 0.07, high - 0.07, foot)
    bar = 1 - 0.8 * pulse(bay.u, -0.03, 0.03, foot) * detail(0.12, foot)
    glass = inner * bar
    return glass, max(0.0, pane - glass)


@kernel
def _room(bay: Bay, key: int, salt: int) -> Paint:
    """What is seen through window `key` of a floor: dim room, pale curtain or blind."""
    dice = lattice(key, bay.level, salt + 1)
    depth = 0.03 + 0.03 * lattice(key, bay.level, salt + 2)
    if bay.style != GLASS and dice < 0.35:
        blind = ramp(bay.v - bay.storey * (0.35 + 0.5 * dice), 0.0, 0.05)
        return Paint(depth + 0.38 * blind, depth + 0.36 * blind, depth + 0.32 * blind)
    if bay.style != GLASS and dice < 0.6:
        fold = 0.5 + 0.5 * math.cos(40 * bay.u)
        side = ramp(abs(bay.u) - 0.25, 0.0, 0.08) * (0.22 + 0.12 * fold)
        return Paint(depth + side, depth + 0.95 * side, depth + 0.85 * side)
    return Paint(depth, depth * 1.05, depth * 1.15)


@kernel
def _lit_room(bay: Bay, key: int) -> Paint:
    """The same with a lamp on."""
    warmth = 0.35 + 0.65 * lattice(key, bay.level, 9)
    shine = (0.25 + 0.35 * ramp(bay.v, 0.3, bay.storey)) * (0.6 + 0.4 * math.cos(1.7 * bay.u))
    return Paint(shine, shine * (0.86 - 0.18 * warmth), shine * (0.66 - 0.36 * warmth))


@kernel
def _bay_of(solids: np.ndarray, i: int, spot: Spot, look: Look) -> Bay:
    """Bay of a spot on a wall of solid i of (P, COLUMNS); aux0 % 10 is the height of a storey, aux1 about the width
    of a bay, aux0 // 10 the style."""
    n, p = spot.normal, spot.point
    style = int(look.aux0 // 10)
    storey = look.aux0 - 10 * style
    sideways = abs(n.x) > abs(n.y)
    half = solids[i, HY] if sideways else solids[i, HX]
    along = p.y if sideways else p.x
    face = (2 if n.x > 0 else 3) if sideways else (0 if n.y < 0 else 1)
    up = p.z + solids[i, HZ] - SUNK
    bays = max(1, int(round(2 * half / look.aux1)))
    width = 2 * half / bays
    number = min(bays - 1, max(0, int((along + half) / width)))
    u = along + half - (number + 0.5) * width
    level = int(math.floor(up / storey))
    return Bay(style, face, number, width, level, storey, u, up - level * storey, along, up)


@kernel
def facade(solids: np.ndarray, i: int, spot: Spot, look: Look, night: float) -> Finish:
    """Finish of a house, solid i of (P, COLUMNS); `night` (0..1) lights some of its windows."""
    foot, seed = spot.foot, look.seed
    if spot.normal.z > 0.5:
        tone = 0.8 + 0.4 * noise2(2 * spot.point.x, 2 * spot.point.y, 66)
        return Finish(0.30 * tone, 0.29 * tone, 0.28 * tone, 0.0, 0.0, 0.0)
    bay = _bay_of(solids, i, spot, look)
    old = bay.style < BANDS
    wall = _wall(bay, look, foot)
    roof_line = 2 * solids[i, HZ] - SUNK
    if bay.up < 0 or (bay.level + 1) * bay.storey > roof_line + 0.2 or (bay.face >= 2 and old and seed > 0.65):
        return matt(wall, 0.0)
    salt = int(1000 * seed)
    shop = bay.face == 0 and (seed * 7.3) % 1.0 < 0.35 and old and bay.level == 0
    if bay.level == 0 and bay.face == 0 and old and lattice(bay.number, 7, salt) < 0.22:
        door = pulse(bay.u, -0.5, 0.5, foot) * pulse(bay.up, 0.0, 2.15, foot)
        hue = 6.28 * lattice(bay.number, 8, salt)
        leaf = Paint(0.16 + 0.12 * math.cos(hue), 0.14 + 0.10 * math.cos(hue - 2.1), 0.13 + 0.11 * math.cos(hue - 4.2))
        paint = covered(wall, door, leaf)
        return Finish(paint.red, paint.green, paint.blue, 0.0, 0.15 * door, 0.0)
    glass, frame = _window(bay, shop, foot)
    if shop:
        hue = 6.28 * ((seed * 91.7) % 1.0)
        board = Paint(0.28 + 0.26 * math.cos(hue), 0.28 + 0.26 * math.cos(hue - 2.1), 0.28 + 0.26 * math.cos(hue - 4.2))
        wall = covered(wall, pulse(bay.v, 2.55, 2.95, foot), board)
    pale = 0.55 if old and seed > 0.4 else 0.12
    key = bay.number + 31 * bay.face
    room = _room(bay, key, salt)
    lit = 0.0
    if night > 0 and lattice(key, bay.level, salt + 5) < 0.30 + 0.3 * shop:
        lit = night * glass
        room = _lit_room(bay, key)
    keep = 1 - glass - frame
    return Finish(
        wall.red * keep + pale * frame + room.red * glass,
        wall.green * keep + pale * frame + room.green * glass,
        wall.blue * keep + pale * frame + room.blue * glass,
        0.55 * lit,
        0.75 * glass,
        0.0,
    )
