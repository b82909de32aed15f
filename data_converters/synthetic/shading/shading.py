"""Light on what the rays met: sun with shadows, sky, lamps, mirrored sky, fog."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from data_converters.synthetic.shading.lighting import Light
from data_converters.synthetic.shading.noise import noise3, ramp
from data_converters.synthetic.shading.pavement import GroundLook, ground_finish
from data_converters.synthetic.shading.sky import sky_colour, sky_gradient
from data_converters.synthetic.shading.surface import LOOK_MATERIAL, Paint, Spot, look_of
from data_converters.synthetic.shading.textures import solid_finish
from data_converters.synthetic.tracing.ground import SKY_SHARE, Ground, cell_of, height_at, normal_at, read_field
from data_converters.synthetic.tracing.jit import kernel
from data_converters.synthetic.tracing.raycast import GROUND, SKY, Geometry, Hits, trace
from data_converters.synthetic.tracing.shapes import solid_normal, to_local, turn_to_local
from data_converters.synthetic.tracing.solids import LEAVES
from data_converters.synthetic.tracing.vectors import Ray, Vector, along, dot, row_of

SHADOW_REACH = 70.0


class Setting(NamedTuple):
    """All that shading reads.

    Attributes:
        geometry: What rays meet.
        looks: (P, 7) float32 look of each solid, columns as in `surface`.
        ground_look: Look of the ground.
        light: Sun, sky, weather.
        lamps: (L, 3) float64 places of the street lamps that are on, in the world, metres.
    """

    geometry: Geometry
    looks: np.ndarray
    ground_look: GroundLook
    light: Light
    lamps: np.ndarray


class Surface(NamedTuple):
    """A lit spot: unit normal in the world, base colour, glow, gloss, share of the sky that it sees; float64."""

    normal: Vector
    red: float
    green: float
    blue: float
    glow: float
    gloss: float
    share: float


@kernel
def _unevenness(p: Vector, n: Vector, bump: float) -> Vector:
    """Tilt the normal by noise: leaves, bark, cloth."""
    k = 0.9 * bump
    nx = n.x + k * (noise3(5 * p.x, 5 * p.y, 5 * p.z, 71) - 0.5)
    ny = n.y + k * (noise3(5 * p.x + 31, 5 * p.y, 5 * p.z, 72) - 0.5)
    nz = n.z + k * (noise3(5 * p.x, 5 * p.y + 31, 5 * p.z, 73) - 0.5)
    scale = 1 / math.sqrt(nx * nx + ny * ny + nz * nz)
    return Vector(nx * scale, ny * scale, nz * scale)


@kernel
def _lamp_light(lamps: np.ndarray, power: float, p: Vector, n: Vector, d: Vector, wet: float) -> tuple[float, float]:
    """Irradiance from street lamps (L, 3) at a point with normal n, and their glints on wet ground seen in the
    direction d."""
    total = 0.0
    glint = 0.0
    for k in range(len(lamps)):
        lx, ly, lz = lamps[k, 0] - p.x, lamps[k, 1] - p.y, lamps[k, 2] - p.z
        d2 = lx * lx + ly * ly + lz * lz
        if d2 > 900:
            continue
        distance = math.sqrt(d2)
        facing = (n.x * lx + n.y * ly + n.z * lz) / distance
        if lz > 0:
            total += (0.15 + 0.85 * max(0.0, facing)) * 2.6 / (d2 + 3.0) * (0.35 + 0.65 * lz / distance)
        if wet > 0:
            # mirror of the view ray in a level, rough surface: long streaks towards the viewer
            match = max(0.0, (d.x * lx + d.y * ly - d.z * lz) / distance)
            glint += wet * match**60 * 8.0 / (d2 + 20.0)
    return total * power, glint * power


@kernel
def _ambient(ground: Ground, p: Vector, n: Vector) -> float:
    """Share of the sky that a surface sees, from the ground's sky share beside it and its
    height."""
    cell = cell_of(ground, p.x + 0.9 * n.x, p.y + 0.9 * n.y)
    share = read_field(ground.paint_fields, SKY_SHARE, cell)
    height = max(0.0, p.z - height_at(ground, p.x, p.y))
    share += (1 - share) * ramp(height, 0.0, 9.0)
    contact = 0.65 + 0.35 * ramp(height, 0.0, 0.5)
    return share * contact * (0.62 + 0.38 * n.z)


@kernel
def _fog(light: Light, paint: Paint, distance: float) -> Paint:
    """What is left of a colour after `distance` metres of air."""
    clear = math.exp(-light.fog * distance)
    return Paint(
        paint.red * clear + light.fog_colour[0] * (1 - clear),
        paint.green * clear + light.fog_colour[1] * (1 - clear),
        paint.blue * clear + light.fog_colour[2] * (1 - clear),
    )


@kernel
def _ground_surface(setting: Setting, p: Vector, foot: float) -> Surface:
    """The ground at a point; `foot` is the width of the pixel there (m)."""
    ground, wet = setting.geometry.ground, setting.light.wet
    normal = normal_at(ground, p.x, p.y)
    look = ground_finish(ground, setting.ground_look, p.x, p.y, foot)
    dark = 1 - 0.45 * wet * look.wet_gloss
    return Surface(
        normal,
        look.red * dark,
        look.green * dark,
        look.blue * dark,
        0.0,
        0.55 * wet * look.wet_gloss,
        0.25 + 0.75 * look.sky,
    )


@kernel
def _solid_surface(setting: Setting, i: int, p: Vector, foot: float) -> Surface:
    """Solid i at a point; `foot` is the width of the pixel there (m)."""
    g = setting.geometry
    normal = solid_normal(g.shapes[i], g.solids, i, p)
    spot = Spot(to_local(g.solids, i, p), turn_to_local(g.solids, i, normal), foot)
    material, look = int(setting.looks[i, LOOK_MATERIAL]), look_of(setting.looks, i)
    finish = solid_finish(material, g.solids, i, spot, look, setting.light.windows)
    share = _ambient(g.ground, p, normal)
    if material == LEAVES:
        inner = ramp(p.z - height_at(g.ground, p.x, p.y), look.aux0, look.aux1)
        share *= 0.55 + 0.6 * inner
    if finish.bump > 0:
        normal = _unevenness(p, normal, finish.bump)
    return Surface(normal, finish.red, finish.green, finish.blue, finish.glow, finish.gloss, share)


@kernel
def _in_shadow(g: Geometry, p: Vector, n: Vector, d: Vector, sun: Vector) -> bool:
    """Does a solid hide the sun from a point with normal n that is seen in the direction d?"""
    lift = 2e-3
    start = Vector(p.x + lift * n.x - lift * d.x, p.y + lift * n.y - lift * d.y, p.z + lift * n.z - lift * d.z)
    _, blocker = trace(g, Ray(start, sun), SHADOW_REACH, True)
    return blocker >= 0


@kernel
def _radiance(setting: Setting, ray: Ray, t: float, i: int, angle: float) -> Paint:
    """Radiance that arrives along one ray from what it met, i, at t metres; `angle`: radians per pixel."""
    light, d = setting.light, ray.direction
    if i == SKY:
        return _fog(light, sky_colour(light, d), 300.0 * (1 - ramp(d.z, 0.0, 0.6)))
    p = along(ray, t)
    if i == GROUND:
        slant = max(0.08, abs(d.z))
    else:
        geometry = setting.geometry
        slant = max(0.15, abs(dot(solid_normal(geometry.shapes[i], geometry.solids, i, p), d)))
    foot = angle * t / math.sqrt(slant)
    s = _ground_surface(setting, p, foot) if i == GROUND else _solid_surface(setting, i, p, foot)
    n = s.normal
    towards = Vector(light.sun[0], light.sun[1], light.sun[2])
    sun = dot(n, towards)
    if sun <= 0 or light.sun_colour[0] <= 0.02 or _in_shadow(setting.geometry, p, n, d, towards):
        sun = 0.0
    # light from the sky above and, weaker, from the sunlit ground below
    up = 0.5 + 0.5 * n.z
    lamp, glint = _lamp_light(setting.lamps, light.lamps, p, n, d, light.wet if i == GROUND else 0.0)
    carried = light.carried * max(0.0, -dot(n, d)) * 14.0 / (t * t + 6.0)
    sky_r = (
        s.share * (light.zenith[0] * 0.4 + light.horizon[0] * 0.6) * (0.35 + 0.65 * up)
        + 0.06 * (1 - up) * light.sun_colour[0]
    )
    sky_g = (
        s.share * (light.zenith[1] * 0.4 + light.horizon[1] * 0.6) * (0.35 + 0.65 * up)
        + 0.06 * (1 - up) * light.sun_colour[1]
    )
    sky_b = (
        s.share * (light.zenith[2] * 0.4 + light.horizon[2] * 0.6) * (0.35 + 0.65 * up)
        + 0.05 * (1 - up) * light.sun_colour[2]
    )
    out = Paint(
        s.red * (sky_r + sun * light.sun_colour[0] + lamp * 1.0 + carried) + s.glow * s.red + glint,
        s.green * (sky_g + sun * light.sun_colour[1] + lamp * 0.80 + carried) + s.glow * s.green + 0.8 * glint,
        s.blue * (sky_b + sun * light.sun_colour[2] + lamp * 0.52 + carried) + s.glow * s.blue + 0.5 * glint,
    )
    if s.gloss > 0:
        out = _mirrored(light, out, s, d)
    return _fog(light, out, t)


@kernel
def _mirrored(light: Light, paint: Paint, s: Surface, d: Vector) -> Paint:
    """Add what a glossy surface, seen in the direction d, mirrors of the sky."""
    n = s.normal
    slope = dot(d, n)
    # coated panes mirror more than paint or water does
    floor = 0.05 + 0.25 * ramp(s.gloss, 0.55, 0.75)
    fresnel = s.gloss * (floor + (1 - floor) * max(0.0, 1 + slope) ** 5)
    sky = sky_gradient(light, Vector(d.x - 2 * slope * n.x, d.y - 2 * slope * n.y, d.z - 2 * slope * n.z))
    gain = fresnel * (0.25 + 0.75 * s.share)
    return Paint(paint.red + gain * sky.red, paint.green + gain * sky.green, paint.blue + gain * sky.blue)


@kernel
def shade_all(
    setting: Setting, origin: Vector, directions: np.ndarray, hits: Hits, angle: float, out: np.ndarray
) -> None:
    """Radiance of N rays from one origin in unit directions (N, 3), into out (N, 3) float32. `hits`: what they
    met; `angle`: radians per pixel."""
    for k in range(len(directions)):
        paint = _radiance(setting, Ray(origin, row_of(directions, k)), hits.ranges[k], hits.solids[k], angle)
        out[k, 0] = paint.red
        out[k, 1] = paint.green
        out[k, 2] = paint.blue
