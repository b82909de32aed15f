"""Light on what the rays met: sun with shadows, sky, lamps, mirrored sky, fog."""

import math

from data_converters.synthetic.shading.noise import noise3, ramp
from data_converters.synthetic.shading.pavement import ground_colour
from data_converters.synthetic.shading.sky import sky_colour, sky_gradient
from data_converters.synthetic.shading.textures import solid_colour
from data_converters.synthetic.tracing.ground import SKY_SHARE, cell_of, height_at, normal_at, read_field
from data_converters.synthetic.tracing.jit import kernel
from data_converters.synthetic.tracing.raycast import GROUND, SKY, trace
from data_converters.synthetic.tracing.shapes import solid_normal, to_local
from data_converters.synthetic.tracing.solids import LEAVES

SHADOW_REACH = 70.0


@kernel
def _unevenness(x, y, z, nx, ny, nz, bump):
    """Tilt the normal by noise: leaves, bark, cloth."""
    k = 0.9 * bump
    nx += k * (noise3(5 * x, 5 * y, 5 * z, 71) - 0.5)
    ny += k * (noise3(5 * x + 31, 5 * y, 5 * z, 72) - 0.5)
    nz += k * (noise3(5 * x, 5 * y + 31, 5 * z, 73) - 0.5)
    scale = 1 / math.sqrt(nx * nx + ny * ny + nz * nz)
    return nx * scale, ny * scale, nz * scale


@kernel
def _lamp_light(light, lamps, x, y, z, nx, ny, nz, dx, dy, dz, wet):
    """Irradiance from street lamps, and their glints on wet ground."""
    total = 0.0
    glint = 0.0
    for k in range(len(lamps)):
        lx, ly, lz = lamps[k, 0] - x, lamps[k, 1] - y, lamps[k, 2] - z
        d2 = lx * lx + ly * ly + lz * lz
        if d2 > 900:
            continue
        d = math.sqrt(d2)
        facing = (nx * lx + ny * ly + nz * lz) / d
        if lz > 0:
            total += (0.15 + 0.85 * max(0.0, facing)) * 2.6 / (d2 + 3.0) * (0.35 + 0.65 * lz / d)
        if wet > 0:
            # mirror of the view ray in a level, rough surface: long streaks towards the viewer
            match = max(0.0, (dx * lx + dy * ly - dz * lz) / d)
            glint += wet * match**60 * 8.0 / (d2 + 20.0)
    return total * light.lamps, glint * light.lamps


@kernel
def _ambient(g, x, y, z, nx, ny, nz):
    """Share of the sky that a surface sees, from the ground's sky share beside it and its
    height."""
    i, j, u, v = cell_of(g.ground, x + 0.9 * nx, y + 0.9 * ny)
    share = read_field(g.ground.paint_fields, SKY_SHARE, i, j, u, v)
    height = max(0.0, z - height_at(g.ground, x, y))
    share += (1 - share) * ramp(height, 0.0, 9.0)
    contact = 0.65 + 0.35 * ramp(height, 0.0, 0.5)
    return share * contact * (0.62 + 0.38 * nz)


@kernel
def _fog(light, r, g, b, distance, dz):
    clear = math.exp(-light.fog * distance)
    return (
        r * clear + light.fog_colour[0] * (1 - clear),
        g * clear + light.fog_colour[1] * (1 - clear),
        b * clear + light.fog_colour[2] * (1 - clear),
    )


@kernel
def _surface(g, looks, ground_look, light, i, x, y, z, foot):
    """Normal, base colour, glow, gloss, sky share at a hit."""
    if i == GROUND:
        nx, ny, nz = normal_at(g.ground, x, y)
        r, gr, b, wet_gloss, share = ground_colour(g.ground, ground_look, x, y, foot)
        dark = 1 - 0.45 * light.wet * wet_gloss
        return (
            nx,
            ny,
            nz,
            r * dark,
            gr * dark,
            b * dark,
            0.0,
            0.55 * light.wet * wet_gloss,
            0.25 + 0.75 * share,
        )
    nx, ny, nz = solid_normal(g.shapes[i], g.solids, i, x, y, z)
    lx, ly, lz = to_local(g.solids, i, x, y, z)
    c, s = g.solids[i, 6], g.solids[i, 7]
    mx, my = c * nx + s * ny, c * ny - s * nx
    look = looks[i]
    r, gr, b, glow, gloss, bump = solid_colour(
        int(look[0]),
        g.solids,
        i,
        lx,
        ly,
        lz,
        mx,
        my,
        nz,
        look[1],
        look[2],
        look[3],
        look[4],
        look[5],
        look[6],
        light.windows,
        foot,
    )
    share = _ambient(g, x, y, z, nx, ny, nz)
    if int(look[0]) == LEAVES:
        inner = ramp(z - height_at(g.ground, x, y), look[5], look[6])
        share *= 0.55 + 0.6 * inner
    if bump > 0:
        nx, ny, nz = _unevenness(x, y, z, nx, ny, nz, bump)
    return nx, ny, nz, r, gr, b, glow, gloss, share


