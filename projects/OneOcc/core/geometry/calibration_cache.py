"""Tables that follow from the calibration alone, computed once for each calibration that is met."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Table = TypeVar('Table')


class CalibrationCache(Generic[Table]):
    """The least recently used tables, by the VALUE of a calibration (`View.key`).

    No buffer and no parameter, so nothing of it enters a state dict. Augmented samples bring a new
    calibration each time; they only push each other out.

    Args:
        capacity: number of tables that are remembered.
    """

    def __init__(self, capacity: int = 16) -> None:
        self.capacity = capacity
        self._tables: OrderedDict[Hashable, Table] = OrderedDict()

    def __len__(self) -> int:
        return len(self._tables)

    def get(self, key: Hashable, compute: Callable[[], Table]) -> Table:
        """`compute()`, or what it gave for this key before; the key holds all that the table depends on."""
        if key not in self._tables:
            self._tables[key] = compute()
            if len(self._tables) > self.capacity:
                self._tables.popitem(last=False)
        self._tables.move_to_end(key)
        return self._tables[key]
