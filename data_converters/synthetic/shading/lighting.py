"""Light and weather of a scene, in linear radiance where a sunlit white wall is about 1."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

TIMES = ('day', 'dusk', 'night')
WEATHERS = ('clear', 'overcast', 'rain', 'fog')


class Light(NamedTuple):
    """What the shading kernel reads. Directions point from the surface to the light; fog density in
    1/m."""

    sun: np.ndarray
    sun_colour: np.ndarray
    zenith: np.ndarray
    horizon: np.ndarray
    fog_colour: np.ndarray
    fog: float
    cover: float
    cloud_layer: int
    wet: float
    lamps: float
    windows: float
    carried: float


@dataclass(frozen=True)
class Lighting:
    """A time of day and a weather with the numbers drawn for them, and how the camera copes with
    them.

    `exposure` scales radiance before the tone curve; `full_well` is the number of electrons of a
    white pixel at the sensor's gain, `read_noise` its noise floor in electrons; `shutter_s` the
    exposure time.
    """

    time: str
    weather: str
    light: Light
    exposure: float
    full_well: float
    read_noise: float
    shutter_s: float
    sunlight: bool

    @staticmethod
    def named(time: str, weather: str = 'clear', rng: np.random.Generator | None = None) -> Lighting:
        """Draw sun, clouds and haze for 'day' | 'dusk' | 'night' and 'clear' | 'overcast' | 'rain'
        | 'fog'."""
        if time not in TIMES:
            raise ValueError(f'time of day: expected one of {TIMES}, got {time!r}')
        if weather not in WEATHERS:
            raise ValueError(f'weather: expected one of {WEATHERS}, got {weather!r}')
        rng = rng or np.random.default_rng(0)
        grey = {'clear': 0.0, 'overcast': 1.0, 'rain': 1.0, 'fog': 0.9}[weather]
        low, high = {'day': (24, 62), 'dusk': (3, 9), 'night': (-30, -15)}[time]
        elevation, azimuth = math.radians(rng.uniform(low, high)), rng.uniform(0, 2 * math.pi)
        sun = np.array(
            (
                math.cos(elevation) * math.cos(azimuth),
                math.cos(elevation) * math.sin(azimuth),
                math.sin(elevation),
            )
        )
        colours = _SKIES[time]
        clear, dull = colours['clear'], colours['dull']
        zenith, horizon, sun_colour = (np.array(a) * (1 - grey) + np.array(b) * grey for a, b in zip(clear, dull))
        fog = {'clear': 0.0008, 'overcast': 0.0015, 'rain': 0.007, 'fog': rng.uniform(0.03, 0.06)}[weather]
        light = Light(
            sun=sun,
            sun_colour=sun_colour,
            zenith=zenith,
            horizon=horizon,
            fog_colour=horizon * (0.5 if time == 'night' else 0.92),
            fog=float(fog),
            cover=float({'clear': rng.uniform(0.1, 0.55), 'overcast': 0.95, 'rain': 1.0, 'fog': 1.0}[weather]),
            cloud_layer=int(rng.integers(1000)),
            wet=float({'rain': rng.uniform(0.7, 1.0), 'fog': 0.3}.get(weather, 0.0)),
            lamps={'day': 0.0, 'dusk': 0.25, 'night': 1.0}[time],
            windows={'day': 0.0, 'dusk': 0.5, 'night': 1.0}[time],
            carried={'day': 0.0, 'dusk': 0.0, 'night': 0.06}[time],
        )
        dim = 1.0 + 0.9 * grey
        exposure = {'day': 1.25 * dim, 'dusk': 2.3 * (1 + 0.5 * grey), 'night': 5.0}[time] * rng.uniform(0.9, 1.12)
        well = {'day': 9000.0, 'dusk': 2500.0, 'night': 420.0}[time]
        read = {'day': 4.0, 'dusk': 4.0, 'night': 3.5}[time]
        shutter = {'day': 0.002, 'dusk': 0.008, 'night': 0.03}[time]
        return Lighting(
            time,
            weather,
            light,
            float(exposure),
            well,
            read,
            shutter,
            bool(sun_colour.max() > 0.05 and elevation > 0),
        )


# (zenith, horizon, sun) in clear and in dull weather
_SKIES = {
    'day': dict(
        clear=((0.16, 0.30, 0.62), (0.55, 0.66, 0.80), (0.95, 0.88, 0.76)),
        dull=((0.36, 0.39, 0.43), (0.47, 0.49, 0.52), (0.0, 0.0, 0.0)),
    ),
    'dusk': dict(
        clear=((0.08, 0.11, 0.24), (0.48, 0.30, 0.20), (0.50, 0.24, 0.09)),
        dull=((0.10, 0.11, 0.16), (0.20, 0.19, 0.20), (0.0, 0.0, 0.0)),
    ),
    'night': dict(
        clear=((0.006, 0.008, 0.018), (0.028, 0.022, 0.018), (0.0, 0.0, 0.0)),
        dull=((0.012, 0.011, 0.012), (0.040, 0.030, 0.022), (0.0, 0.0, 0.0)),
    ),
}
