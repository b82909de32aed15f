"""What the numbers in a label volume mean: 0 empty, 1..C the classes in their order, 255 unknown."""

from __future__ import annotations

EMPTY = 0
UNKNOWN = 255
MAX_CLASSES = UNKNOWN - 2  # logits have C + 1 channels, and no channel may be taken for `UNKNOWN`
QUADOCC_CLASSES = ('vehicle', 'pedestrian', 'road', 'building', 'vegetation', 'terrain')
H3O_CLASSES = (
    'road',
    'sidewalk',
    'building',
    'vegetation',
    'car',
    'truck',
    'bus',
    'two_wheeler',
    'person',
    'pole',
)


def check_classes(classes: object, where: str, error: type[ValueError] = ValueError) -> tuple[str, ...]:
    """Return `classes` as a tuple; label i + 1 is classes[i].

    Raises:
        error: Not a list of 1..253 distinct, non-empty names, or one of them is 'empty'.
    """
    if (
        not isinstance(classes, (list, tuple))
        or not 1 <= len(classes) <= MAX_CLASSES
        or not all(isinstance(name, str) and name.strip() for name in classes)
        or len(set(classes)) != len(classes)
        or 'empty' in classes
    ):
        found = repr(classes)
        raise error(
            f"{where}: expected a list of 1..{MAX_CLASSES} distinct names without 'empty', "
            f'got {found if len(found) <= 160 else found[:157] + "..."}'
        )
    return tuple(classes)
