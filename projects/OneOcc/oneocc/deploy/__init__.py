"""From a trained model to a bundle that `projects.OneOcc.runtime` runs: docs/deploy.md."""

from .calibration import read_calibration
from .export_bundle import ExportOptions, export_bundle, recalibrate
from .network import ExportNetwork
from .onnx_export import export_onnx

__all__ = ['ExportNetwork', 'ExportOptions', 'export_bundle', 'export_onnx', 'read_calibration', 'recalibrate']
