"""Counting, scoring and reporting semantic scene completion."""

from ...core.geometry.visibility import visible_voxels
from .depth_counts import depth_counts, depth_scores
from .depth_metric import DepthMetric
from .report import build_report, text_table, write_json
from .ssc_counts import confusion_matrix, percent, scores
from .ssc_metric import SSCMetric
from .trivial_baselines import majority_label, trivial_baseline_scores, yardstick_scores

__all__ = [
    'DepthMetric',
    'SSCMetric',
    'build_report',
    'confusion_matrix',
    'depth_counts',
    'depth_scores',
    'majority_label',
    'percent',
    'scores',
    'text_table',
    'trivial_baseline_scores',
    'visible_voxels',
    'write_json',
    'yardstick_scores',
]
