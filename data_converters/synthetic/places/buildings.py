"""Houses, blocks, walls, lamps and signs as tables of solids."""

from __future__ import annotations

import numpy as np

from data_converters.synthetic.tracing.solids import FACADE, LAMP, MASONRY, METAL, PLAIN, ROOF, SolidLook, Solids

PLASTERS = (
    (0.72, 0.68, 0.58),
    (0.62, 0.46, 0.30),
    (0.74, 0.72, 0.70),
    (0.55, 0.32, 0.22),
    (0.60, 0.58, 0.44),
    (0.45, 0.52, 0.58),
    (0.66, 0.50, 0.42),
    (0.50, 0.47, 0.43),
)
BRICKS = ((0.38, 0.16, 0.11), (0.45, 0.24, 0.15), (0.30, 0.17, 0.14), (0.52, 0.38, 0.26))
TILES = (
    (0.34, 0.12, 0.07),
    (0.12, 0.12, 0.13),
    (0.24, 0.17, 0.13),
    (0.42, 0.20, 0.12),
    (0.20, 0.22, 0.24),
)
PLASTER, BRICK, BANDS, GLASS = range(4)
SUNK = 0.8


def facade_look(rng: np.random.Generator, modern: float) -> SolidLook:
    """Style, colours and window rhythm. `aux` = (storey height + 10 * style, window period); see
    textures."""
    style = int(rng.choice(4, p=((1 - modern) * 0.6, (1 - modern) * 0.4, modern * 0.6, modern * 0.4)))
    palette = BRICKS if style == BRICK else PLASTERS
    colour = np.array(palette[rng.integers(len(palette))]) * rng.uniform(0.85, 1.12)
    return SolidLook(
        material=FACADE,
        colour=tuple(np.clip(colour, 0.05, 0.82)),
        seed=float(rng.random()),
        aux=(rng.uniform(2.7, 3.4) + 10 * style, rng.uniform(1.8, 3.2)),
    )


def building(
    rng: np.random.Generator,
    length: float,
    depth: float,
    storeys: int,
    modern: float,
    pitched: bool,
) -> np.ndarray:
    """A building about the middle of its footprint; the front looks along -y. Sunk into uneven ground. Rows (P,
    WIDTH)."""
    s = Solids()
    look = facade_look(rng, 0.0 if pitched else modern)
    height = storeys * (look['aux'][0] % 10) + rng.uniform(0.3, 0.8)
    # textures count storeys from the bottom of the solid; the sunk part is taken off there
    s.box((0, 0, (height - SUNK) / 2), (length / 2, depth / 2, (height + SUNK) / 2), **look)
    tiles = SolidLook(material=ROOF, colour=TILES[rng.integers(len(TILES))], seed=float(rng.random()))
    if pitched:
        rise = depth * rng.uniform(0.26, 0.42)
        hip = rng.uniform(0.5, 0.9) * depth / length if rng.random() < 0.3 else 0.0
        s.box(
            (0, 0, height + rise / 2),
            (length / 2 + 0.25, depth / 2 + 0.35, rise / 2),
            taper=(hip, 1.0),
            **tiles,
        )
        s.box(
            (rng.uniform(-0.3, 0.3) * length, 0.12 * depth, height + rise * 0.7),
            (0.3, 0.35, rise * 0.5),
            material=MASONRY,
            colour=BRICKS[0],
            seed=0.3,
        )
    else:
        edge = SolidLook(colour=tuple(np.array(look['colour']) * 0.75), material=PLAIN)
        s.box((0, 0, height + 0.15), (length / 2 + 0.12, depth / 2 + 0.12, 0.15), **edge)
        s.box(
            (rng.uniform(-0.25, 0.25) * length, 0, height + 1.2),
            (min(2.0, length / 4), min(1.6, depth / 4), 1.0),
            colour=(0.45, 0.45, 0.46),
        )
    _front(s, rng, length, depth, storeys, look)
    return s.rows()


