"""Human360Occ (H3O): a walking human in 16 maps (and its synthetic twin HumanSim)."""

from mmdet3d.registry import DATASETS

from ...core.formats.labels import H3O_CLASSES
from .pal_occ_dataset import PALOccDataset


@DATASETS.register_module()
class Human360OccDataset(PALOccDataset):
    """Ten classes on 64x64x8 voxels of 0.4 m or 128x128x16 of 0.2 m; label i + 1 is ``classes[i]``."""

    METAINFO = dict(
        classes=H3O_CLASSES,
        palette=[
            (130, 60, 130),
            (240, 130, 225),
            (235, 190, 50),
            (20, 150, 40),
            (100, 150, 245),
            (30, 60, 150),
            (80, 220, 230),
            (240, 120, 30),
            (230, 40, 40),
            (120, 120, 120),
        ],
    )
