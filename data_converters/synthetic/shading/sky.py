"""The sky in a direction: gradient, clouds, sun, and a hazy skyline where the world ends."""

import math

from data_converters.synthetic.shading.noise import clouds2, noise2, ramp
from data_converters.synthetic.tracing.jit import kernel


@kernel
def sky_gradient(light, dx, dy, dz):
    """Cloudless sky without the sun's disc: what glossy surfaces mirror. Returns r, g, b."""
    t = math.sqrt(max(dz, 0.0))
    glow = max(0.0, dx * light.sun[0] + dy * light.sun[1] + dz * light.sun[2])
    glow = glow**8 * 0.35
    r = light.horizon[0] * (1 - t) + light.zenith[0] * t + glow * light.sun_colour[0]
    g = light.horizon[1] * (1 - t) + light.zenith[1] * t + glow * light.sun_colour[1]
    b = light.horizon[2] * (1 - t) + light.zenith[2] * t + glow * light.sun_colour[2]
    return r, g, b


@kernel
def sky_colour(light, dx, dy, dz):
    """All of the sky, r, g, b. Below the horizon it is the haze above unseen land."""
    r, g, b = sky_gradient(light, dx, dy, dz)
    towards = dx * light.sun[0] + dy * light.sun[1] + dz * light.sun[2]
    if dz > 0.02:
        scale = 1.0 / (dz + 0.12)
        density = clouds2(1.3 * dx * scale + 7.0, 1.3 * dy * scale, light.cloud_layer)
        cloud = ramp(density, 0.78 - 0.55 * light.cover, 1.02 - 0.55 * light.cover) * ramp(dz, 0.02, 0.15)
        shade = 0.75 + 0.5 * density
        lit = 0.45 * max(0.0, towards) ** 4 + 0.35
        r += cloud * (shade * (light.horizon[0] + lit * light.sun_colour[0]) - r)
        g += cloud * (shade * (light.horizon[1] + lit * light.sun_colour[1]) - g)
        b += cloud * (shade * (light.horizon[2] + lit * light.sun_colour[2]) - b)
        disc = ramp(towards, 0.9992, 0.9997) * (1 - cloud) * 12.0 * ramp(light.cover, 0.9, 0.7)
        r += disc * light.sun_colour[0]
        g += disc * light.sun_colour[1]
        b += disc * light.sun_colour[2]
    azimuth = math.atan2(dy, dx)
    # a seamless profile: noise along a circle
    cx, cy = math.cos(azimuth), math.sin(azimuth)
    hills = 0.012 + 0.05 * noise2(3 * cx + 50, 3 * cy + 50, light.cloud_layer) + 0.018 * noise2(25 * cx, 25 * cy, 5)
    land = ramp(hills - dz, 0.0, 0.004)
    if land > 0:
        near = ramp(hills - dz, 0.0, 0.07)
        haze = 0.55 - 0.2 * near
        r += land * (haze * light.horizon[0] + 0.10 * light.zenith[0] - r)
        g += land * (haze * light.horizon[1] + 0.14 * light.zenith[1] - g)
        b += land * (haze * light.horizon[2] + 0.10 * light.zenith[2] - b)
    return r, g, b
