"""Where each voxel centre falls in each view: projection with the calibration of that very sample.

Shapes: B batch, N points of a grid in C order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ....core.geometry import transform_points
from ....core.geometry.calibration_cache import CalibrationCache


class VoxelProjection:
    """Projects the centres of one grid, and remembers the answer for constant calibrations.

    Not a module and not a buffer: nothing of it reaches a state dict, so a checkpoint is tied to
    no camera. Projection runs in float64, pixels leave as float32.

    Args:
        centers: (N, 3) voxel centres in the ego frame, metres.
        capacity: calibrations remembered.
    """

    def __init__(self, centers: Tensor, capacity: int = 16) -> None:
        self.centers = centers.to(torch.float64).cpu()
        self._centers_on: dict[torch.device, Tensor] = {}
        self._known = CalibrationCache(capacity)

    def __call__(
        self,
        calibrations: Sequence[Mapping],
        image_size: tuple[int, int],
        device: torch.device,
        motion: Tensor | None = None,  # (B, 3, 4)
    ) -> tuple[Tensor, Tensor]:
        """Project for every sample of a batch.

        Args:
            calibrations: one a sample: 'camera' and 'cam_from_ego'.
            image_size: (H, W) of the view's image; must be the cameras' own.
            motion: rotation and translation applied to the centres first; differentiable, and
                never remembered.

        Returns:
            pixels (B, N, 2) float32, valid (B, N) bool.
        """
        pixels, valid = zip(
            *(
                self._constant(calibration, image_size, device)
                if motion is None
                else self._moved(calibration, image_size, motion[b])
                for b, calibration in enumerate(calibrations)
            )
        )
        return torch.stack(pixels), torch.stack(valid)

    def _constant(self, calibration, image_size, device) -> tuple[Tensor, Tensor]:
        def compute() -> tuple[Tensor, Tensor]:
            # The identity keeps the arithmetic, so the bits, of a compensation that rotates by
            # nothing yet.
            with torch.no_grad():
                still = torch.eye(3, 4, dtype=torch.float64, device=device)
                return self._moved(calibration, image_size, still)

        return self._known.get(calibration, tuple(image_size), device, compute)

    def _moved(self, calibration, image_size, motion) -> tuple[Tensor, Tensor]:
        camera = calibration['camera']
        if (camera.height, camera.width) != tuple(image_size):
            raise ValueError(
                f'the calibration is of a {camera.height} x {camera.width} image, but the view '
                f'is {image_size[0]} x {image_size[1]}: resize camera and image together'
            )
        device = motion.device
        if device not in self._centers_on:
            self._centers_on[device] = self.centers.to(device)
        points = transform_points(motion.to(torch.float64), self._centers_on[device])
        pixels, valid = camera.project(transform_points(calibration['cam_from_ego'], points))
        return pixels.to(torch.float32), valid
