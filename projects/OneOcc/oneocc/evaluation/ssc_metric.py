"""The metric of semantic scene completion for mmengine's evaluation loops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmdet3d.registry import METRICS
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from mmengine.structures import BaseDataElement

from ...core.formats.occupancy import prediction_path, save_prediction
from ...core.geometry.visibility import visible_voxels
from .report import MASK_POLICIES, build_report, text_table, write_json
from .ssc_counts import confusion_matrix


@METRICS.register_module()
class SSCMetric(BaseMetric):
    """Precision, recall, IoU and mIoU from counts pooled over the whole set, in percent.

    Keeps ONE confusion matrix per sample: mmengine pads the last batch of a distributed run with
    repeated samples and later cuts the list of results to the length of the dataset, so sums per
    rank would count them twice. Conventions of the scores: `ssc_counts.scores`. A data sample
    holds `pred_occ` and `gt_occ`, both (X, Y, Z).

    Args:
        mask_policy: which voxels count: 'known' = label != 255; 'visible' = known, and the centre
            projects into the image (`visible_voxels`; needs `cameras` and `grid` in the metainfo).
            Printed and stored with the numbers, as is what the data set does with unobserved voxels.
        view: the view that decides on 'visible'; by default all views of the current frame together.
        subset_keys: metainfo keys whose values name the subsets that are scored separately.
        out_file: where to write metrics.json; None = nowhere.
        prediction_dir: folder for the predictions as npz, one a sample; None = not saved.
        config, commit: stored in metrics.json, to tell later what was measured.
        collect_device, prefix, collect_dir: as in mmengine.
    """

    default_prefix = 'ssc'

    def __init__(
        self,
        mask_policy: str = 'known',
        view: str | None = None,
        subset_keys: Sequence[str] = ('lighting',),
        out_file: str | None = None,
        prediction_dir: str | None = None,
        config: str | None = None,
        commit: str | None = None,
        collect_device: str = 'cpu',
        prefix: str | None = None,
        collect_dir: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix, collect_dir=collect_dir)
        if mask_policy not in MASK_POLICIES:
            raise ValueError(f'mask_policy: expected one of {sorted(MASK_POLICIES)}, got {mask_policy!r}')
        self.mask_policy = mask_policy
        self.view = view
        self.subset_keys = tuple(subset_keys)
        self.out_file = out_file
        self.prediction_dir = prediction_dir
        self.config = config
        self.commit = commit

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes 1..C, from the dataset."""
        classes = (self.dataset_meta or {}).get('classes')
        if not classes:
            raise ValueError(
                "SSCMetric needs dataset_meta['classes'], the names of the classes "
                f'without empty; got dataset_meta {self.dataset_meta!r}'
            )
        return tuple(classes)

    def process(self, data_batch: Any, data_samples: Sequence[Mapping | BaseDataElement]) -> None:
        """Count the voxels of every sample of a batch."""
        for sample in data_samples:
            fields = sample.to_dict() if isinstance(sample, BaseDataElement) else sample
            self.results.append(self._count(fields))

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Pool the counts, print the tables, write metrics.json; flat dict of percents."""
        report = build_report(
            [result['confusion'] for result in results],
            [result['subsets'] for result in results],
            self.classes,
            self.mask_policy,
            self.config,
            self.commit,
            (self.dataset_meta or {}).get('unobserved', 'ignore'),
            None if any(result['ride'] is None for result in results) else [result['ride'] for result in results],
        )
        print_log(f'semantic scene completion, {text_table(report)}', logger='current')
        if self.out_file is not None:
            write_json(self.out_file, report)
        metrics = _flat(report)
        for name, subset in report['subsets'].items():
            metrics.update({f'{name}/{key}': value for key, value in _flat(subset).items()})
        return metrics

    def _count(self, fields: Mapping) -> dict:
        """Confusion matrix and subsets of one sample; saves its prediction if asked to."""
        sample_id = fields.get('sample_id', '(sample without id)')
        pred, label = self._volume(fields, 'pred_occ'), self._volume(fields, 'gt_occ')
        try:
            confusion = confusion_matrix(pred, label, len(self.classes), self._mask(fields))
        except (TypeError, ValueError) as error:
            raise type(error)(f'{sample_id}: {error}') from error
        if self.prediction_dir is not None:
            self._save(self.prediction_dir, fields, pred)
        subsets = [str(fields[key]) for key in self.subset_keys if fields.get(key) is not None]
        ride = fields.get('sequence')
        return dict(confusion=confusion, subsets=subsets, ride=None if ride is None else str(ride))

    def _mask(self, fields: Mapping) -> np.ndarray | None:
        """Voxels that count, apart from the unknown ones; None = all. (X, Y, Z) bool."""
        if self.mask_policy == 'known':
            return None
        for key in ('cameras', 'grid'):
            if fields.get(key) is None:
                raise ValueError(f"mask_policy 'visible' needs {key!r} in the metainfo, got the keys {sorted(fields)}")
        return visible_voxels(fields['cameras'], fields['grid'], self.view)

    def _volume(self, fields: Mapping, key: str) -> np.ndarray:
        """Labels (X, Y, Z) of a sample as an array."""
        if fields.get(key) is None:
            raise ValueError(f'{fields.get("sample_id", "a data sample")} holds no {key!r}, which SSCMetric needs')
        volume = fields[key]
        return volume.detach().cpu().numpy() if hasattr(volume, 'detach') else np.asarray(volume)

    def _save(self, directory: str, fields: Mapping, pred: np.ndarray) -> None:
        """Write a prediction (X, Y, Z) of the sample into the directory."""
        for key in ('sample_id', 'grid'):
            if fields.get(key) is None:
                raise ValueError(
                    f'prediction_dir needs {key!r} in the metainfo of every sample, got the keys {sorted(fields)}'
                )
        grid = fields['grid']
        grid = grid.to_dict() if hasattr(grid, 'to_dict') else grid
        save_prediction(
            prediction_path(directory, fields['sample_id']),
            pred,
            grid['origin'],
            grid['voxel_size'],
            self.classes,
        )


def _flat(report: Mapping) -> dict[str, float]:
    """miou, iou, precision, recall and iou/<class> of a report."""
    flat = {key: report[key] for key in ('miou', 'iou', 'precision', 'recall')}
    flat.update({f'iou/{name}': value for name, value in report['class_iou'].items()})
    return flat