def _front(s: Solids, rng: np.random.Generator, length: float, depth: float, storeys: int, look: SolidLook) -> None:
    """Steps, canopy, balconies and a bay: small things in front of the facade."""
    door = rng.uniform(-0.3, 0.3) * length
    s.box(
        (door, -depth / 2 - 0.35, 0.0),
        (0.9, 0.4, 0.17),
        colour=(0.42, 0.41, 0.39),
        material=MASONRY,
        seed=0.5,
    )
    s.box((door, -depth / 2 - 0.4, 2.5), (1.1, 0.45, 0.06), colour=(0.25, 0.25, 0.26))
    storey = look['aux'][0] % 10
    if storeys >= 3 and rng.random() < 0.6:
        pale = tuple(np.clip(np.array(look['colour']) * 1.1, 0, 0.8))
        for x in np.arange(-length / 2 + 2.0, length / 2 - 1.5, rng.uniform(4.0, 6.0)):
            for level in range(1, storeys):
                s.box((x, -depth / 2 - 0.5, level * storey + 0.45), (1.1, 0.55, 0.5), colour=pale)
    elif rng.random() < 0.4:
        x = -door + np.copysign(0.8, -door)
        s.box(
            (x, -depth / 2 - 0.4, storey * 0.5 * min(storeys, 2)),
            (1.3, 0.45, storey * 0.5 * min(storeys, 2)),
            **look,
        )


def wall(length: float, height: float, colour: tuple[float, float, float], seed: float) -> np.ndarray:
    """A garden wall along x. Rows (P, WIDTH)."""
    s = Solids()
    s.box(
        (0, 0, height / 2 - 0.3),
        (length / 2, 0.14, height / 2 + 0.3),
        material=MASONRY,
        colour=colour,
        seed=seed,
    )
    s.box((0, 0, height + 0.04), (length / 2, 0.18, 0.05), colour=(0.42, 0.41, 0.38))
    return s.rows()


def street_lamp(height: float, arm: float, colour: tuple[float, float, float]) -> tuple[np.ndarray, np.ndarray]:
    """A lamp post whose arm reaches along +x; also the place of its light (3,). Rows (P, WIDTH)."""
    s = Solids()
    s.cone((0, 0, -0.2), 0.10, 1.1, 0.25, material=METAL, colour=colour)
    s.cone((0, 0, 0.8), 0.07, height - 0.8, 0.3, material=METAL, colour=colour)
    s.capsule((0, 0, height - 0.05), (arm, 0, height + 0.15), 0.045, material=METAL, colour=colour)
    s.box((arm, 0, height + 0.1), (0.32, 0.13, 0.06), material=LAMP, colour=(1.0, 0.86, 0.62))
    return s.rows(), np.array((arm, 0.0, height))


def sign_post(rng: np.random.Generator) -> np.ndarray:
    """A traffic sign, facing along -x. Rows (P, WIDTH)."""
    s = Solids()
    s.cone((0, 0, -0.2), 0.035, 2.7, material=METAL, colour=(0.45, 0.45, 0.46))
    colour = ((0.62, 0.05, 0.05), (0.03, 0.13, 0.50), (0.70, 0.70, 0.70), (0.75, 0.55, 0.03))[rng.integers(4)]
    s.box((-0.06, 0, 2.2), (0.02, 0.30, 0.30), colour=colour)
    return s.rows()


def traffic_light(height: float) -> np.ndarray:
    """A signal on a post, facing along -x. Rows (P, WIDTH)."""
    s = Solids()
    s.cone((0, 0, -0.2), 0.07, height + 0.2, material=METAL, colour=(0.12, 0.13, 0.12))
    s.box((-0.12, 0, height - 0.45), (0.12, 0.17, 0.48), colour=(0.03, 0.035, 0.03))
    for k, colour in enumerate(((0.9, 0.05, 0.03), (0.25, 0.16, 0.01), (0.02, 0.15, 0.05))):
        s.ellipsoid(
            (-0.24, 0, height - 0.13 - 0.3 * k),
            (0.05, 0.1, 0.1),
            material=LAMP if k == 0 else PLAIN,
            colour=colour,
        )
    return s.rows()


def bollard() -> np.ndarray:
    """A waist-high post. Rows (P, WIDTH)."""
    s = Solids()
    s.cone((0, 0, -0.2), 0.09, 1.1, 0.1, material=METAL, colour=(0.16, 0.16, 0.17))
    return s.rows()
