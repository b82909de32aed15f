"""Walking and standing people, and riders, put together from rounded limbs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from data_converters.synthetic.tracing.solids import CLOTH, PLAIN, SolidLook, Solids

SKIN = ((0.80, 0.60, 0.48), (0.62, 0.43, 0.32), (0.36, 0.24, 0.17), (0.86, 0.68, 0.57))
HAIR = ((0.06, 0.05, 0.04), (0.20, 0.12, 0.06), (0.45, 0.33, 0.17), (0.45, 0.45, 0.45))


@dataclass(frozen=True)
class Person:
    """How one person looks. Height in metres, colours linear RGB in [0, 1]."""

    height: float
    girth: float
    top: tuple
    trousers: tuple
    skin: tuple
    hair: tuple
    shoes: tuple
    bag: tuple | None
    skirt: bool
    seed: float

    @staticmethod
    def draw(rng: np.random.Generator) -> Person:
        """Draw a look."""
        top = _garment(rng, 0.85)
        return Person(
            height=float(np.clip(rng.normal(1.70, 0.10), 1.45, 1.95)),
            girth=float(rng.uniform(0.85, 1.18)),
            top=top,
            trousers=_garment(rng, 0.45),
            skin=SKIN[rng.integers(len(SKIN))],
            hair=HAIR[rng.integers(len(HAIR))],
            shoes=(0.08, 0.07, 0.07) if rng.random() < 0.6 else (0.7, 0.7, 0.7),
            bag=_garment(rng, 0.5) if rng.random() < 0.35 else None,
            skirt=rng.random() < 0.2,
            seed=float(rng.random()),
        )


def _garment(rng: np.random.Generator, brightest: float) -> tuple:
    """A cloth colour: mostly muted, sometimes loud."""
    value = rng.uniform(0.04, brightest)
    chroma = rng.uniform(0.0, 0.25) if rng.random() < 0.6 else rng.uniform(0.4, 0.85)
    hue = rng.uniform(0, 2 * math.pi)
    wave = np.cos(hue - np.array([0.0, 2.1, 4.2])) * 0.5 + 0.5
    return tuple(value * (1 - chroma + chroma * wave))


def standing_person(look: Person, phase: float, stride: float) -> np.ndarray:
    """Rows of a person about the feet. `phase` (rad) of the gait, `stride` 0 (standing) to 1 (brisk walk). Rows (P,
    WIDTH)."""
    h, g = look.height, look.girth
    s = Solids()
    swing = 0.42 * stride
    hip, knee_drop = 0.50 * h, 0.26 * h
    lift = -0.02 * h * stride * abs(math.sin(phase))
    hip += lift
    for side in (-1, 1):
        angle = swing * math.sin(phase) * side
        bend = 0.55 * stride * max(0.0, math.cos(phase) * side) + 0.05 * stride
        y = side * 0.055 * h
        knee = (knee_drop * math.sin(angle), y, hip - knee_drop * math.cos(angle))
        shin = angle - bend
        foot = (knee[0] + 0.225 * h * math.sin(shin), y, knee[2] - 0.225 * h * math.cos(shin))
        trousers = SolidLook(material=CLOTH, colour=look.trousers, seed=look.seed)
        s.capsule((0, y * 0.9, hip), knee, 0.043 * h * g, **trousers)
        s.capsule(knee, foot, 0.034 * h, **(trousers if not look.skirt else SolidLook(colour=look.skin)))
        s.box(
            (foot[0] + 0.035 * h, y, max(foot[2] - 0.005 * h, 0.0) + 0.012 * h),
            (0.075 * h, 0.028 * h, 0.022 * h),
            colour=look.shoes,
        )
        _arm(s, look, side, -angle * 0.8, 0.25 + 0.35 * stride, lift)
    if look.skirt:
        s.cone(
            (0, 0, 0.30 * h + lift),
            0.125 * h * g,
            0.24 * h,
            0.40,
            material=CLOTH,
            colour=look.trousers,
            seed=look.seed,
        )
    _trunk(s, look, lift, (0.0, 0.0))
    return s.rows()


def _arm(s: Solids, look: Person, side: int, angle: float, bend: float, lift: float) -> None:
    h = look.height
    cloth = SolidLook(material=CLOTH, colour=look.top, seed=look.seed)
    shoulder = np.array((0.0, side * (0.10 * h * look.girth + 0.018 * h), 0.795 * h + lift))
    elbow = shoulder + 0.165 * h * np.array((math.sin(angle), side * 0.12, -math.cos(angle)))
    hand = elbow + 0.16 * h * np.array((math.sin(angle + bend), -side * 0.05, -math.cos(angle + bend)))
    s.capsule(shoulder, elbow, 0.027 * h, **cloth)
    s.capsule(elbow, hand, 0.021 * h, **cloth)
    s.ellipsoid(hand, (0.028 * h, 0.016 * h, 0.03 * h), colour=look.skin)


def _trunk(s: Solids, look: Person, lift: float, lean: tuple[float, float]) -> None:
    """Torso, neck, head, hair, bag; `lean` moves the shoulders forward by lean[0] m and down by
    lean[1] m."""
    h, g = look.height, look.girth
    forward, down = lean
    cloth = SolidLook(material=CLOTH, colour=look.top, seed=look.seed)
    legs: SolidLook = {**cloth, 'colour': look.trousers}
    s.ellipsoid((0, 0, 0.50 * h + lift), (0.062 * h * g, 0.088 * h * g, 0.075 * h), **legs)
    s.ellipsoid((0.25 * forward, 0, 0.585 * h + lift), (0.060 * h * g, 0.083 * h * g, 0.13 * h), **cloth)
    s.ellipsoid(
        (0.65 * forward, 0, 0.715 * h + lift - 0.5 * down),
        (0.064 * h * g, 0.108 * h * g, 0.135 * h),
        **cloth,
    )
    s.capsule(
        (0.85 * forward, -0.085 * h * g, 0.795 * h + lift - 0.8 * down),
        (0.85 * forward, 0.085 * h * g, 0.795 * h + lift - 0.8 * down),
        0.034 * h,
        **cloth,
    )
    head = (forward + 0.01 * h, 0, 0.925 * h + lift - down)
    s.capsule(
        (forward * 0.9, 0, 0.82 * h + lift - down),
        (forward, 0, 0.88 * h + lift - down),
        0.032 * h,
        colour=look.skin,
    )
    s.ellipsoid(head, (0.058 * h, 0.047 * h, 0.072 * h), material=PLAIN, colour=look.skin)
    s.ellipsoid(
        (head[0] - 0.012 * h, 0, head[2] + 0.020 * h),
        (0.058 * h, 0.051 * h, 0.062 * h),
        colour=look.hair,
    )
    if look.bag is not None:
        s.box(
            (-0.10 * h * g + 0.5 * forward, 0, 0.68 * h + lift - 0.4 * down),
            (0.05 * h, 0.085 * h, 0.13 * h),
            material=CLOTH,
            colour=look.bag,
            seed=look.seed + 0.3,
            taper=(0.3, 0.2),
        )


def seated_rider(look: Person, seat: float, phase: float) -> np.ndarray:
    """Rows of a rider whose hips are `seat` metres high, feet pedalling at `phase`; x forward from the hips. Rows
    (P, WIDTH)."""
    h = look.height
    s = Solids()
    for side in (-1, 1):
        y = side * 0.07 * h
        turn = phase + (math.pi if side > 0 else 0.0)
        foot = np.array((0.30 + 0.16 * math.cos(turn), y, seat - 0.62 + 0.16 * math.sin(turn)))
        knee = 0.5 * (np.array((0.0, y, seat)) + foot) + np.array((0.22, 0.0, 0.10))
        s.capsule((0, y, seat), knee, 0.046 * h, material=CLOTH, colour=look.trousers, seed=look.seed)
        s.capsule(knee, foot, 0.035 * h, material=CLOTH, colour=look.trousers, seed=look.seed)
        shoulder = (0.22, side * 0.12 * h, seat + 0.27 * h)
        s.capsule(
            shoulder,
            (0.58, side * 0.24, seat + 0.15),
            0.028 * h,
            material=CLOTH,
            colour=look.top,
            seed=look.seed,
        )
    _trunk(s, look, seat - 0.52 * h, (0.25, 0.03 * h))
    return s.rows()
