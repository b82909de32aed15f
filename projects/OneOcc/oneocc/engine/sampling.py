"""Training batches that depend on the seed and the position alone.

A batch of a training run is a function of (seed, epoch, position): not of the number of workers, of
what the main process drew in between, nor of where the run was interrupted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from mmengine.dataset import InfiniteSampler
from torch.utils.data import DataLoader, Dataset, get_worker_info

from .random_state import preserved_random_state, seed_sample


@dataclass(frozen=True)
class SampleTicket:
    """What to load (`index`) and in which turn (`turn`: the epoch, or the step of an endless run)."""

    index: int
    turn: int


class SeededDataset(Dataset):
    """A dataset whose every sample is drawn from its own random state, (seed, turn, index).

    Everything but indexing is the wrapped dataset's.
    """

    def __init__(self, dataset: Any, seed: int) -> None:
        self.dataset = dataset
        self.seed = seed

    def __getitem__(self, ticket: SampleTicket):
        if get_worker_info() is not None:  # a worker's generators serve nothing but samples
            seed_sample(self.seed, ticket.turn, ticket.index)
            return self.dataset[ticket.index]
        with preserved_random_state():
            seed_sample(self.seed, ticket.turn, ticket.index)
            return self.dataset[ticket.index]

    def __len__(self) -> int:
        return len(self.dataset)

    def __getattr__(self, name: str):
        if name in ('dataset', '__setstate__'):  # asked for while unpickling, before it is set
            raise AttributeError(name)
        return getattr(self.dataset, name)


class PositionedBatchSampler:
    """Batches of tickets that can begin at any epoch and position.

    Args:
        batch_sampler: yields lists of indices.
        endless: go on with the next epoch for ever (for loops that count iterations).
    """

    def __init__(self, batch_sampler, endless: bool = False) -> None:
        self.batch_sampler = batch_sampler
        self.endless = endless
        self.epoch = 0
        self.position = 0

    @property
    def sampler(self):
        """The index sampler; mmengine's DistSamplerSeedHook looks for it here."""
        return self.batch_sampler.sampler

    def seek(self, epoch: int, position: int = 0) -> None:
        """Makes the next iteration begin before batch `position` of `epoch`.

        An endless sampler counts positions from the beginning of the run, with epoch 0.
        """
        self.epoch, self.position = epoch, position

    def __len__(self) -> int:
        return len(self.batch_sampler)

    def __iter__(self) -> Iterator[list[SampleTicket]]:
        if not self.endless:
            yield from self._one_epoch(self.epoch, self.position)
        elif isinstance(self.sampler, InfiniteSampler):
            batches = islice(self.batch_sampler, self.position, None)
            for step, batch in enumerate(batches, self.position):
                yield [SampleTicket(index, step) for index in batch]
        else:
            epoch, position = divmod(self.position, len(self))
            while True:
                yield from self._one_epoch(epoch, position)
                epoch, position = epoch + 1, 0

    def _one_epoch(self, epoch: int, position: int) -> Iterator[list[SampleTicket]]:
        if hasattr(self.sampler, 'set_epoch'):
            self.sampler.set_epoch(epoch)
        for batch in islice(self.batch_sampler, position, None):
            yield [SampleTicket(index, epoch) for index in batch]


def positioned_loader(loader: DataLoader, seed: int, endless: bool = False) -> DataLoader:
    """The same loader with seeded samples and a batch sampler that can begin anywhere."""
    seeded = SeededDataset(loader.dataset, seed)
    if len(seeded) == 0:
        raise ValueError(f'expected at least one training sample, got an empty {type(loader.dataset).__name__}')
    return DataLoader(
        seeded,
        batch_sampler=PositionedBatchSampler(loader.batch_sampler, endless),
        num_workers=loader.num_workers,
        collate_fn=loader.collate_fn,
        pin_memory=loader.pin_memory,
        timeout=loader.timeout,
        worker_init_fn=loader.worker_init_fn,
        multiprocessing_context=loader.multiprocessing_context,
        prefetch_factor=loader.prefetch_factor,
        persistent_workers=loader.persistent_workers,
        generator=torch.Generator(),
    )  # its own, so that making an iterator draws from nobody else's
