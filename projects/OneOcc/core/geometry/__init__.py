"""Cameras, grids and rings in plain torch and numpy; conventions: CONVENTIONS.md."""

from .calibration_files import calibrated_cameras, read_calibration, read_camera_chain, resolve_calibration
from .calibration_text import CalibrationError
from .cameras import (
    CubeMapCamera,
    DoubleSphereCamera,
    EquirectCamera,
    ExtendedUnifiedCamera,
    OmniCamera,
    PinholeCamera,
    TaylorCamera,
    UnifiedCamera,
    camera_from_dict,
    camera_models,
    register_camera,
)
from .checks import check_points, check_rigid, check_shape
from .cross_grid import cross_grid_index, cross_grid_indices
from .frustums import elevation_limits, frustum_ids_from_pixels, panoramic_frustums
from .grids import CartesianGrid, CylindricalGrid
from .ocamcalib import OCamCalib, read_ocamcalib, refit_inverse, write_ocamcalib
from .rig_panorama import RigMap, rig_map, stitch
from .ring import make_ring_continuous, ring_interpolate, ring_pad
from .transforms import azimuth_elevation, transform_points
from .unwrap import annulus_unroll_map, bilinear_sample, unwrap, unwrap_map, unwrapped_view
from .view import View

__all__ = [
    'CalibrationError',
    'CartesianGrid',
    'CubeMapCamera',
    'CylindricalGrid',
    'DoubleSphereCamera',
    'EquirectCamera',
    'ExtendedUnifiedCamera',
    'OCamCalib',
    'OmniCamera',
    'PinholeCamera',
    'RigMap',
    'TaylorCamera',
    'UnifiedCamera',
    'View',
    'annulus_unroll_map',
    'azimuth_elevation',
    'bilinear_sample',
    'calibrated_cameras',
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
    'read_calibration',
    'read_camera_chain',
    'read_ocamcalib',
    'register_camera',
    'resolve_calibration',
    'refit_inverse',
    'rig_map',
    'ring_interpolate',
    'ring_pad',
    'stitch',
    'transform_points',
    'unwrap',
    'unwrap_map',
    'unwrapped_view',
    'write_ocamcalib',
]
