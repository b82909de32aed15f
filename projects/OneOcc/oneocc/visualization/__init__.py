"""Voxels to pictures without a display, and one HTML file to turn and look into."""

from .html import PageFrame, Panorama, write_html, write_ride_html
from .index_page import write_index
from .methods import methods_sheet
from .occ_hook import OccVisualizationHook, draw_sample
from .overlay import overlay_labels
from .palette import ERROR_CLASSES, ERROR_PALETTE, error_labels
from .perspective import Viewpoint, render_perspective
from .sheet import comparison_sheet, legend, write_picture
from .topdown import render_error_topdown, render_topdown
from .video import RideVideo, VideoError

View = Viewpoint  # its name in release 0.1; what cameras see is a `core.geometry.View`

__all__ = [
    'ERROR_CLASSES',
    'ERROR_PALETTE',
    'OccVisualizationHook',
    'PageFrame',
    'Panorama',
    'RideVideo',
    'VideoError',
    'View',
    'Viewpoint',
    'comparison_sheet',
    'draw_sample',
    'error_labels',
    'legend',
    'methods_sheet',
    'overlay_labels',
    'render_error_topdown',
    'render_perspective',
    'render_topdown',
    'write_html',
    'write_index',
    'write_picture',
    'write_ride_html',
]
