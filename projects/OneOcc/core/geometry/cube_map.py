"""Six square views of 90 degrees in one picture, as one camera that sees the whole sphere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from . import masks
from .checks import check_points
from .masks import Mask
from .omni_camera import HALF_PI, OmniCamera, check_size

# Right, down and out of every face in the ego-like frame (x forward, y left, z up), as seen from inside the cube.
# The top face continues the front one upwards (its lower border), the bottom one downwards (its upper border).
FACES: dict[str, tuple[tuple[int, int, int], tuple[int, int, int], tuple[int, int, int]]] = {
    'front': ((0, -1, 0), (0, 0, -1), (1, 0, 0)),
    'right': ((-1, 0, 0), (0, 0, -1), (0, -1, 0)),
    'back': ((0, 1, 0), (0, 0, -1), (-1, 0, 0)),
    'left': ((1, 0, 0), (0, 0, -1), (0, 1, 0)),
    'top': ((0, -1, 0), (1, 0, 0), (0, 0, 1)),
    'bottom': ((0, -1, 0), (-1, 0, 0), (0, 0, -1)),
}
STRIP = (('front', 'right', 'back', 'left', 'top', 'bottom'),)
_MIRRORED = {'left': 'right', 'right': 'left'}


def face_from_ego(face: str) -> np.ndarray:
    """(3, 3) rotation from the ego-like frame to that of the face's own camera (x right, y down, z out)."""
    return np.array(FACES[face], dtype=np.float64)


class CubeMapCamera(OmniCamera):
    """A picture of cube faces side by side; its frame is ego-like (x forward, y left, z up).

    Args:
        width, height: of the whole picture, whole multiples of the numbers of columns and rows.
        faces: rows of names out of front, right, back, left, top, bottom; None where a cross is empty. What no
            face shows is not seen.
        mask: which pixels see the world: see ``read_mask`` for the ways to give it.

    Raises:
        ValueError: unknown or repeated faces, rows of different lengths, a size that does not divide.
    """

    def __init__(
        self,
        width: int,
        height: int,
        faces: Sequence[Sequence[str | None]] = STRIP,
        mask: Mask = None,
    ) -> None:
        self.width, self.height = check_size(width, height)
        self.faces = tuple(tuple(row) for row in faces)
        names = [name for row in self.faces for name in row if name is not None]
        if not names or len(set(names)) != len(names) or not set(names) <= set(FACES):
            raise ValueError(f'faces: expected each of {list(FACES)} at most once, got {names}')
        columns = {len(row) for row in self.faces}
        if len(columns) != 1 or self.width % max(columns) or self.height % len(self.faces):
            raise ValueError(
                f'faces: expected rows of one length that divide {self.width}x{self.height}, got {self.faces}'
            )
        self.face_size = (self.width // max(columns), self.height // len(self.faces))
        self.elevation_range = (-HALF_PI, HALF_PI)
        self._set_mask(mask)
        places = {name: (i, j) for i, row in enumerate(self.faces) for j, name in enumerate(row) if name is not None}
        self._axes = np.array([FACES[name] for name in FACES], dtype=np.float64)
        self._corner = np.array([places.get(name, (0, 0))[::-1] for name in FACES]) * self.face_size
        self._present = np.array([name in places for name in FACES])
        order = list(FACES)
        self._face_at = np.array([[order.index(name) if name else -1 for name in row] for row in self.faces])

    def project(self, points_cam: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(..., 3) metres -> pixels (..., 2), valid (...); see `OmniCamera.project`."""
        points = check_points('points_cam', points_cam, 3)
        seen = torch.isfinite(points).all(-1) & (points != 0).any(-1)
        ahead = points.new_tensor((1.0, 0.0, 0.0)).expand_as(points)
        points = torch.where(seen[..., None], points, ahead)
        axes, corner, present = self._tables(points)
        along = (points[..., None, :] * axes[:, 2]).sum(-1)
        # A face that is not in the picture loses to any that is; its rays are marked, and land on a border.
        face = torch.where(present, along, along - 4 * points.abs().amax(-1, keepdim=True)).argmax(-1)
        right, down, out = ((points * axes[face][..., k, :]).sum(-1) for k in range(3))
        valid = seen & (out > 0) & (torch.maximum(right.abs(), down.abs()) <= out * (1 + 4 * _eps(points)))
        out = out.clamp_min(1e-30)
        width, height = self.face_size
        u = (right / out).clamp(-1, 1) * (width / 2) + width / 2 + corner[face][..., 0]
        v = (down / out).clamp(-1, 1) * (height / 2) + height / 2 + corner[face][..., 1]
        pixels = torch.stack((u, v), dim=-1)
        return pixels, valid & self._unmasked(pixels)

    def unproject(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(..., 2) pixels -> unit rays (..., 3), valid (...); see `OmniCamera.unproject`."""
        pixels = check_points('pixels', pixels, 2)
        axes, corner, _ = self._tables(pixels)
        width, height = self.face_size
        place = pixels.detach().nan_to_num()
        column = (place[..., 0] / width).floor().long().clamp(0, len(self.faces[0]) - 1)
        row = (place[..., 1] / height).floor().long().clamp(0, len(self.faces) - 1)
        face = torch.as_tensor(self._face_at, device=pixels.device)[row, column]
        valid = (face >= 0) & self._inside(pixels) & self._unmasked(pixels)
        face = face.clamp_min(0)
        at = (pixels - corner[face]) * pixels.new_tensor((2 / width, 2 / height)) - 1
        at = at.clamp(-1, 1)
        rays = at[..., 0:1] * axes[face][..., 0, :] + at[..., 1:2] * axes[face][..., 1, :] + axes[face][..., 2, :]
        return torch.nn.functional.normalize(rays, dim=-1), valid

    def to_dict(self) -> dict[str, Any]:
        faces = [list(row) for row in self.faces]
        return dict(model='cube_map', width=self.width, height=self.height, faces=faces, **self._mask_entry())

    def resized(self, width: int, height: int) -> CubeMapCamera:
        return CubeMapCamera(width, height, self.faces, masks.resized(self.mask, width, height))

    def mirrored(self) -> CubeMapCamera:
        faces = [[_MIRRORED.get(name, name) if name else None for name in reversed(row)] for row in self.faces]
        return CubeMapCamera(self.width, self.height, faces, masks.mirrored(self.mask))

    @property
    def mirror(self) -> np.ndarray:
        """(4, 4) reflection of the camera frame that a flipped picture stands for: y changes its sign."""
        return np.diag((1.0, -1.0, 1.0, 1.0))

    def _tables(self, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Of each of FACES the axes right, down, out (6, 3, 3), the upper left pixel (6, 2), and presence (6,)."""
        return (
            torch.as_tensor(self._axes, dtype=like.dtype, device=like.device),
            torch.as_tensor(self._corner, dtype=like.dtype, device=like.device),
            torch.as_tensor(self._present, device=like.device),
        )


def _eps(tensor: torch.Tensor) -> float:
    return torch.finfo(tensor.dtype).eps
