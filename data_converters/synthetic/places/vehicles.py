"""Cars, vans, trucks, buses, bicycles and scooters as tables of solids (x forward, z up from the
ground)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from data_converters.synthetic.places.people import Person, seated_rider
from data_converters.synthetic.tracing.solids import BODY, CABIN, CARGO, COACH, LABEL, METAL, TYRE, SolidLook, Solids

PAINTS = (
    (0.75, 0.75, 0.74),
    (0.05, 0.05, 0.055),
    (0.35, 0.36, 0.38),
    (0.16, 0.17, 0.19),
    (0.45, 0.03, 0.03),
    (0.03, 0.08, 0.28),
    (0.12, 0.22, 0.36),
    (0.55, 0.50, 0.40),
    (0.05, 0.18, 0.09),
    (0.60, 0.42, 0.05),
    (0.62, 0.64, 0.66),
    (0.26, 0.06, 0.04),
)


def _paint(rng: np.random.Generator) -> tuple:
    return tuple(np.clip(np.array(PAINTS[rng.integers(len(PAINTS))]) * rng.uniform(0.8, 1.2), 0.02, 0.85))


def _wheels(s: Solids, stations: Sequence[float], track: float, radius: float, width: float = 0.11) -> None:
    for x in stations:
        for side in (-1, 1):
            s.wheel(
                (x, side * (track - width * 0.8), radius),
                radius,
                width,
                material=TYRE,
                colour=(0.03, 0.03, 0.03),
            )


def car(rng: np.random.Generator, lights: bool) -> np.ndarray:
    """A passenger car: saloon, hatchback, estate, off-roader or small van. `lights`: head lamps switched on. Rows
    (P, WIDTH)."""
    kind = rng.choice(5, p=(0.28, 0.32, 0.15, 0.18, 0.07))
    length = (4.6, 4.0, 4.6, 4.5, 4.7)[kind] * rng.uniform(0.95, 1.05)
    height = (1.43, 1.50, 1.48, 1.70, 1.95)[kind] * rng.uniform(0.97, 1.03)
    half_width = (0.90, 0.87, 0.90, 0.94, 0.94)[kind]
    cabin_share = (0.56, 0.66, 0.72, 0.72, 0.78)[kind]
    shift = (-0.02, -0.10, -0.12, -0.10, -0.10)[kind] * length
    slope = (0.42, 0.34, 0.30, 0.24, 0.18)[kind]
    radius = 0.36 if kind == 3 else 0.31
    clearance, belt = 0.20 + 0.08 * (kind == 3), 0.56 * height + 0.03
    beam = 1.0 if lights else 0.0
    look = SolidLook(colour=_paint(rng), seed=float(rng.random()))
    s = Solids()
    middle = (clearance + belt) / 2
    # a lower and an upper half let the body narrow both ways, like a real flank
    s.box(
        (0, 0, (clearance + middle) / 2),
        (length / 2, half_width, (middle - clearance) / 2),
        material=BODY,
        aux=(beam, (clearance + middle) / 2),
        **look,
    )
    s.box(
        (0, 0, (belt + middle) / 2),
        (length / 2, half_width, (belt - middle) / 2),
        material=BODY,
        taper=(0.05, 0.08),
        aux=(beam, (belt + middle) / 2),
        **look,
    )
    s.box(
        (shift, 0, (belt + height) / 2),
        (length * cabin_share / 2, half_width * 0.93, (height - belt) / 2),
        material=CABIN,
        taper=(slope, 0.22),
        **look,
    )
    for side in (-1, 1):
        s.box(
            (0.17 * length, side * (half_width + 0.07), belt + 0.06),
            (0.05, 0.08, 0.06),
            colour=look['colour'],
        )
    _wheels(s, (-0.31 * length, 0.31 * length), half_width + 0.03, radius)
    return s.rows()


def truck(rng: np.random.Generator, lights: bool) -> np.ndarray:
    """A box truck or a delivery van. Rows (P, WIDTH)."""
    s = Solids()
    look = SolidLook(colour=_paint(rng), seed=float(rng.random()), aux=(1.0 if lights else 0.0, 0.63))
    if rng.random() < 0.45:
        length, height, half_width = rng.uniform(5.0, 5.9), rng.uniform(2.2, 2.7), 1.0
        s.box((0, 0, 0.28 + 0.35), (length / 2, half_width, 0.42), material=BODY, **look)
        s.box(
            (-0.11 * length, 0, (1.05 + height) / 2),
            (0.39 * length, half_width, (height - 1.05) / 2),
            material=CARGO,
            taper=(0.0, 0.08),
            **look,
        )
        s.box(
            (0.33 * length, 0, (1.05 + height - 0.1) / 2),
            (0.14 * length, half_width * 0.98, (height - 1.15) / 2),
            material=CABIN,
            taper=(0.6, 0.12),
            **look,
        )
        _wheels(s, (-0.3 * length, 0.32 * length), half_width + 0.02, 0.35)
        return s.rows()
    length, height, half_width = rng.uniform(6.5, 8.5), rng.uniform(3.0, 3.6), 1.2
    paint = _paint(rng) if rng.random() < 0.6 else (0.75, 0.75, 0.73)
    cargo: SolidLook = {**look, 'colour': paint}
    cab = 1.9
    s.box(
        (-cab / 2, 0, (0.95 + height) / 2),
        ((length - cab) / 2 - 0.05, half_width, (height - 0.95) / 2),
        material=CARGO,
        **cargo,
    )
    s.box((0, 0, 0.72), (length / 2 - 0.1, half_width * 0.8, 0.22), colour=(0.06, 0.06, 0.06))
    s.box((length / 2 - cab / 2, 0, 0.95), (cab / 2, half_width * 0.97, 0.55), material=BODY, **look)
    s.box(
        (length / 2 - cab / 2, 0, 2.05),
        (cab / 2, half_width * 0.96, 0.55),
        material=CABIN,
        taper=(0.15, 0.1),
        **look,
    )
    _wheels(s, (-0.28 * length, -0.16 * length, length / 2 - 1.1), half_width, 0.48, 0.16)
    return s.rows()


def bus(rng: np.random.Generator, lights: bool) -> np.ndarray:
    """A city bus. Rows (P, WIDTH)."""
    length, height, half_width = rng.uniform(9.0, 11.5), rng.uniform(2.9, 3.2), 1.25
    look = SolidLook(colour=_paint(rng), seed=float(rng.random()), aux=(1.0 if lights else 0.0, height))
    s = Solids()
    s.box(
        (0, 0, (0.30 + height) / 2),
        (length / 2, half_width, (height - 0.30) / 2),
        material=COACH,
        **look,
    )
    s.box(
        (-0.1 * length, 0, height + 0.1),
        (0.2 * length, half_width * 0.7, 0.12),
        colour=(0.6, 0.6, 0.6),
    )
    _wheels(s, (-0.26 * length, 0.33 * length), half_width + 0.01, 0.48, 0.15)
    return s.rows()


def two_wheeler(
    rng: np.random.Generator, rider: Person | None = None, phase: float = 0.0, labels: tuple[int, int] = (0, 0)
) -> np.ndarray:
    """A bicycle or a motor scooter, with a rider if one is given; rows (P, WIDTH) with the two `labels`."""
    s = Solids()
    colour, motor = _paint(rng), rng.random() < 0.35
    frame = SolidLook(material=METAL, colour=colour)
    if motor:
        for x in (-0.60, 0.65):
            s.wheel((x, 0, 0.24), 0.24, 0.06, material=TYRE, colour=(0.03, 0.03, 0.03))
        s.box((-0.35, 0, 0.55), (0.42, 0.15, 0.22), taper=(0.2, 0.2), **frame)
        s.box((-0.25, 0, 0.82), (0.36, 0.13, 0.06), colour=(0.03, 0.03, 0.03))
        s.box((0.10, 0, 0.30), (0.35, 0.14, 0.06), **frame)
        s.box((0.48, 0, 0.62), (0.09, 0.2, 0.36), taper=(0.3, 0.3), **frame)
        s.capsule((0.42, -0.3, 1.0), (0.42, 0.3, 1.0), 0.03, colour=(0.05, 0.05, 0.05))
        seat, back = 0.88, -0.25
    else:
        for x in (-0.50, 0.53):
            s.wheel((x, 0, 0.34), 0.34, 0.025, material=TYRE, colour=(0.05, 0.05, 0.05))
        for a, b in (
            ((-0.5, 0.34), (-0.05, 0.30)),
            ((-0.05, 0.30), (-0.18, 0.85)),
            ((-0.18, 0.78), (0.38, 0.80)),
            ((-0.05, 0.30), (0.38, 0.72)),
            ((0.53, 0.34), (0.36, 0.98)),
            ((-0.5, 0.34), (-0.17, 0.75)),
        ):
            s.capsule((a[0], 0, a[1]), (b[0], 0, b[1]), 0.025, **frame)
        s.capsule((0.36, -0.27, 1.0), (0.36, 0.27, 1.0), 0.018, colour=(0.05, 0.05, 0.05))
        s.box((-0.2, 0, 0.90), (0.13, 0.07, 0.03), colour=(0.03, 0.03, 0.03))
        seat, back = 0.95, -0.2
    rows = s.rows()
    rows[:, LABEL] = labels[0]
    if rider is None:
        return rows
    upper = seated_rider(rider, seat, 0.8 if motor else phase)
    upper[:, LABEL] = labels[1]
    upper[:, 1] += back
    return np.concatenate([rows, upper])
