"""What moves: people, two-wheelers and vehicles that travel along streets, and people who stand and
talk.

Agents are functions of time only, so a scene at any instant can be made without the ones before it.
They wrap round at the border of the world, far from where robots walk.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from data_converters.synthetic.places.people import Person, standing_person
from data_converters.synthetic.places.streets import Plan, Street, ground_heights
from data_converters.synthetic.tracing.ground import Ground
from data_converters.synthetic.tracing.solids import place

PHASES = 16


@dataclass
class Agent:
    """One moving thing. `forward` is +1 or -1 along its street, `speed` in m/s (0: it stays at
    s0). Without a `label` its rows carry theirs."""

    instance: int
    label: int | None
    street: Street
    offset: float
    s0: float
    forward: int
    speed: float
    radius: float
    rows: np.ndarray | None = None
    person: Person | None = None
    turn: float = 0.0
    sway: float = 0.0
    _poses: dict[int, np.ndarray] = field(default_factory=dict, repr=False)

    def pose(self, plan: Plan, time: float) -> tuple[np.ndarray, float, float]:
        """World position (2,), heading and distance travelled at `time` (s)."""
        travelled = self.speed * time
        span = 2 * plan.extent - 8
        s = (self.s0 + self.forward * travelled + span / 2) % span - span / 2
        offset = self.offset + self.sway * math.sin(0.25 * travelled + self.s0)
        xy, heading = plan.spot(self.street, s, offset)
        heading = heading + (math.pi if self.forward < 0 else 0.0) + self.turn
        return xy, heading, travelled

    def local_rows(self, travelled: float) -> np.ndarray:
        """Solids (P, WIDTH) about the agent's own foot point; walkers by the phase of their step."""
        if self.person is None:
            assert self.rows is not None  # who is no person has a body of its own
            return self.rows
        stride = min(1.0, self.speed / 1.3)
        step = 0.82 * self.person.height
        bin_ = round(travelled / step * PHASES / 2 + self.person.seed * PHASES) % PHASES
        if bin_ not in self._poses:
            self._poses[bin_] = standing_person(self.person, 2 * math.pi * bin_ / PHASES, stride)
        return self._poses[bin_]


def agent_rows(
    agents: list[Agent],
    plan: Plan,
    ground: Ground,
    time: float,
    observer: np.ndarray | None,
    clearance: float,
    view: float,
) -> list[np.ndarray]:
    """Placed solids of all agents at `time`.

    With an `observer` (2,) people step aside to keep `clearance` metres from it, vehicles that
    would touch it are left out, and so is whatever is farther than `view` metres away.
    """
    poses = [(agent, *agent.pose(plan, time)) for agent in agents]
    placed = []
    for agent, xy, heading, travelled in poses:
        if observer is not None:
            gap = xy - observer
            distance = float(np.hypot(*gap))
            if distance > view:
                continue
            if agent.person is None:
                if distance < agent.radius + clearance:
                    continue
            elif distance < 4 * clearance:
                # a smooth push that never lets anybody nearer than the clearance
                reach = math.sqrt(distance**2 + clearance**2 * (1 - distance / (4 * clearance)) ** 2)
                xy = observer + gap * (reach / max(distance, 1e-6))
        placed.append((agent, xy, heading, travelled))
    if not placed:
        return []
    z = ground_heights(ground, np.array([p[1] for p in placed]))
    return [
        place(agent.local_rows(travelled), xy[0], xy[1], height, heading, agent.label, agent.instance)
        for (agent, xy, heading, travelled), height in zip(placed, z)
    ]
