"""What a neck hands to the head."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor

RELATION = 'relation_logits'


@dataclass(frozen=True, eq=False)
class Levels(Mapping):
    """Features at several strides of the label grid.

    `levels[stride]` and `levels['relation_logits']` work as well, from when levels were a dict; `Levels.of` takes
    such dicts.

    Attributes:
        features: {stride s: (B, C_s, X/s, Y/s, Z/s)}.
        relation_logits: (B, R, M, N) of a context relation prior: relation, super-voxels, voxels; None without one.
    """

    features: Mapping[int, Tensor]
    relation_logits: Tensor | None = None

    @classmethod
    def of(cls, value: Levels | Mapping) -> Levels:
        """The levels themselves, or those that a mapping holds by stride."""
        if isinstance(value, Levels):
            return value
        if not isinstance(value, Mapping) or not all(isinstance(key, int) or key == RELATION for key in value):
            got = list(value) if isinstance(value, Mapping) else type(value).__name__
            raise ValueError(f'expected Levels or a mapping with strides and perhaps {RELATION!r}, got {got}')
        return cls({key: level for key, level in value.items() if key != RELATION}, value.get(RELATION))

    def at(self, stride: int) -> Tensor:
        """The features (B, C_s, X/s, Y/s, Z/s) of a stride; ValueError if the neck did not give them."""
        if stride not in self.features:
            raise ValueError(f'the head: expected the stride {stride}, got {list(self)}')
        return self.features[stride]

    def __getitem__(self, key: int | str) -> Tensor:
        """Features (B, C, ...) of a stride, or the relation logits (B, R, M, N)."""
        if not isinstance(key, str):
            return self.features[key]
        if key != RELATION or self.relation_logits is None:
            raise KeyError(key)
        return self.relation_logits

    def __iter__(self) -> Iterator[int | str]:
        yield from self.features
        if self.relation_logits is not None:
            yield RELATION

    def __len__(self) -> int:
        return len(self.features) + (self.relation_logits is not None)

    # Mapping would compare contents, and tensors have no truth value.
    __eq__ = object.__eq__
    __hash__ = object.__hash__
