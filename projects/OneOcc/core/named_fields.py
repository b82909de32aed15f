"""Dataclasses that can also be read like the dicts that stood in their places in release 0.1."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import Field, fields
from typing import Any, ClassVar


class NamedFields(Mapping):
    """Mixin of a dataclass: `value['field']`, `'field' in value`, `dict(value, field=other)`.

    New code reads attributes. Fields that are None are not there, as an absent key was not.

    Raises:
        KeyError: a name that is no field or whose field is None; the message holds those that are there.
    """

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]  # of the dataclass that mixes this in

    def __getitem__(self, name: str) -> Any:
        if name not in set(self):
            raise KeyError(f'{type(self).__name__}: expected one of {list(self)}, got {name!r}')
        return getattr(self, name)

    def __iter__(self) -> Iterator[str]:
        return (field.name for field in fields(self) if getattr(self, field.name) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    # Mapping would compare contents, and tensors have no truth value.
    __eq__ = object.__eq__
    __hash__ = object.__hash__
