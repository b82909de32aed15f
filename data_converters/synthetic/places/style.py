"""What makes one map look unlike another: built form, gardens, trees, season."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

import numpy as np


class _Common(TypedDict):
    """What every kind of quarter draws alike."""

    season: float
    conifers: float
    lamp_spacing: float
    tree_height: tuple[float, float]
    tree_spacing: float


@dataclass(frozen=True)
class Style:
    """What makes one map look unlike another. Lengths in metres, chances in [0, 1]."""

    setback: float
    gap: float
    storeys: tuple[int, int]
    modern: float
    pitched: float
    depth: tuple[float, float]
    frontage: tuple[float, float]
    hedges: float
    tree_spacing: float
    tree_height: tuple[float, float]
    conifers: float
    season: float
    parked: float
    shrubs: float
    lamp_spacing: float

    @staticmethod
    def draw(rng: np.random.Generator, kind: str) -> Style:
        """Old town, suburb or new quarter for 'human'; a campus for 'quad'."""
        season = float(rng.choice((0.0, 0.15, 0.8), p=(0.6, 0.25, 0.15)))
        common = _Common(
            season=season,
            conifers=float(rng.uniform(0, 0.3)),
            lamp_spacing=float(rng.uniform(22, 30)),
            tree_height=(5.5, float(rng.uniform(8, 12))),
            tree_spacing=float(rng.uniform(7, 11)),
        )
        if kind == 'quad':
            return Style(
                setback=rng.uniform(3.2, 4.8),
                gap=rng.uniform(4, 9),
                storeys=(2, 6),
                modern=rng.uniform(0.4, 0.9),
                pitched=0.15,
                depth=(11, 16),
                frontage=(16, 30),
                hedges=rng.uniform(0.75, 0.95),
                parked=0.05,
                shrubs=0.25,
                **common,
            )
        town = rng.choice(3, p=(0.35, 0.4, 0.25))
        if town == 0:
            return Style(
                setback=rng.uniform(0.3, 1.2),
                gap=0.0,
                storeys=(2, 5),
                modern=0.1,
                pitched=0.8,
                depth=(9, 12),
                frontage=(7, 13),
                hedges=0.1,
                parked=rng.uniform(0.4, 0.7),
                shrubs=0.05,
                **common,
            )
        if town == 1:
            return Style(
                setback=rng.uniform(2.5, 5.0),
                gap=rng.uniform(2.5, 6),
                storeys=(1, 3),
                modern=0.15,
                pitched=0.9,
                depth=(8, 11),
                frontage=(9, 14),
                hedges=rng.uniform(0.5, 0.9),
                parked=rng.uniform(0.25, 0.55),
                shrubs=0.12,
                **common,
            )
        return Style(
            setback=rng.uniform(1.5, 4.0),
            gap=rng.uniform(3, 9),
            storeys=(4, 9),
            modern=0.9,
            pitched=0.05,
            depth=(11, 16),
            frontage=(14, 26),
            hedges=0.3,
            parked=rng.uniform(0.3, 0.6),
            shrubs=0.06,
            **common,
        )
