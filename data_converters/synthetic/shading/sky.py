"""The sky in a direction: gradient, clouds, sun, and a hazy skyline where the world ends."""

from __future__ import annotations

import math

from data_converters.synthetic.shading.lighting import Light
from data_converters.synthetic.shading.noise import clouds2, noise2, ramp
from data_converters.synthetic.shading.surface import Paint
from data_converters.synthetic.tracing.jit import kernel
from data_converters.synthetic.tracing.vectors import Vector


@kernel
def sky_gradient(light: Light, d: Vector) -> Paint:
    """Cloudless sky in the unit direction d without the sun's disc: what glossy surfaces mirror."""
    t = math.sqrt(max(d.z, 0.0))
    glow = max(0.0, d.x * light.sun[0] + d.y * light.sun[1] + d.z * light.sun[2])
    glow = glow**8 * 0.35
    return Paint(
        light.horizon[0] * (1 - t) + light.zenith[0] * t + glow * light.sun_colour[0],
        light.horizon[1] * (1 - t) + light.zenith[1] * t + glow * light.sun_colour[1],
        light.horizon[2] * (1 - t) + light.zenith[2] * t + glow * light.sun_colour[2],
    )


@kernel
def _cloudy(light: Light, d: Vector, sky: Paint) -> Paint:
    """Clouds and the sun's disc over the gradient."""
    r, g, b = sky
    towards = d.x * light.sun[0] + d.y * light.sun[1] + d.z * light.sun[2]
    scale = 1.0 / (d.z + 0.12)
    density = clouds2(1.3 * d.x * scale + 7.0, 1.3 * d.y * scale, light.cloud_layer)
    cloud = ramp(density, 0.78 - 0.55 * light.cover, 1.02 - 0.55 * light.cover) * ramp(d.z, 0.02, 0.15)
    shade = 0.75 + 0.5 * density
    lit = 0.45 * max(0.0, towards) ** 4 + 0.35
    r += cloud * (shade * (light.horizon[0] + lit * light.sun_colour[0]) - r)
    g += cloud * (shade * (light.horizon[1] + lit * light.sun_colour[1]) - g)
    b += cloud * (shade * (light.horizon[2] + lit * light.sun_colour[2]) - b)
    disc = ramp(towards, 0.9992, 0.9997) * (1 - cloud) * 12.0 * ramp(light.cover, 0.9, 0.7)
    r += disc * light.sun_colour[0]
    g += disc * light.sun_colour[1]
    b += disc * light.sun_colour[2]
    return Paint(r, g, b)


@kernel
def sky_colour(light: Light, d: Vector) -> Paint:
    """All of the sky in the unit direction d. Below the horizon it is the haze above unseen land."""
    sky = sky_gradient(light, d)
    if d.z > 0.02:
        sky = _cloudy(light, d, sky)
    azimuth = math.atan2(d.y, d.x)
    # a seamless profile: noise along a circle
    cx, cy = math.cos(azimuth), math.sin(azimuth)
    hills = 0.012 + 0.05 * noise2(3 * cx + 50, 3 * cy + 50, light.cloud_layer) + 0.018 * noise2(25 * cx, 25 * cy, 5)
    land = ramp(hills - d.z, 0.0, 0.004)
    if land > 0:
        near = ramp(hills - d.z, 0.0, 0.07)
        haze = 0.55 - 0.2 * near
        r, g, b = sky
        r += land * (haze * light.horizon[0] + 0.10 * light.zenith[0] - r)
        g += land * (haze * light.horizon[1] + 0.14 * light.zenith[1] - g)
        b += land * (haze * light.horizon[2] + 0.10 * light.zenith[2] - b)
        sky = Paint(r, g, b)
    return sky
