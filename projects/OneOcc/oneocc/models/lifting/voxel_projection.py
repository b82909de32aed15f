"""Where each voxel centre falls in each view: projection with the calibration of that very sample.

Shapes: B batch, N points of a grid in C order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ....core.geometry import OmniCamera, View, transform_points
from ....core.geometry.calibration_cache import CalibrationCache


class VoxelProjection:
    """Projects the centres of one grid, and remembers the answer for constant calibrations.

    Not a module and not a buffer: nothing of it reaches a state dict, so a checkpoint is tied to
    no camera. Projection runs in float64.

    Args:
        centers: (N, 3) voxel centres in the ego frame, metres.
        capacity: calibrations remembered.
        whole_pixels: give the pixel that holds the projected point (int64 column and row) instead of float32
            coordinates. Voxels on a diagonal fall between two pixels; so that every device takes the same one, what
            is remembered is then computed on the CPU.
    """

    def __init__(self, centers: Tensor, capacity: int = 16, whole_pixels: bool = False) -> None:
        self.centers = centers.to(torch.float64).cpu()
        self.whole_pixels = whole_pixels
        self._centers_on: dict[torch.device, Tensor] = {}
        self._known: CalibrationCache[tuple[Tensor, Tensor]] = CalibrationCache(capacity)

    def __call__(
        self, views: Sequence[View], device: torch.device, motion: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Project for every sample of a batch.

        Args:
            views: one a sample.
            device: of the result.
            motion: (B, 3, 4) rotation and translation (m) applied to the centres first; differentiable,
                and never remembered.

        Returns:
            pixels (B, N, 2), arbitrary where not valid; valid (B, N) bool.
        """
        pixels, valid = zip(
            *(
                self._remembered(view, device) if motion is None else self._project(view, motion[b])
                for b, view in enumerate(views)
            )
        )
        return torch.stack(pixels), torch.stack(valid)

    def _remembered(self, view: View, device: torch.device) -> tuple[Tensor, Tensor]:
        """Pixels (N, 2) and valid (N,) of the centres where they are, on the device."""

        def compute() -> tuple[Tensor, Tensor]:
            # The identity keeps the arithmetic, so the bits, of a compensation that rotates by
            # nothing yet.
            with torch.no_grad():
                where = torch.device('cpu') if self.whole_pixels else device
                pixels, valid = self._project(view, torch.eye(3, 4, dtype=torch.float64, device=where))
                return pixels.to(device), valid.to(device)

        return self._known.get((view.key, str(device)), compute)

    def _project(self, view: View, motion: Tensor) -> tuple[Tensor, Tensor]:
        """Pixels (N, 2), float32 or whole int64, and valid (N,) of the centres after `motion` (3, 4), metres."""
        device = motion.device
        if device not in self._centers_on:
            self._centers_on[device] = self.centers.to(device)
        points = transform_points(motion.to(torch.float64), self._centers_on[device])
        pixels, valid = view.project(points)
        return (_whole(view.camera, pixels, valid) if self.whole_pixels else pixels.to(torch.float32)), valid


def _whole(camera: OmniCamera, pixels: Tensor, valid: Tensor) -> Tensor:
    """Coordinates (N, 2) to the pixels (column, row) int64 that hold them; (0, 0) where not valid."""
    pixels = torch.where(valid[:, None], pixels, torch.zeros_like(pixels)).floor().long()
    column, row = pixels.unbind(dim=1)
    # straight behind (phi = pi exactly) the right border of a panorama is its left border
    column = column % camera.width if camera.periodic else column.clamp(0, camera.width - 1)
    return torch.stack([column, row.clamp(0, camera.height - 1)], dim=1)


class RigProjection(nn.Module):
    """The projections of one rig as constants, for graphs that are compiled or exported: no camera is asked any more.

    Args:
        tables: {view: (pixels (B, N, 2), valid (B, N))}.
    """

    def __init__(self, tables: Mapping[str, tuple[Tensor, Tensor]]) -> None:
        super().__init__()
        for view, (pixels, valid) in tables.items():
            self.register_buffer(f'pixels_{view}', pixels, persistent=False)
            self.register_buffer(f'valid_{view}', valid, persistent=False)

    def forward(self, view: str) -> tuple[Tensor, Tensor]:
        """Pixels (B, N, 2) and valid (B, N) of a view."""
        return getattr(self, f'pixels_{view}'), getattr(self, f'valid_{view}')
