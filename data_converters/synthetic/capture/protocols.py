"""What the two synthetic sets consist of: sequences, frames, sensors, grids, splits.

| set | sequences | frames each | key frames | camera | lidar | grids |
|---|---|---|---|---|---|---|
| quadsim | 10 maps x 1 | 2400 at 10 Hz | every 5th | annulus 1280x960 | 20000 rays | 64x64x8 |
| quadsim --mini | 20 maps x 1 | 36 at 3 Hz | every 3rd | annulus 320x240 | 10000 rays | 64x64x8 |
| humansim | 16 maps x 10 | 50 at 2 Hz | all | 608x1216 | - | 64x64x8, 128x128x16 |
| humansim --mini | 4 maps x 5 | 12 at 1 Hz | all | 128x256 | - | 64x64x8, 128x128x16 |

QuadSim is split by sequence, and every map belongs to one sequence only (a heterogeneous split);
the last three tenths are val, by day, dusk and night. The mini set has more and shorter rides than
the full one: with few frames, what a model learns of other places hangs on how many it has seen.
The lidar is non-repetitive and tilted, as QuadOcc's; `SPINNING` is the other choice.
HumanSim is split within the maps (the last fifth of each map's sequences is within_val) and across
them (the last quarter of the maps is cross_val).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from data_converters.synthetic.capture.gait import TROT, WALK, GaitStyle
from data_converters.synthetic.capture.lidar import LidarUnit, SpinningLidar
from data_converters.synthetic.capture.livox import NonRepetitiveLidar
from projects.OneOcc.core.geometry import CartesianGrid

LIGHTINGS = ('day', 'dusk', 'night')
HUMAN_WEATHERS = ('clear', 'overcast', 'rain', 'fog')
QUAD_GRIDS = (CartesianGrid((64, 64, 8), 0.4, (-12.8, -12.8, -1.2)),)
HUMAN_GRIDS = (
    CartesianGrid((64, 64, 8), 0.4, (-12.8, -12.8, -2.4)),
    CartesianGrid((128, 128, 16), 0.2, (-12.8, -12.8, -2.4)),
)


@dataclass(frozen=True)
class SequencePlan:
    """One sequence: its name, where and when it takes place, and the seeds of world and ride."""

    name: str
    map: str
    lighting: str
    weather: str
    world_seed: int
    path_seed: int
    noise_seed: int


@dataclass(frozen=True)
class Protocol:
    """Everything that decides the content of a set; equal protocols and seeds give equal bytes.

    Attributes:
        robot: 'quadruped' or 'human'; the kind of world and of gait follows from it.
        maps, sequences: Number of maps, and of sequences in each of them.
        frames, frame_hz: Frames of a sequence.
        key_stride: Every so many frames one has images and labels; the others have lidar only.
        image_size: (width, height) of the camera.
        lidar: the unit, or None: depth and semantic panoramas instead.
        grids: Label grids; the first is the default one.
    """

    dataset: str
    robot: str
    seed: int
    maps: int
    sequences: int
    frames: int
    frame_hz: float
    key_stride: int
    image_size: tuple[int, int]
    lidar: LidarUnit | None
    grids: tuple[CartesianGrid, ...]

    def __post_init__(self) -> None:
        for name in ('maps', 'sequences', 'frames', 'key_stride'):
            if getattr(self, name) < 1:
                raise ValueError(f'{name}: expected at least 1, got {getattr(self, name)}')

    @property
    def is_quad(self) -> bool:
        return self.robot == 'quadruped'

    @property
    def world_kind(self) -> str:
        """Argument of `build_world`."""
        return 'quad' if self.is_quad else 'human'

    @property
    def gait(self) -> GaitStyle:
        return TROT if self.is_quad else WALK

    @property
    def path_length_m(self) -> float:
        """Length of the way that a sequence walks, with a little to spare."""
        return self.frames / self.frame_hz * self.gait.speed_mps + 3.0

    def plans(self) -> list[SequencePlan]:
        """All sequences, in their order."""
        return [self._plan(m, s) for m in range(self.maps) for s in range(self.sequences)]

    def splits(self) -> dict[str, list[str]]:
        """Split name -> names of its sequences.

        Raises:
            ValueError: Too few sequences or maps to fill every split.
        """
        if self.is_quad:
            names = [plan.name for plan in self.plans()]
            if len(names) < 2:
                raise ValueError(f'sequences: expected at least 2 (one for train, one for val), got {len(names)}')
            held_out = max(1, round(0.3 * len(names)))
            return dict(train=names[:-held_out], val=names[-held_out:])
        if self.maps < 2 or self.sequences < 2:
            raise ValueError(
                'expected at least 2 maps of 2 sequences each (so that no split is '
                f'empty), got {self.maps} maps of {self.sequences}'
            )
        held_sequences = max(1, round(0.2 * self.sequences))
        held_maps = max(1, round(0.25 * self.maps))
        splits: dict[str, list[str]] = dict(within_train=[], within_val=[], cross_train=[], cross_val=[])
        for index, plan in enumerate(self.plans()):
            m, s = divmod(index, self.sequences)
            within = 'val' if s >= self.sequences - held_sequences else 'train'
            cross = 'val' if m >= self.maps - held_maps else 'train'
            splits[f'within_{within}'].append(plan.name)
            splits[f'cross_{cross}'].append(plan.name)
        return splits

    def settings(self) -> dict[str, Any]:
        """JSON-able description; two runs belong together if these are equal."""
        return dict(
            asdict(self),
            grids=[grid.to_dict() for grid in self.grids],
            gait=asdict(self.gait),
            image_size=list(self.image_size),
            lidar=None if self.lidar is None else dict(asdict(self.lidar), unit=type(self.lidar).__name__),
        )

    def _plan(self, m: int, s: int) -> SequencePlan:
        world_seed = _seed(self.seed, self.is_quad, 0, m)
        path_seed, noise_seed = (_seed(self.seed, self.is_quad, k, m, s) for k in (1, 2))
        if self.is_quad:
            index = m * self.sequences + s
            return SequencePlan(
                f'seq{index:02d}', f'map{m:02d}', LIGHTINGS[index % 3], 'clear', world_seed, path_seed, noise_seed
            )
        # steps of 2 and 3 through lists of 3 and 4 meet every combination within 12 sequences
        return SequencePlan(
            f'map{m:02d}_seq{s:02d}',
            f'map{m:02d}',
            LIGHTINGS[(m + 2 * s) % 3],
            HUMAN_WEATHERS[(m + 3 * s) % 4],
            world_seed,
            path_seed,
            noise_seed,
        )


QUADSIM = Protocol(
    'quadsim',
    'quadruped',
    0,
    maps=10,
    sequences=1,
    frames=2400,
    frame_hz=10.0,
    key_stride=5,
    image_size=(1280, 960),
    lidar=NonRepetitiveLidar(points=20000, frame_s=0.1),
    grids=QUAD_GRIDS,
)
QUADSIM_MINI = replace(
    QUADSIM,
    maps=20,
    frames=36,
    frame_hz=3.0,
    key_stride=3,
    image_size=(320, 240),
    lidar=NonRepetitiveLidar(points=10000, frame_s=0.33),
)
HUMANSIM = Protocol(
    'humansim',
    'human',
    0,
    maps=16,
    sequences=10,
    frames=50,
    frame_hz=2.0,
    key_stride=1,
    image_size=(1216, 608),
    lidar=None,
    grids=HUMAN_GRIDS,
)
HUMANSIM_MINI = replace(HUMANSIM, maps=4, sequences=5, frames=12, frame_hz=1.0, image_size=(256, 128))

# spinning units that may take the place of the non-repetitive ones: of the full set, of the mini set
SPINNING = {
    False: SpinningLidar(rings=32, columns=1024),
    True: SpinningLidar(rings=24, columns=360),
}


def _seed(*key: int) -> int:
    """A 32-bit seed that depends on the whole key."""
    sequence = np.random.SeedSequence(int(key[0]), spawn_key=tuple(int(k) for k in key[1:]))
    return int(sequence.generate_state(1)[0])
