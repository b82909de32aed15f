"""Image masks from files: Grounded-SAM, QuadOcc's, COCO RLE, plain label images.

| format      | files of frame 000012                                  | a mask is                                   |
|-------------|--------------------------------------------------------|---------------------------------------------|
| grounded-sam| `000012_mask.json` (or `000012.json`) and a grey image  | the pixels of value `value`, class `label`  |
|             | beside it, `.png` or `.jpg`                             |                                             |
| quadocc     | `masks_000012.npz` (masks (H, W, N)) and                | one of N, class ids in `class_ids`          |
|             | `semantic_000012.json`                                  |                                             |
| coco        | `000012.json`: a list of annotations, or a dict with    | `segmentation` {size, counts}, class        |
|             | `annotations`                                           | `class_name`, `label` or `category_id`      |
| labels      | `000012.png`, one channel                               | all pixels of one value                     |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from projects.OneOcc.core.formats.atomic_files import read_json
from projects.OneOcc.core.formats.labels import UNKNOWN
from projects.OneOcc.core.formats.npz_archives import ArchiveError, read_npz

MASK_FORMATS = ('grounded-sam', 'quadocc', 'coco', 'labels')
RULES = ('best', 'first')
BACKGROUND = ('background', 'unlabelled', 'unlabeled')


class MaskError(ValueError):
    """Masks that cannot be used; the message names the file, the expected and the actual."""


@dataclass(frozen=True)
class MaskSet:
    """Masks of one image, in the order of the file.

    Attributes:
        masks: (N, H, W) bool.
        names: What each is, as the file says it: a name or an id.
        scores: (N,) confidence, 1 where the file has none.
    """

    masks: np.ndarray
    names: tuple[str, ...]
    scores: np.ndarray


def find_masks(folder: Path, frame_id: str, form: str) -> Path | None:
    """The file that holds the masks of a frame, or None."""
    names = {
        'grounded-sam': (f'{frame_id}_mask.json', f'{frame_id}.json', f'mask_{frame_id}.json'),
        'quadocc': (f'masks_{frame_id}.npz',),
        'coco': (f'{frame_id}.json',),
        'labels': (f'{frame_id}.png',),
    }[form]
    return next((folder / name for name in names if (folder / name).is_file()), None)


def read_masks(path: Path, form: str, size: tuple[int, int]) -> MaskSet:
    """Masks of one image.

    Args:
        form: One of `MASK_FORMATS`.
        size: (width, height) of the camera that they are for.

    Raises:
        FileNotFoundError: A file that belongs to them is missing.
        MaskError: Another size, or not such a file.
    """
    readers = {'grounded-sam': _grounded_sam, 'quadocc': _quadocc, 'coco': _coco, 'labels': _label_image}
    try:
        found = readers[form](path)
    except (MaskError, FileNotFoundError):
        raise
    except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
        raise MaskError(f'{path}: expected masks in the format {form}: {type(error).__name__}: {error}') from error
    height, width = found.masks.shape[1:]
    if len(found.masks) and (width, height) != tuple(size):
        raise MaskError(f'{path}: expected masks of {size[0]}x{size[1]} as their camera, got {width}x{height}')
    return found


def label_image(
    found: MaskSet, class_map: Mapping[str, int], rule: str, size: tuple[int, int], border: int = 2
) -> np.ndarray:
    """One label per pixel (H, W) uint8: 1..C, or 255 where no mask tells.

    * `first`: the first mask in the file's order that covers a pixel, as QuadOcc's authors did.
    * `best`: of the masks of known classes that cover it the surest, and of equally sure ones (to 0.05) the smallest: a
      person stands before a building, not the other way round. Pixels within `border` of another label, or of
      no label, are left out, because that is where masks are wrong.

    Args:
        class_map: Label by name; what is not in it is unlabelled.
        size: (width, height) where there are no masks.
    """
    image = np.full((size[1], size[0]), UNKNOWN, np.uint8)
    labels = np.array([class_map.get(name, UNKNOWN) for name in found.names], np.uint8)
    order = np.arange(len(labels))[::-1]  # painted last wins
    if rule == 'best':
        areas = found.masks.reshape(len(labels), -1).sum(axis=1)
        order = np.lexsort((-areas, np.round(found.scores / 0.05)))
        order = order[labels[order] != UNKNOWN]
    for index in order:
        image[found.masks[index]] = labels[index]
    if rule == 'best' and border:
        import cv2

        kernel = np.ones((2 * border + 1, 2 * border + 1), np.uint8)
        image[cv2.erode(image, kernel) != cv2.dilate(image, kernel)] = UNKNOWN
    return image


def class_map_of(names: Mapping[str, str] | None, classes: tuple[str, ...], where: str) -> dict[str, int]:
    """Label by name of a mask: the classes themselves, and what a map says ('bottle': 'building', 3: 'road').

    Raises:
        MaskError: The map leads to something that is no class.
    """
    labels = {name: index + 1 for index, name in enumerate(classes)}
    mapped = dict(labels)
    for name, target in (names or {}).items():
        if str(target) in BACKGROUND:
            mapped[str(name)] = UNKNOWN
        elif str(target) not in labels:
            raise MaskError(f'{where}: {name}: expected one of {list(classes)} or unlabelled, got {target!r}')
        else:
            mapped[str(name)] = labels[str(target)]
    return mapped


def _grounded_sam(path: Path) -> MaskSet:
    import cv2

    content = read_json(path, MaskError)
    entries = content.get('mask', content.get('annotations')) if isinstance(content, dict) else content
    if not isinstance(entries, list) or not all(isinstance(entry, dict) and 'value' in entry for entry in entries):
        raise MaskError(f'{path}: expected a list of masks with value and label, got something else')
    stem = path.stem
    file = next(
        (
            path.with_name(stem + suffix)
            for suffix in ('.png', '.jpg', '.jpeg')
            if path.with_name(stem + suffix).is_file()
        ),
        None,
    )
    if file is None:
        raise FileNotFoundError(
            f'{path.with_suffix(".png")}: the mask image (.png or .jpg) beside {path.name} is missing'
        )
    image = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise MaskError(f'{file}: not a readable image')
    if image.ndim == 3:
        spread = np.ptp(image[..., :3].astype(np.int16), axis=2)
        if spread.max() > 24:  # JPEG bends greys by a few levels
            raise MaskError(f'{file}: expected grey values that count the masks, got a coloured picture of them')
        image = image[..., 0]
    values = np.array([int(entry['value']) for entry in entries])
    known = np.unique(np.append(values, 0))
    if file.suffix != '.png' and len(known) > 1 and np.diff(known).min() < 4:
        near = image.astype(np.int16)
        inexact = float((~np.isin(near, known)).mean())
        if inexact > 0.02:
            raise MaskError(
                f'{file}: expected the values {known.tolist()}, got others in {100 * inexact:.1f} % of the pixels: '
                'save PNG, not JPEG'
            )
    nearest = known[np.abs(image.astype(np.int16)[..., None] - known).argmin(axis=-1)] if len(known) else image
    masks = np.stack([nearest == value for value in values]) if len(values) else np.zeros((0, *image.shape), bool)
    scores = np.array([float(entry.get('logit', 1.0)) for entry in entries])
    keep = np.array([str(entry['label']) not in BACKGROUND for entry in entries], bool)
    names = tuple(str(entry['label']) for entry, kept in zip(entries, keep) if kept)
    return MaskSet(masks[keep], names, scores[keep])


def _quadocc(path: Path) -> MaskSet:
    companion = path.with_name(path.stem.replace('masks_', 'semantic_') + '.json')
    content = read_json(companion, MaskError)
    ids = content['class_ids'] if isinstance(content, dict) else content
    try:
        masks = read_npz(path, ('masks',))['masks']
    except ArchiveError as error:
        raise MaskError(str(error)) from error
    if masks.ndim == 4 and masks.shape[2] == 1:
        masks = masks[:, :, 0]
    if masks.ndim != 3 or masks.shape[2] != len(ids):
        raise MaskError(
            f'{path}: masks: expected (H, W, {len(ids)}) as {companion.name} has class_ids, got {masks.shape}'
        )
    return MaskSet(np.moveaxis(masks > 0, 2, 0), tuple(str(name) for name in ids), np.ones(len(ids)))


def _coco(path: Path) -> MaskSet:
    from pycocotools import mask as coco

    content = read_json(path, MaskError)
    entries = content.get('annotations') if isinstance(content, dict) else content
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        got = f'the keys {sorted(content)[:9]}' if isinstance(content, dict) else 'something else'
        video = ": SA-V's masklets are those of a whole video; write each frame's masks with a class_name"
        raise MaskError(
            f'{path}: expected a list of annotations, or one under the key annotations, got {got}'
            f'{video if "masklet" in content else ""}'
        )
    masks, names, scores = [], [], []
    for index, entry in enumerate(entries):
        name = next(
            (entry[key] for key in ('class_name', 'label', 'category_name', 'category_id') if key in entry), None
        )
        if name is None:
            raise MaskError(
                f'{path}: annotation {index}: expected class_name, label or category_id, got {sorted(entry)}: '
                'masks without classes'
            )
        masks.append(coco.decode(_compressed(entry['segmentation'], f'{path}: annotation {index}')) > 0)
        score = entry.get('score', entry.get('predicted_iou', 1.0))
        scores.append(float(np.max(score)))
        names.append(str(name))
    sizes = {mask.shape for mask in masks}
    if len(sizes) > 1:
        raise MaskError(f'{path}: expected masks of one size, got {sorted(sizes)}')
    stack = np.stack(masks) if masks else np.zeros((0, 0, 0), bool)
    return MaskSet(stack, tuple(names), np.array(scores))


def _compressed(segmentation: Any, where: str) -> dict[str, Any]:
    from pycocotools import mask as coco

    if not isinstance(segmentation, dict) or set(segmentation) < {'size', 'counts'}:
        raise MaskError(f'{where}: segmentation: expected RLE with size and counts, got {type(segmentation).__name__}')
    height, width = (int(length) for length in segmentation['size'])
    if isinstance(segmentation['counts'], list):
        if sum(segmentation['counts']) != height * width:
            raise MaskError(
                f'{where}: expected runs that fill {width}x{height} pixels, got {sum(segmentation["counts"])}'
            )
        return coco.frPyObjects(dict(segmentation), height, width)
    return dict(size=[height, width], counts=str(segmentation['counts']).encode())


def _label_image(path: Path) -> MaskSet:
    from PIL import Image

    with Image.open(path) as picture:
        if picture.mode not in ('L', 'P', '1', 'I;16', 'I'):
            raise MaskError(f'{path}: expected a label image of one channel, got {picture.mode}')
        image = np.array(picture)
    values = np.unique(image)
    if len(values) > 256:
        raise MaskError(f'{path}: expected at most 256 labels, got {len(values)} values: a photograph?')
    masks = np.stack([image == value for value in values])
    return MaskSet(masks, tuple(str(int(value)) for value in values), np.ones(len(values)))
