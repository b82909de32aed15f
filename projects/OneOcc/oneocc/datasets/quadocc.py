"""QuadOcc: a quadruped on a campus, day, dusk and night (and its synthetic twin QuadSim)."""

from mmdet3d.registry import DATASETS

from ...core.formats.labels import QUADOCC_CLASSES
from .pal_occ_dataset import PALOccDataset


@DATASETS.register_module()
class QuadOccDataset(PALOccDataset):
    """Six classes on 64x64x8 voxels of 0.4 m; label i + 1 is ``classes[i]``."""

    METAINFO = dict(
        classes=QUADOCC_CLASSES,
        palette=[
            (100, 150, 245),
            (230, 40, 40),
            (160, 60, 160),
            (235, 190, 50),
            (20, 150, 40),
            (150, 220, 110),
        ],
    )
