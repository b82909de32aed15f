"""Whether a LiDAR lies where its camera sees: depth edges of a scan against brightness edges of the picture.

Where a near thing ends in front of a far one, pictures mostly change too. The measure is the mean rank of the
picture's gradient, 0.5 by chance, at the points that lie on such edges; a wrong rotation lowers it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import rankdata

from projects.OneOcc.core.geometry import EquirectCamera, View, transform_points, unwrap, unwrap_map

CELL_DEG = 1.0
JUMP = 0.12
REACH = 2  # cells beside a point that are looked at; scans are sparse
TURNS_DEG = (-6.0, -4.0, -3.0, -2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
AXES = ('x', 'y', 'z')


@dataclass(frozen=True)
class Agreement:
    """What a scan and a picture say of a calibration.

    Attributes:
        edges: points on depth edges that fall into the picture.
        score: mean rank of the gradient there, 0..1; 0.5 is chance.
        by_turn: score after a turn of the camera by so many degrees about an axis of the ego frame, by axis.
    """

    edges: int
    score: float
    by_turn: dict[str, dict[float, float]]

    @property
    def noise(self) -> float:
        """Standard error of a mean of as many ranks."""
        return 0.29 / max(self.edges, 1) ** 0.5

    def best_turn(self) -> tuple[str, float, float]:
        """The axis and turn in degrees with the highest score, and that score."""
        return max(
            ((axis, turn, score) for axis, turns in self.by_turn.items() for turn, score in turns.items()),
            key=lambda found: (found[2], -abs(found[1])),
        )


def depth_edges(points: np.ndarray) -> np.ndarray:
    """(N,) bool: points of a scan (N, 3) that end in front of something at least 12 % farther, seen from the origin."""
    reach = np.linalg.norm(points, axis=1)
    columns = int(round(360 / CELL_DEG))
    azimuth = np.floor((np.arctan2(points[:, 1], points[:, 0]) / (2 * np.pi) + 0.5) * columns).astype(int) % columns
    elevation = np.arcsin(np.clip(points[:, 2] / np.maximum(reach, 1e-9), -1, 1))
    row = np.floor((elevation / np.pi + 0.5) * (columns // 2)).astype(int).clip(0, columns // 2 - 1)
    nearest = np.full((columns // 2, columns), np.inf)
    np.minimum.at(nearest, (row, azimuth), reach)
    edge = np.zeros(len(points), bool)
    for side in (-1, 1):
        beside = np.full(len(points), np.inf)
        for step in range(REACH, 0, -1):
            cell = nearest[row, (azimuth + side * step) % columns]
            beside = np.where(np.isfinite(cell), cell, beside)
        edge |= np.isfinite(beside) & (beside > reach * (1 + JUMP))
    return edge & (reach > 0.5) & (reach < nearest[row, azimuth] * 1.02)


def gradient_ranks(image: np.ndarray) -> np.ndarray:
    """(H, W) float32 in [0, 1]: how strong the picture's horizontal and vertical change is, as a rank."""
    import cv2

    grey = cv2.GaussianBlur(image.astype(np.float32).mean(axis=-1) if image.ndim == 3 else image, (0, 0), 1.0)
    strength = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))
    order = np.sort(strength.ravel())
    return (np.searchsorted(order, strength) / order.size).astype(np.float32)


def edge_agreement(
    view: View, scans: list[np.ndarray], images: list[np.ndarray], lidar_from_ego: np.ndarray
) -> Agreement:
    """Compare scans (N, 3) in the LiDAR's frame with the pictures taken at the same times.

    Args:
        view: the camera and its mount.
        images: (H, W, 3) of the camera's size, one for each scan.
        lidar_from_ego: (4, 4) mount of the LiDAR.

    Raises:
        ValueError: not as many pictures as scans, or no depth edge falls into any picture.
    """
    edges, ranks = _edges_and_ranks(view, scans, images, lidar_from_ego)
    count, score = _score(view, edges, ranks)
    if count == 0:
        raise ValueError('no depth edge of the scans falls into the pictures: expected a LiDAR that the camera sees')
    by_turn = {axis: {turn: _score(turned(view, axis, turn), edges, ranks)[1] for turn in TURNS_DEG} for axis in AXES}
    return Agreement(count, score, by_turn)


