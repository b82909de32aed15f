"""Voxels to pictures without a display, and one HTML file to turn and look into."""

from .html import write_html
from .methods import methods_sheet
from .occ_hook import OccVisualizationHook, draw_sample
from .overlay import overlay_labels
from .palette import ERROR_CLASSES, ERROR_PALETTE, error_labels
from .perspective import Viewpoint, render_perspective
from .sheet import comparison_sheet, legend, write_picture
from .topdown import render_error_topdown, render_topdown

View = Viewpoint  # its name in release 0.1; what cameras see is a `core.geometry.View`

__all__ = [
    'ERROR_CLASSES',
    'ERROR_PALETTE',
    'OccVisualizationHook',
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
    'write_picture',
]
