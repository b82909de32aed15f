"""Lifting by line of sight (MonoScene's FLoSP on a pinhole camera)."""

from __future__ import annotations

import torch

from projects.OneOcc.core.geometry import CartesianGrid, transform_points
from projects.OneOcc.oneocc.models.lifting.flosp import flosp
from tests.goldens.frame import Golden, family


def pinhole_pixels(
    points: torch.Tensor, intrinsics: torch.Tensor, cam_from_world: torch.Tensor, size: tuple[int, int]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Official projection: pixels rounded to the nearest integer, seen where inside and in front.

    Args:
        points: (N, 3) float64.
        intrinsics: (3, 3).
        cam_from_world: (4, 4).
        size: (W, H).

    Returns:
        pixels (N, 2) int64, field of view (N,) bool, depth z (N,).
    """
    points = transform_points(cam_from_world, points)
    depth = points[:, 2]
    uv = (points @ intrinsics.T)[:, :2] / depth[:, None]
    pixels = torch.where(torch.isfinite(uv), uv, torch.zeros_like(uv)).round().long()
    fov = ((pixels >= 0) & (pixels < torch.tensor(size))).all(dim=1) & (depth > 0)
    return pixels, fov, depth


@family('flosp_seed*.pt')
def check_flosp(golden: Golden) -> None:
    data = golden.load()
    size = tuple(data['img_WH'])
    shape = tuple(data['full_scene_size'])
    voxel = data['scene_size_m'][0] / shape[0]
    full = CartesianGrid(shape, voxel, tuple(data['vox_origin'].tolist()))
    features = {scale: maps[None].float() for scale, maps in data['feats_fp16'].items()}
    for project_scale in (1, 2):
        grid = full.downsampled(project_scale)
        pixels, fov, depth = pinhole_pixels(grid.centers().reshape(-1, 3), data['cam_K'], data['cam_E'], size)
        golden.close(f'fov_{project_scale}', fov, data[f'fov_{project_scale}'], 0)
        golden.close(f'pix_{project_scale}', pixels[fov], data[f'pix_{project_scale}'][fov], 0)
        golden.relative(f'z_{project_scale}', depth[fov], data[f'z_{project_scale}'][fov], 1e-6)

        def lift(scales, pixels=pixels, fov=fov, grid=grid):
            chosen = {scale: features[scale] for scale in scales}
            return flosp(chosen, pixels[None], fov[None])[0].unflatten(-1, grid.shape)

        if project_scale == 1:
            golden.close('x3d_ps1_scale4_first2ch', lift([4])[:2], data['x3d_ps1_scale4_first2ch'], 0)
            continue
        for scale, volume in data['x3d_scale'].items():
            golden.close(f'x3d_scale/{scale}', lift([scale]), volume, 0, kind='x3d_scale')
        golden.close('x3d_sum', lift([1, 2, 4, 8]), data['x3d_sum'], 0)