def azimuth_scores(
    view: View, scans: list[np.ndarray], images: list[np.ndarray], lidar_from_ego: np.ndarray, step_deg: int = 5
) -> tuple[int, dict[int, float]]:
    """Scores of the camera turned about the vertical by whole steps, all around.

    The pictures are unwrapped, and the change along each row is ranked within that row: how bright or busy a height
    above the horizon is says nothing about the azimuth.

    Args:
        view: camera and pose.
        scans: points (N, 3) each, metres in the frame of the LiDAR.
        images: (H, W, 3) uint8 each, of the same moments.
        lidar_from_ego: (4, 4).
        step_deg: of the turns.

    Returns:
        Number of edges, and the score by turn in degrees from -180 on.
    """
    edges, _ = _edges_and_ranks(view, scans, images, lidar_from_ego, ranked=False)
    centre = np.linalg.inv(view.cam_from_ego)[:3, 3]
    panorama = EquirectCamera(720, 240, np.radians(-30), np.radians(50))
    unwrapping = unwrap_map(panorama, view.camera, view.cam_from_ego[:3, :3])
    found: dict[int, list[np.ndarray]] = {turn: [] for turn in range(-180, 180, step_deg)}
    for points, image in zip(edges, images):
        grey = unwrap(image, unwrapping).astype(np.float32).mean(axis=-1)
        change = np.abs(np.roll(grey, -1, axis=1) - np.roll(grey, 1, axis=1))
        ranks = (rankdata(change, axis=1) - 1) / (change.shape[1] - 1)  # what is equal shares a rank
        seen = unwrapping[1].numpy().all(axis=1)
        pixels, valid = panorama.project(torch.from_numpy(points - centre))
        column, row = pixels[valid].floor().long().numpy().T
        kept = seen[row.clip(0, 239)]
        column, row = column[kept], row[kept].clip(0, 239)
        for turn, parts in found.items():
            # a camera turned to the left sees a thing farther to the right in its picture
            parts.append(ranks[row, (column + 2 * turn) % 720])
    scores = {turn: np.concatenate(values) for turn, values in found.items()}
    count = len(scores[0])
    return count, {turn: float(values.mean()) if count else 0.0 for turn, values in scores.items()}


def _edges_and_ranks(
    view: View,
    scans: list[np.ndarray],
    images: list[np.ndarray],
    lidar_from_ego: np.ndarray,
    ranked: bool = True,
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Edges (E, 3) of each scan (N, 3) in the ego frame, metres; ranks (H, W) of each image, nan where masked."""
    if len(scans) != len(images) or not scans:
        raise ValueError(f'expected as many pictures as scans, got {len(images)} and {len(scans)}')
    ego_from_lidar = np.linalg.inv(lidar_from_ego)
    edges = [scan[depth_edges(scan)] @ ego_from_lidar[:3, :3].T + ego_from_lidar[:3, 3] for scan in scans]
    if not ranked:
        return edges, []
    seen = view.camera.valid_mask().numpy()
    return edges, [np.where(seen, gradient_ranks(image), np.nan) for image in images]


def turned(view: View, axis: str, degrees: float) -> View:
    """The view with its camera turned about its own centre, around an axis of the ego frame."""
    angle, at = np.radians(degrees), AXES.index(axis)
    i, j = (at + 1) % 3, (at + 2) % 3
    turn = np.eye(4)
    turn[i, i] = turn[j, j] = np.cos(angle)
    turn[i, j], turn[j, i] = -np.sin(angle), np.sin(angle)
    centre = np.linalg.inv(view.cam_from_ego)[:3, 3]
    turn[:3, 3] = centre - turn[:3, :3] @ centre
    return View(view.camera, view.cam_from_ego @ turn)


def _score(view: View, edges: list[np.ndarray], ranks: list[np.ndarray]) -> tuple[int, float]:
    """Number of edges in the pictures, and the mean of the ranks (H, W) where edges (E, 3) of the ego frame fall."""
    found = []
    for points, rank in zip(edges, ranks):
        pixels, valid = view.camera.project(transform_points(view.cam_from_ego, torch.from_numpy(points)))
        at = pixels[valid].floor().long().numpy()
        column, row = at[:, 0].clip(0, rank.shape[1] - 1), at[:, 1].clip(0, rank.shape[0] - 1)
        found.append(rank[row, column])
    values = np.concatenate(found) if found else np.zeros(0)
    values = values[np.isfinite(values)]
    return len(values), float(values.mean()) if len(values) else 0.0
