"""One view of a frame: a camera and where it hangs."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from torch import Tensor

from ..named_fields import NamedFields
from .checks import check_rigid
from .grids import CartesianGrid, CylindricalGrid
from .omni_camera import OmniCamera
from .transforms import transform_points

MIRROR_Y = np.diag((1.0, -1.0, 1.0, 1.0))


@dataclass(frozen=True, eq=False)
class View(NamedFields):
    """A camera and its mount. Equal, and equally hashed, where both have equal values.

    `view['camera']` and `view['cam_from_ego']` work as well, from when a view was a dict; `View.of` takes such dicts.

    Attributes:
        camera: lens and image size.
        cam_from_ego: (4, 4) float64, x_cam = cam_from_ego @ x_ego in metres; read-only.

    Raises:
        ValueError: cam_from_ego is no rigid transform.
    """

    camera: OmniCamera
    cam_from_ego: np.ndarray

    def __post_init__(self) -> None:
        pose = check_rigid('cam_from_ego', self.cam_from_ego).copy()
        pose.setflags(write=False)
        object.__setattr__(self, 'cam_from_ego', pose)

    @classmethod
    def of(cls, value: View | Mapping) -> View:
        """The view itself, or the one that a mapping with 'camera' and 'cam_from_ego' describes."""
        if isinstance(value, View):
            return value
        if not isinstance(value, Mapping) or not {'camera', 'cam_from_ego'} <= set(value):
            got = sorted(value) if isinstance(value, Mapping) else type(value).__name__
            raise ValueError(f"expected a View or a mapping with 'camera' and 'cam_from_ego', got {got}")
        return cls(value['camera'], value['cam_from_ego'])

    @cached_property
    def key(self) -> Hashable:
        """The value of the calibration, for tables that follow from it (`CalibrationCache`)."""
        # + 0.0 makes one zero of the two
        return json.dumps(self.camera.to_dict(), sort_keys=True), (self.cam_from_ego + 0.0).tobytes()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, View) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __deepcopy__(self, memo: dict) -> View:
        return self  # a value: every sample's metainfo is copied, and numpy's copies could be written to

    def __reduce__(self) -> tuple:
        return View, (self.camera, self.cam_from_ego)

    def project(self, points_ego: Tensor) -> tuple[Tensor, Tensor]:
        """Points (..., 3) in the ego frame in metres to pixels (..., 2) and valid (...)."""
        return self.camera.project(transform_points(self.cam_from_ego, points_ego))

    def visible(self, where: Tensor | CartesianGrid | CylindricalGrid) -> Tensor:
        """Which points (..., 3), or centres of a grid's cells, fall into the image; occlusion plays no part.

        Returns:
            (...) bool, of a grid (X, Y, Z) or (R, PHI, Z).
        """
        return self.project(where if isinstance(where, Tensor) else where.centers())[1]

    def check_image_size(self, size: Sequence[int], source: str) -> None:
        """Refuse, by ValueError, an image of another size (H, W) than the calibration's; `source` names the image."""
        height, width = size
        self.camera.check_image(height, width, source)

    def resized(self, width: int, height: int) -> View:
        """The view of an image resampled to width x height pixels."""
        return View(self.camera.resized(width, height), self.cam_from_ego)

    def mirrored(self) -> View:
        """The view of an image flipped left-right, in the ego frame with y_new = -y_old."""
        return View(self.camera.mirrored(), self.camera.mirror @ self.cam_from_ego @ MIRROR_Y)
