"""What a robot's panoramic camera sees: native rendering through any `OmniCamera`, with a sensor's
imperfections."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch

from data_converters.synthetic.capture.blur import smear
from data_converters.synthetic.capture.lidar import SpinningLidar, scan_lidar
from data_converters.synthetic.places.world import Scene
from data_converters.synthetic.shading.lighting import Lighting
from data_converters.synthetic.shading.shading import Setting, shade_all
from data_converters.synthetic.tracing import raycast as rc
from data_converters.synthetic.tracing.vectors import row_of
from projects.OneOcc.core.geometry import OmniCamera, check_rigid

__all__ = ['Lighting', 'SpinningLidar', 'render_panorama', 'scan_lidar']

MAX_RANGE = 150.0
# places of the extra rays of an edge pixel, in pixels from its centre
_SUBPIXELS = ((-0.30, -0.13), (0.13, -0.30), (0.30, 0.20))
LAMP_VIEW = 75.0
# at a walking gait's turning rates a shorter exposure smears less than a pixel
LONG_SHUTTER_S = 0.01


@lru_cache(maxsize=8)
def _camera_rays(camera: OmniCamera) -> tuple[np.ndarray, np.ndarray, float]:
    """Pixels that see the world (N,) as flat indices; their rays (1 + subpixels, N, 3); radians per
    pixel."""
    centres = camera.pixel_centers()
    rays, valid = camera.unproject(centres)
    index = np.flatnonzero(valid.numpy().ravel())
    table = [rays.numpy().reshape(-1, 3)[index]]
    for du, dv in _SUBPIXELS:
        shifted, seen = camera.unproject(centres + torch.tensor((du, dv), dtype=torch.float64))
        shifted = torch.where(seen[..., None], shifted, rays)
        table.append(shifted.numpy().reshape(-1, 3)[index])
    area = np.linalg.norm(np.cross(_difference(rays.numpy(), 0), _difference(rays.numpy(), 1)), axis=-1)
    angle = float(np.sqrt(np.median(area[valid.numpy()[:-1, :-1]])))
    return index, np.stack(table), angle


def _difference(rays: np.ndarray, axis: int) -> np.ndarray:
    """Differences of rays (H, W, 3) along an axis, (H - 1, W - 1, 3)."""
    return np.diff(rays, axis=axis)[: rays.shape[0] - 1, : rays.shape[1] - 1]


def _rotate(rotation: np.ndarray, rays: np.ndarray) -> np.ndarray:
    """Rays (N, 3) by a (3, 3) rotation, contiguous float64, free of BLAS so that threads cannot
    change a bit."""
    out = rays[:, :1] * rotation[:, 0] + rays[:, 1:2] * rotation[:, 1] + rays[:, 2:] * rotation[:, 2]
    return np.ascontiguousarray(out)


def render_panorama(
    scene: Scene,
    camera: OmniCamera,
    world_from_cam: np.ndarray,
    lighting: Lighting,
    rng: np.random.Generator,
    world_from_cam_end: np.ndarray | None = None,
    antialias: bool = True,
) -> dict[str, np.ndarray]:
    """Render one panorama.

    Args:
        scene: what to look at.
        camera: any camera model; pixels outside its valid mask stay black.
        world_from_cam: (4, 4) pose of the camera frame at mid exposure.
        lighting: light, weather and the sensor's exposure.
        rng: draws the sensor noise; nothing else is random.
        world_from_cam_end: (4, 4) pose `lighting.shutter_s` later; blurs the colours along the
            motion between the two, as long as the exposure is long enough for it to show.
        antialias: four rays instead of one for pixels on edges.

    Returns:
        rgb (H, W, 3) uint8; range (H, W) float32, radial metres, inf for sky and for pixels that
        see nothing; label (H, W) uint8, 0 for the same; dynamic (H, W) bool.
    """
    pose = check_rigid('world_from_cam', world_from_cam)
    height, width = camera.height, camera.width
    index, rays, angle = _camera_rays(camera)
    directions = _rotate(pose[:3, :3], rays[0])
    view = _View(scene, lighting, pose[:3, 3].copy(), angle)
    hits = view.trace(directions)
    colour = view.shade(directions, hits)
    surfaces = view.describe(directions, hits)
    if antialias:
        full = np.full(height * width, rc.SKY, np.int64)
        # what changes on an edge: the object class, or the solid it belongs to
        full[index] = hits.solids * 16 + surfaces.labels
        edge = _edges(full.reshape(height, width), camera.periodic).ravel()[index]
        _refine(view, colour, pose, rays, np.flatnonzero(edge))
    image = np.zeros((height * width, 3), np.float32)
    image[index] = colour
    image = image.reshape(height, width, 3)
    out = {}
    for name, values, fill in (
        ('range', hits.ranges.astype(np.float32), np.inf),
        ('label', surfaces.labels, 0),
        ('dynamic', surfaces.instances > 0, False),
    ):
        out[name] = np.full(height * width, fill, values.dtype)
        out[name][index] = values
        out[name] = out[name].reshape(height, width)
    if world_from_cam_end is not None and lighting.shutter_s >= LONG_SHUTTER_S:
        end = check_rigid('world_from_cam_end', world_from_cam_end)
        image = smear(image, camera, index, rays[0], hits.ranges, pose, end)
    out['rgb'] = _expose(image, lighting, rng, index, _vignette(camera))
    return out


class _View:
    """Rays from one point (3,) of a scene under one light; `angle`: radians per pixel."""

    def __init__(self, scene: Scene, lighting: Lighting, origin: np.ndarray, angle: float) -> None:
        self.geometry, self.origin, self.angle = scene.geometry, origin, angle
        lamps, light = scene.world.lamps, lighting.light
        near = np.hypot(*(lamps[:, :2] - origin[:2]).T) < LAMP_VIEW
        lamps = np.ascontiguousarray(lamps[near] if light.lamps > 0 else lamps[:0])
        self.setting = Setting(scene.geometry, scene.looks, scene.world.ground_look, light, lamps)

    def trace(self, directions: np.ndarray) -> rc.Hits:
        """What unit rays (N, 3) meet."""
        hits = rc.Hits.empty(len(directions))
        rc.trace_all(self.geometry, self.origin[None], directions, MAX_RANGE, hits)
        return hits

    def shade(self, directions: np.ndarray, hits: rc.Hits) -> np.ndarray:
        """Radiance (N, 3) float32 of rays (N, 3)."""
        out = np.empty((len(directions), 3), np.float32)
        shade_all(self.setting, row_of(self.origin[None], 0), directions, hits, self.angle, out)
        return out

    def describe(self, directions: np.ndarray, hits: rc.Hits) -> rc.Surfaces:
        """Labels, instances (N,) and normals (N, 3) of what rays (N, 3) met."""
        surfaces = rc.Surfaces.empty(len(directions))
        rc.describe(self.geometry, self.origin[None], directions, hits, surfaces)
        return surfaces


def _edges(identity: np.ndarray, periodic: bool) -> np.ndarray:
    """Pixels whose right or lower neighbour shows something else, and those neighbours. (H, W) -> (H, W) bool."""
    edge = np.zeros(identity.shape, bool)
    right = identity[:, 1:] != identity[:, :-1]
    down = identity[1:] != identity[:-1]
    edge[:, 1:] |= right
    edge[:, :-1] |= right
    edge[1:] |= down
    edge[:-1] |= down
    if periodic:
        seam = identity[:, 0] != identity[:, -1]
        edge[:, 0] |= seam
        edge[:, -1] |= seam
    return edge


def _refine(view: _View, colour: np.ndarray, pose: np.ndarray, rays: np.ndarray, pixels: np.ndarray) -> None:
    """Average more rays into the given pixels, in place; bright rays are held back so that glints do not sparkle.
    colour (N, 3), rays (1 + subpixels, N, 3), pixels (M,) indices, pose (4, 4) world_from_cam."""
    if len(pixels) == 0:
        return
    total = np.minimum(colour[pixels], 4.0)
    for k in range(1, len(rays)):
        directions = _rotate(pose[:3, :3], rays[k][pixels])
        total += np.minimum(view.shade(directions, view.trace(directions)), 4.0)
    colour[pixels] = total / len(rays)


@lru_cache(maxsize=8)
def _vignette(camera: OmniCamera) -> np.ndarray | None:
    """Relative brightness over the image of a lens that darkens towards its rims, or None for a virtual view. (H,
    W, 1) float32."""
    if camera.periodic:
        return None
    index, rays, _ = _camera_rays(camera)
    rise = np.arcsin(np.clip(rays[0][:, 2], -1, 1))
    low, high = rise.min(), rise.max()
    across = (rise - low) / max(high - low, 1e-9)
    gain = np.zeros(camera.height * camera.width, np.float32)
    gain[index] = (1 - 0.45 * np.abs(2 * across - 1) ** 3) * np.clip(np.minimum(across, 1 - across) * 40 + 0.15, 0, 1)
    return gain.reshape(camera.height, camera.width, 1)


def _metering(image: np.ndarray, index: np.ndarray, lighting: Lighting) -> float:
    """How a camera by day opens up in the shade and closes in the sun; at night it is at its limit anyway. image
    (H, W, 3), index (N,) of the pixels that see the world."""
    if lighting.time == 'night':
        return 1.0
    target = 0.38 if lighting.time == 'day' else 0.25
    seen = np.minimum(image.reshape(-1, 3)[index] * np.float32(lighting.exposure), 1)
    return float(np.clip((target / max(float(seen.mean(dtype=np.float64)), 1e-3)) ** 0.6, 0.7, 1.7))


def _expose(
    image: np.ndarray,
    lighting: Lighting,
    rng: np.random.Generator,
    index: np.ndarray,
    vignette: np.ndarray | None,
) -> np.ndarray:
    """Radiance to 8 bits: exposure, lens shading, shot and read noise in electrons, tone curve, sRGB-like gamma.
    image (H, W, 3) float32, index (N,), vignette (H, W, 1); returns (H, W, 3) uint8."""
    signal = image * np.float32(lighting.exposure * _metering(image, index, lighting))
    if vignette is not None:
        signal = signal * vignette
    flat = signal.reshape(-1, 3)
    electrons = np.minimum(flat[index], 6.0) * np.float32(lighting.full_well)
    noise = rng.standard_normal(electrons.shape, dtype=np.float32)
    electrons += noise * np.sqrt(electrons + np.float32(lighting.read_noise**2))
    flat = np.zeros_like(flat)
    flat[index] = np.maximum(electrons, 0) / np.float32(lighting.full_well)
    # a soft shoulder keeps skies and lamps from clipping hard
    toned = flat * (1 + flat / 6.25) / (1 + flat)
    return (np.power(np.clip(toned, 0, 1), np.float32(1 / 2.2)) * 255 + 0.5).astype(np.uint8).reshape(image.shape)
