"""Draw the agents of a world: how many people, two-wheelers and vehicles move where, and how they
look."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from data_converters.synthetic.places import vehicles
from data_converters.synthetic.places.people import Person, standing_person
from data_converters.synthetic.places.streets import Plan, Street
from data_converters.synthetic.places.traffic import Agent

# people per metre of street side and vehicles per metre of lane
PEOPLE = {'human': 0.075, 'quad': 0.13}
RIDERS = {'human': 0.0015, 'quad': 0.012}
DRIVING = {'human': 0.017, 'quad': 0.0010}


def corridor(plan: Plan, half_width: float, human: bool) -> tuple[float, float]:
    """Offsets from a street's middle between which people walk and nothing stands: (low, high)."""
    if human:
        edge = half_width + plan.verge
        return edge + (0.95 if plan.verge == 0 else 0.45), edge + plan.walk - 0.35
    return 0.6, half_width - 0.5


def draw_agents(plan: Plan, kind: str, labels: dict[str, int], rng: np.random.Generator) -> list[Agent]:
    """All agents of a world, instances numbered from 1."""
    human = kind == 'human'
    agents: list[Agent] = []
    length = 2 * plan.extent
    # as in the real sets: a rider is a person in Human360Occ, and goes with the vehicle on a campus
    person, wheels, rider = (
        labels[name]
        for name in (('person', 'two_wheeler', 'person') if human else ('pedestrian', 'vehicle', 'vehicle'))
    )

    def add(**values: Any) -> None:  # fields of Agent
        agents.append(Agent(instance=len(agents) + 1, **values))

    for street in plan.streets:
        low, high = corridor(plan, street.half_width, human)
        for side in (1, -1):
            for _ in range(rng.poisson(PEOPLE[kind] * length)):
                add(
                    label=person,
                    street=street,
                    offset=side * rng.uniform(low, high),
                    s0=rng.uniform(0, length),
                    forward=int(rng.choice((1, -1))),
                    speed=float(rng.normal(1.3, 0.2)),
                    radius=0.4,
                    person=Person.draw(rng),
                    sway=rng.uniform(0, 0.15),
                )
            _talkers(
                add,
                rng,
                plan,
                street,
                side,
                person,
                (low, high),
                PEOPLE[kind] * length * 0.06,
            )
            for _ in range(rng.poisson(RIDERS[kind] * length)):
                rows = vehicles.two_wheeler(rng, Person.draw(rng), rng.uniform(0, 6.28), labels=(wheels, rider))
                add(
                    label=None,  # the rows carry their own
                    street=street,
                    offset=-side * (street.half_width * 0.55),
                    s0=rng.uniform(0, length),
                    forward=side,
                    speed=float(rng.uniform(3, 5)),
                    radius=1.1,
                    rows=rows,
                    sway=0.2,
                )
        _drive(add, rng, street, labels, human, length, DRIVING[kind])
    return agents


def _talkers(
    add: Callable[..., None],
    rng: np.random.Generator,
    plan: Plan,
    street: Street,
    side: int,
    label: int,
    band: tuple[float, float],
    expected: float,
) -> None:
    """Groups of two or three who stand face to face."""
    for _ in range(rng.poisson(expected)):
        s, offset = rng.uniform(-plan.extent, plan.extent), rng.uniform(*band)
        heads = int(rng.integers(2, 4))
        for k in range(heads):
            angle = 2 * math.pi * k / heads + rng.uniform(-0.3, 0.3)
            person = Person.draw(rng)
            add(
                label=label,
                street=street,
                offset=side * offset + 0.45 * math.sin(angle),
                s0=s + 0.45 * math.cos(angle),
                forward=1,
                speed=0.0,
                radius=0.4,
                rows=standing_person(person, 0.0, 0.0),
                turn=angle + math.pi,
            )


def _drive(
    add: Callable[..., None],
    rng: np.random.Generator,
    street: Street,
    labels: dict[str, int],
    human: bool,
    length: float,
    density: float,
) -> None:
    """Vehicles of one street share one speed per lane, so that none runs into another."""
    for side in (1, -1):
        speed = float(rng.uniform(5, 9) if human else rng.uniform(1.5, 3))
        number = rng.poisson(density * length)
        stations = np.arange(number) * length / max(number, 1) + rng.uniform(0, length / max(number, 1) * 0.4, number)
        for s in stations:
            kind = rng.choice(3, p=(0.80, 0.13, 0.07)) if human else 0
            maker = (vehicles.car, vehicles.truck, vehicles.bus)[kind]
            name = ('car', 'truck', 'bus')[kind] if human else 'vehicle'
            # vehicles keep to the right of their direction
            add(
                label=labels[name],
                street=street,
                offset=-side * 1.3,
                s0=float(s),
                forward=side,
                speed=speed,
                radius=(2.6, 4.5, 6.0)[kind],
                rows=maker(rng, True),
            )
