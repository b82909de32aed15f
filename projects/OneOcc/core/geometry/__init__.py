"""Cameras, grids and rings in plain torch and numpy; conventions: CONVENTIONS.md."""

from .cameras import EquirectCamera, OmniCamera, TaylorCamera, camera_from_dict, camera_models, register_camera
from .checks import check_points, check_rigid, check_shape
from .cross_grid import cross_grid_index, cross_grid_indices
from .frustums import elevation_limits, frustum_ids_from_pixels, panoramic_frustums
from .grids import CartesianGrid, CylindricalGrid
from .ocamcalib import OCamCalib, read_ocamcalib, refit_inverse, write_ocamcalib
from .ring import make_ring_continuous, ring_interpolate, ring_pad
from .transforms import azimuth_elevation, transform_points
from .unwrap import annulus_unroll_map, bilinear_sample, unwrap, unwrap_map
from .view import View

__all__ = [
    'CartesianGrid',
    'CylindricalGrid',
    'EquirectCamera',
    'OCamCalib',
    'OmniCamera',
    'TaylorCamera',
    'View',
    'annulus_unroll_map',
    'azimuth_elevation',
    'bilinear_sample',
    'camera_from_dict',
    'camera_models',
    'check_points',
    'check_rigid',
    'check_shape',
    'cross_grid_index',
    'cross_grid_indices',
    'elevation_limits',
    'frustum_ids_from_pixels',
    'make_ring_continuous',
    'panoramic_frustums',
    'read_ocamcalib',
    'register_camera',
    'refit_inverse',
    'ring_interpolate',
    'ring_pad',
    'transform_points',
    'unwrap',
    'unwrap_map',
    'write_ocamcalib',
]