@kernel
def _shade(g, looks, ground_look, light, lamps, ox, oy, oz, dx, dy, dz, t, i, angle):
    """Radiance r, g, b that arrives along one ray."""
    if i == SKY:
        r, gr, b = sky_colour(light, dx, dy, dz)
        return _fog(light, r, gr, b, 300.0 * (1 - ramp(dz, 0.0, 0.6)), dz)
    x, y, z = ox + t * dx, oy + t * dy, oz + t * dz
    if i == GROUND:
        slant = max(0.08, abs(dz))
    else:
        gx, gy, gz = solid_normal(g.shapes[i], g.solids, i, x, y, z)
        slant = max(0.15, abs(gx * dx + gy * dy + gz * dz))
    foot = angle * t / math.sqrt(slant)
    nx, ny, nz, r, gr, b, glow, gloss, share = _surface(g, looks, ground_look, light, i, x, y, z, foot)
    facing = nx * light.sun[0] + ny * light.sun[1] + nz * light.sun[2]
    sun = 0.0
    if facing > 0 and light.sun_colour[0] > 0.02:
        lift = 2e-3
        _, blocker = trace(
            g,
            x + lift * nx - lift * dx,
            y + lift * ny - lift * dy,
            z + lift * nz - lift * dz,
            light.sun[0],
            light.sun[1],
            light.sun[2],
            SHADOW_REACH,
            True,
        )
        if blocker < 0:
            sun = facing
    # light from the sky above and, weaker, from the sunlit ground below
    up = 0.5 + 0.5 * nz
    lamp, glint = _lamp_light(light, lamps, x, y, z, nx, ny, nz, dx, dy, dz, light.wet if i == GROUND else 0.0)
    carried = light.carried * max(0.0, -(nx * dx + ny * dy + nz * dz)) * 14.0 / (t * t + 6.0)
    sky_r = (
        share * (light.zenith[0] * 0.4 + light.horizon[0] * 0.6) * (0.35 + 0.65 * up)
        + 0.06 * (1 - up) * light.sun_colour[0]
    )
    sky_g = (
        share * (light.zenith[1] * 0.4 + light.horizon[1] * 0.6) * (0.35 + 0.65 * up)
        + 0.06 * (1 - up) * light.sun_colour[1]
    )
    sky_b = (
        share * (light.zenith[2] * 0.4 + light.horizon[2] * 0.6) * (0.35 + 0.65 * up)
        + 0.05 * (1 - up) * light.sun_colour[2]
    )
    out_r = r * (sky_r + sun * light.sun_colour[0] + lamp * 1.0 + carried) + glow * r + glint
    out_g = gr * (sky_g + sun * light.sun_colour[1] + lamp * 0.80 + carried) + glow * gr + 0.8 * glint
    out_b = b * (sky_b + sun * light.sun_colour[2] + lamp * 0.52 + carried) + glow * b + 0.5 * glint
    if gloss > 0:
        along = dx * nx + dy * ny + dz * nz
        # coated panes mirror more than paint or water does
        floor = 0.05 + 0.25 * ramp(gloss, 0.55, 0.75)
        fresnel = gloss * (floor + (1 - floor) * max(0.0, 1 + along) ** 5)
        mr, mg, mb = sky_gradient(light, dx - 2 * along * nx, dy - 2 * along * ny, dz - 2 * along * nz)
        mirrored = fresnel * (0.25 + 0.75 * share)
        out_r += mirrored * mr
        out_g += mirrored * mg
        out_b += mirrored * mb
    return _fog(light, out_r, out_g, out_b, t, dz)


@kernel
def shade_all(g, looks, ground_look, light, lamps, origin, directions, ranges, hits, angle, out):
    """Radiance of N rays from one origin, into out (N, 3) float32. `angle`: radians per pixel."""
    for k in range(len(directions)):
        r, gr, b = _shade(
            g,
            looks,
            ground_look,
            light,
            lamps,
            origin[0],
            origin[1],
            origin[2],
            directions[k, 0],
            directions[k, 1],
            directions[k, 2],
            ranges[k],
            hits[k],
            angle,
        )
        out[k, 0] = r
        out[k, 1] = gr
        out[k, 2] = b
