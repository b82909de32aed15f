"""Voxel labels drawn into the image of the camera that should see them."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
import torch

from ...core.geometry import CartesianGrid, OmniCamera, View
from .faces import paint, shaded_colours, subdivided, visible_faces
from .palette import Labels, as_labels, colour_table, drawn


def overlay_labels(
    image: np.ndarray,
    labels: Labels,
    grid: CartesianGrid,
    palette: Sequence[Sequence[int]],
    camera: OmniCamera,
    cam_from_ego: npt.ArrayLike,
    opacity: float = 0.6,
    unknown: str = 'hide',
) -> np.ndarray:
    """Blend the voxels' faces, as this camera sees them, over its image.

    Args:
        image: (H, W, 3) uint8 RGB of the camera's size.
        labels: (X, Y, Z) uint8 tensor or array.
        grid: where the volume lies in the ego frame.
        palette: C RGB triples.
        camera, cam_from_ego: whose image it is and where it hangs, (4, 4).
        opacity: of the labels, 0..1.
        unknown: ``'show'`` draws unknown voxels as grey matter; else they are air.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    view = View(camera, cam_from_ego)
    view.check_image_size(image.shape[:2], source='overlay_labels')
    volume = drawn(as_labels('labels', labels), unknown)
    faces = visible_faces(volume, grid, np.linalg.inv(view.cam_from_ego)[:3, 3])
    pixels, valid = _project(faces.corners, view)
    # Close faces are cut: their edges are curves in a panorama, and only parts of them may be seen.
    large = np.ptp(pixels, axis=1).max(axis=1) > max(image.shape[:2]) / 36
    faces, cut = subdivided(faces, large, 4)
    pixels, valid = _project(faces.corners, view)
    colours = shaded_colours(faces, colour_table(palette), volume.shape[2])
    # Corners beyond the lens's band are projected onto its edge, so that faces end there.
    keep = valid.any(axis=1)
    pixels, colours, outline = pixels[keep], colours[keep], np.where(cut[keep], 1.0, 0.7)
    # Small pictures are drawn larger and averaged: an annulus of 320 px has faces below a pixel.
    factor = 2 if max(image.shape[:2]) <= 1400 else 1
    shape = (image.shape[0] * factor, image.shape[1] * factor)
    layer, covered = np.zeros((*shape, 3), np.uint8), np.zeros((*shape, 3), np.uint8)
    pixels = pixels * factor
    if camera.periodic:
        pixels, rank = _across_the_seam(pixels, shape[1])
        colours, outline = colours[rank], outline[rank]
    paint(layer, pixels, colours, outline)
    paint(covered, pixels, np.full_like(colours, 255), 1.0)
    size = (image.shape[1], image.shape[0])
    layer = cv2.resize(layer, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    share = cv2.resize(covered, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    # The layer is black where nothing was painted, that is, already weighted by its share.
    seeing = camera.valid_mask().numpy()[..., None]
    layer, share = layer * seeing, share * seeing
    return np.rint(image * (1 - opacity * share) + opacity * layer).clip(0, 255).astype(np.uint8)


def _project(corners: np.ndarray, view: View) -> tuple[np.ndarray, np.ndarray]:
    """Corners (F, 4, 3) in the ego frame to pixels (F, 4, 2) and valid (F, 4)."""
    pixels, valid = view.project(torch.from_numpy(corners))
    return pixels.numpy(), valid.numpy()


def _across_the_seam(polygons: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Unwrap faces along u, drop those round a pole, and draw the ones on the seam at both ends.

    Returns:
        (F', 4, 2) polygons and (F',) the face that each comes from, order kept.
    """
    polygons = polygons.copy()
    u = polygons[..., 0]
    u -= np.round((u - u[:, :1]) / width) * width
    sound = np.flatnonzero(np.ptp(u, axis=1) < width / 2)
    polygons, u = polygons[sound], u[sound]
    copies, origin = [polygons], [np.arange(len(polygons))]
    for turn, beyond in ((width, u.min(axis=1) < 0), (-width, u.max(axis=1) > width)):
        copies.append(polygons[beyond] + np.array([turn, 0.0]))
        origin.append(np.flatnonzero(beyond))
    origin = np.concatenate(origin)
    rank = np.argsort(origin, kind='stable')
    return np.concatenate(copies)[rank], sound[origin[rank]]
