"""A synthetic ride with the semantics of its images, and masks as a segmenter would have made them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from data_converters.point_labels.mask_files import MaskSet
from data_converters.synthetic.capture import record
from data_converters.synthetic.capture.protocols import Protocol
from projects.OneOcc.core.formats.recording import Recording


def record_with_semantics(protocol: Protocol, sequence: int, root: Path) -> tuple[Recording, dict[str, np.ndarray]]:
    """A ride of the quadruped and, by frame id, the labels (H, W) uint8 of its raw images, 0 where nothing is."""
    semantics: dict[str, np.ndarray] = {}
    sense = record._sense_quad

    def with_semantics(recording, frame, shot, protocol, is_key):
        sense(recording, frame, shot, protocol, is_key)
        if is_key:
            mount = recording.cameras['raw']['cam_from_body']
            view = shot.panorama(record.pal_camera(*protocol.image_size), frame, mount, np.random.default_rng(0))
            semantics[frame.id] = view['label']

    record._sense_quad = with_semantics
    try:
        return record.record_sequence(protocol, protocol.plans()[sequence], root), semantics
    finally:
        record._sense_quad = sense


def sam_like(semantics: np.ndarray, classes: tuple[str, ...], rng: np.random.Generator) -> MaskSet:
    """Masks of the connected parts of a label image, with the faults of a segmenter.

    Borders are shifted by up to 3 pixels in and out, one mask in ten is missing, one in twelve has a wrong class, one
    in six has a hole, large things swallow what stands before them, and the order is by chance.
    """
    masks, names, scores = [], [], []
    for label in range(1, len(classes) + 1):
        count, parts = cv2.connectedComponents((semantics == label).astype(np.uint8))
        for part in range(1, count):
            mask = (parts == part).astype(np.uint8)
            if mask.sum() < 12 or rng.random() < 0.1:
                continue
            shift = int(rng.integers(-3, 4))
            if shift:
                kernel = np.ones((abs(shift) + 1,) * 2, np.uint8)
                mask = (cv2.dilate if shift > 0 else cv2.erode)(mask, kernel)
            if mask.sum() > 0.02 * mask.size and rng.random() < 0.4:  # a wall and all that stands before it
                mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((15, 15), np.uint8))
            if rng.random() < 1 / 6:
                rows, columns = np.nonzero(mask)
                if len(rows):
                    at = rng.integers(len(rows))
                    cv2.circle(mask, (int(columns[at]), int(rows[at])), max(2, int(np.sqrt(mask.sum()) / 4)), 0, -1)
            name, score = classes[label - 1], rng.uniform(0.45, 0.9)
            if rng.random() < 1 / 12:
                name, score = classes[int(rng.integers(len(classes)))], rng.uniform(0.3, 0.6)
            masks.append(mask > 0)
            names.append(name)
            scores.append(score)
    order = rng.permutation(len(masks))
    stack = np.stack([masks[i] for i in order]) if masks else np.zeros((0, *semantics.shape), bool)
    return MaskSet(stack, tuple(names[i] for i in order), np.array([scores[i] for i in order]))
