"""What a view transformer or a voxel encoder hands to the neck."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from torch import Tensor

from ...core.named_fields import NamedFields


@dataclass(frozen=True, eq=False)
class Volumes(NamedFields):
    """Features on voxel grids. A method with more to hand over derives from this class.

    `volumes['cartesian']` works as well, from when volumes were a dict; `Volumes.of` takes such dicts.

    Attributes:
        cartesian: (B, C, X, Y, Z).
        visible: (B, X, Y, Z) bool, voxels that the lifting could fill; None: it does not say.
        cylindrical: (B, C, R, PHI, Z), periodic along PHI.
        cylindrical_visible: (B, R, PHI, Z) bool.
        polar: {level l: (B, C, X/l, Y/l, Z/l)}, the cylindrical volume gathered onto the Cartesian grid (Eq. 8).
        points: B tensors (N_i, 4 or more), the points inside the grid (x, y, z in metres, ego frame, ...).
        indices: B tensors (N_i, 3) int64, the voxels of these points.
    """

    cartesian: Tensor
    visible: Tensor | None = None
    cylindrical: Tensor | None = None
    cylindrical_visible: Tensor | None = None
    polar: Mapping[int, Tensor] | None = None
    points: Sequence[Tensor] | None = None
    indices: Sequence[Tensor] | None = None

    @classmethod
    def of(cls, value: Volumes | Mapping) -> Volumes:
        """The volumes themselves, or those that a mapping holds by name; ValueError on a name that is none."""
        if isinstance(value, Volumes):
            return value
        known = [field.name for field in fields(cls)]
        if not isinstance(value, Mapping) or 'cartesian' not in value or not set(value) <= set(known):
            got = sorted(value) if isinstance(value, Mapping) else type(value).__name__
            raise ValueError(f"expected Volumes or a mapping with 'cartesian' and others of {known}, got {got}")
        return cls(**value)
