"""What a model was not taught and is shown all the same, in numbers."""

from __future__ import annotations

from .frames import Frame
from .network_inputs import Packed
from .training_lens import TrainingLens, elevations_seen, lens_centre

_DEGREES, _METRES = 3.0, 0.15
_DARK, _BRIGHT, _SHARE = 12, 40, 0.25


def mismatches(frame: Frame, packed: Packed, lens: TrainingLens | None) -> list[str]:
    """Sentences on how a frame differs from what the model learned from; empty where it does not.

    Args:
        frame: as given.
        packed: what was made of it.
        lens: of the training; None where it is not known.
    """
    told = _image_against_calibration(frame)
    if lens is None or not packed.stored:
        return told
    low, high = elevations_seen(frame.view.camera, frame.view.cam_from_ego)
    taught_low, taught_high = lens.elevations_deg
    if low > taught_low + _DEGREES or high < taught_high - _DEGREES:
        told.append(
            f'the image sees elevations {low:.0f}..{high:.0f} deg, the model learned from {taught_low:.0f}..'
            f'{taught_high:.0f}: {100 * (1 - packed.seen):.0f} % of what it looks at is black'
        )
    elif low < taught_low - _DEGREES or high > taught_high + _DEGREES:
        told.append(
            f'the image sees elevations {low:.0f}..{high:.0f} deg, the model learned from {taught_low:.0f}..'
            f'{taught_high:.0f}: it is shown only those'
        )
    if lens.camera_height_m is not None:
        height = float(lens_centre(frame.view)[2]) + (lens.ego_height_m or 0.0)
        if abs(height - lens.camera_height_m) > _METRES:
            told.append(
                f'the lens is {height:.2f} m above the ground, in the training it was {lens.camera_height_m:.2f} m: '
                'places are right, the look is new to the model; that height shows it a world as it knows them, '
                f'{lens.camera_height_m / height:.2f} as large'
            )
    return told


def _image_against_calibration(frame: Frame) -> list[str]:
    """Whether the bright part of an annulus is where its calibration says."""
    camera = frame.view.camera
    if camera.periodic:
        return []
    valid = camera.valid_mask().numpy()
    brightness = frame.image.max(axis=2)
    if valid.all() or not valid.any():
        return []
    dark, bright = float((brightness[valid] < _DARK).mean()), float((brightness[~valid] > _BRIGHT).mean())
    if dark < _SHARE or bright < _SHARE:
        return []
    return [
        f'{100 * dark:.0f} % of the pixels that the calibration says see the world are black and {100 * bright:.0f} % '
        'of the others are bright: is it the calibration of this camera?'
    ]
