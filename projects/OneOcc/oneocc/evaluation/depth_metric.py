"""The metric of predicted depth for mmengine's evaluation loops, and the files that other methods read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmdet3d.registry import METRICS
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from ...core.formats.atomic_files import write_json
from ...core.formats.depth_maps import UNIT_M, DepthScale, write_depth_map, write_scale
from ...core.formats.paths import inside
from .depth_counts import depth_counts, depth_scores


@METRICS.register_module()
class DepthMetric(BaseMetric):
    """AbsRel, RMSE and delta of `pred_depth` against `gt_depth`, both (H, W) in metres, pooled over all pixels.

    Keeps the counts of each sample, as SSCMetric does and for its reasons.

    Args:
        max_range: pixels that are truly farther do not count, metres.
        out_file: where to write the figures as JSON; None = nowhere.
        prediction_dir: folder for the predicted maps, one PNG a sample, and `depth.json`; LoadDepth reads it. None =
            not saved. Samples without `gt_depth` are written, too, and do not count.
        collect_device, prefix, collect_dir: as in mmengine.
    """

    default_prefix = 'depth'

    def __init__(
        self,
        max_range: float = float('inf'),
        out_file: str | None = None,
        prediction_dir: str | None = None,
        collect_device: str = 'cpu',
        prefix: str | None = None,
        collect_dir: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix, collect_dir=collect_dir)
        if not max_range > 0:
            raise ValueError(f'max_range: expected metres above 0, got {max_range}')
        self.max_range, self.out_file, self.prediction_dir = max_range, out_file, prediction_dir
        if prediction_dir is not None:
            write_scale(prediction_dir, DepthScale(UNIT_M))

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        """Count, and write, the samples of a batch."""
        for sample in data_samples:
            if sample.get('pred_depth') is None:
                raise ValueError(f'{sample.get("sample_id")} holds no pred_depth, which DepthMetric needs')
            predicted = np.asarray(sample['pred_depth'].cpu())
            if self.prediction_dir is not None:
                folder = Path(self.prediction_dir)
                write_depth_map(inside(folder, f'{sample["sample_id"]}.png', 'sample_id'), predicted)
            truth = sample.get('gt_depth')
            counts = np.zeros(7) if truth is None else depth_counts(predicted, np.asarray(truth.cpu()), self.max_range)
            self.results.append(counts)

    def compute_metrics(self, results: list) -> dict[str, float]:
        """The figures of `depth_scores`."""
        scores = depth_scores(np.sum(results, axis=0))
        print_log(', '.join(f'{name} {value:.4g}' for name, value in scores.items()), logger='current')
        if self.out_file is not None:
            write_json(self.out_file, dict(scores, frames=len(results)), indent=1)
        return scores
