"""In which units a run counts: batches an epoch, samples a step, totals; and where a checkpoint stands in them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from .plain_file import CheckpointError


@dataclass(frozen=True)
class RunUnits:
    """What one epoch, one iteration and the whole run mean; None where it is not known.

    Args:
        batches_per_epoch: batches that one process takes in an epoch.
        batch_size: samples of one process in an iteration.
        processes: how many processes train.
        accumulative_counts: iterations whose gradients make one step.
        dataset_length: training samples.
        max_epochs, max_iters: length of the run; one of them counts, the other follows from it.
    """

    batches_per_epoch: int | None = None
    batch_size: int | None = None
    processes: int | None = None
    accumulative_counts: int | None = None
    dataset_length: int | None = None
    max_epochs: int | None = None
    max_iters: int | None = None

    @classmethod
    def of(cls, runner: Any) -> RunUnits:
        """The units of a runner whose training loop is built."""
        loader = runner.train_dataloader
        sampler = getattr(loader, 'batch_sampler', None)
        size = getattr(getattr(sampler, 'batch_sampler', sampler), 'batch_size', None)
        wrapper = runner.optim_wrapper
        return cls(
            batches_per_epoch=len(loader),
            batch_size=size if isinstance(size, int) else None,
            processes=runner.world_size,
            accumulative_counts=getattr(wrapper, '_accumulative_counts', None),
            dataset_length=len(loader.dataset),
            max_epochs=runner.max_epochs,
            max_iters=runner.max_iters,
        )

    @classmethod
    def stored(cls, meta: dict) -> RunUnits:
        """The units that a checkpoint's meta tells; those of release 0.1 tell only some."""
        known = {key: value for key, value in meta.get('units', {}).items() if key in cls.__dataclass_fields__}
        known.setdefault('batches_per_epoch', meta.get('batches_per_epoch'))
        known.setdefault('processes', meta.get('world_size'))
        return cls(**known)

    def to_dict(self) -> dict:
        """For the meta of a checkpoint."""
        return asdict(self)

    @property
    def samples(self) -> int | None:
        """Samples that all processes together take in an iteration."""
        return None if self.batch_size is None or self.processes is None else self.batch_size * self.processes

    def __str__(self) -> str:
        sizes = ' x '.join(
            f'{"?" if count is None else count} {what}'
            for count, what in (
                (self.batch_size, 'samples'),
                (self.processes, 'processes'),
                (self.accumulative_counts, 'accumulated'),
            )
        )
        totals = f'{self.max_epochs} epochs, {self.max_iters} iterations'
        return f'{self.batches_per_epoch} batches an epoch ({sizes}), {totals}'


def position_now(epoch: int, iteration: int, old: RunUnits, new: RunUnits, by_epoch: bool) -> int:
    """The iteration of this run at which a checkpoint of `epoch` and `iteration` of the old run stands.

    At the end of an epoch that is the same epoch in this run's batches. Within an epoch, and in a run
    that counts iterations, it is defined only where both runs take the same samples in an iteration.

    Raises:
        CheckpointError: the position means nothing here, or lies beyond the end of the run; with the
            numbers of both.
    """
    before, now = old.batches_per_epoch, new.batches_per_epoch
    same = before in (None, now) and all(
        None in (a, b) or a == b for a, b in ((old.samples, new.samples), (old.dataset_length, new.dataset_length))
    )
    if not same and (not by_epoch or before is None or iteration != epoch * before):
        if before not in (None, now):
            numbers = f'{now} batches an epoch, got {before}'
        elif None not in (old.samples, new.samples) and old.samples != new.samples:
            numbers = f'{new.samples} samples an iteration, got {old.samples}'
        else:
            numbers = f'{new.dataset_length} training samples, got {old.dataset_length}'
        raise CheckpointError(
            f'expected {numbers}; a checkpoint within an epoch, or of a run that counts iterations, can only be '
            'resumed with the same data, batch size and number of processes'
        )
    if not same:
        iteration = epoch * now
    reached, end, what = (epoch, new.max_epochs, 'epochs') if by_epoch else (iteration, new.max_iters, 'iterations')
    if reached > end:
        raise CheckpointError(
            f'expected a checkpoint of at most {end} {what}, got one of {reached}: there is nothing left to '
            f'train; raise train_cfg.max_{"epochs" if by_epoch else "iters"}'
        )
    return iteration
