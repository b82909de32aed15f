"""The pose of the body instead of its mean: what an IMU knows, and gait compensation has to guess."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS

from ....core.geometry import View


@TRANSFORMS.register_module()
class UseBodyPose(BaseTransform):
    """Put the gait into the calibration: cam_from_ego becomes cam_from_body @ body_from_ego.

    Labels live in the gravity-aligned, smoothed ego frame; the mount in the infos is that of a body which does not
    rock. Where the frame's own ``world_from_body`` is known (a simulator, an IMU), every camera gets the pose that
    it had. Before UnwrapPanorama, so that the panorama comes out level, and before augmentations.

    Raises:
        KeyError: the frame has no ``world_from_body``.
    """

    def transform(self, results: dict) -> dict:
        for key in ('world_from_body', 'world_from_ego'):
            if results.get(key) is None:
                raise KeyError(f'{results["sample_id"]}: no {key}; the pose of the body is not known here')
        body_from_ego = np.linalg.inv(results['world_from_body']) @ results['world_from_ego']
        for name, mounted in results['cameras'].items():
            view = View.of(mounted)
            results['cameras'][name] = replace(view, cam_from_ego=view.cam_from_ego @ body_from_ego)
        return results

    def __repr__(self) -> str:
        return 'UseBodyPose()'
