"""What the name of an input says about its tensors; the pipeline packs and the model collates by it.

* `imgs` and names that end in `_imgs` hold colour images, one or a stack of them: they are normalised.
* `points` and names that begin with `point` or end in `_points` hold one row a point: they stay lists.
* `gt_...` is no input: it is a target and travels in the data sample.
* Everything else (`depth`, a pose, a mask) is stacked as it is.

Past frames are further views, called after the view that they are views of (`past_view`): 'equi', 'equi_past1',
'equi_past2', ... in `imgs`, `depth` and `cameras` alike. The calibration of a past view takes points of the current
ego frame to the camera of then, so lifting treats it as one more camera.
"""

from __future__ import annotations


def holds_images(name: str) -> bool:
    """Whether it holds colour images, (..., H, W, 3) in the pipeline and (..., 3, H, W) in the model."""
    return name == 'imgs' or name.endswith('_imgs')


def holds_points(name: str) -> bool:
    """Whether it has one row a point, (N, ...); `num_padding_points` and the like are counts."""
    return name.startswith('point') or (name.endswith('_points') and not name.startswith('num_'))


def is_target(name: str) -> bool:
    """Whether it belongs into the data sample, where losses and metrics look for it."""
    return name.startswith('gt_')
