"""Colours for a class list that comes without any."""

from __future__ import annotations

import colorsys

_GOLDEN = 0.618033988749895  # steps of this share of the circle never meet and are far apart from the first on


def default_palette(number: int) -> list[tuple[int, int, int]]:
    """`number` distinct RGB triples within 0..255, always the same; a longer list begins like a shorter one."""
    colours = []
    for index in range(number):
        lightness = (0.5, 0.36, 0.66)[index % 3]
        red, green, blue = colorsys.hls_to_rgb((0.58 + index * _GOLDEN) % 1, lightness, 0.65)
        colours.append((round(255 * red), round(255 * green), round(255 * blue)))
    return colours
