"""Masks of every format come back as they were; other sizes, missing files and unknown names are told."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pycocotools import mask as coco

from data_converters.point_labels.mask_files import (
    MaskError,
    MaskSet,
    class_map_of,
    find_masks,
    label_image,
    read_masks,
)
from tests.realdata import real_file

SIZE = (24, 16)
LEFT, TOP = np.zeros((2, 16, 24), bool)
LEFT[:, :12] = True
TOP[:6] = True
BOTH = np.stack([LEFT, TOP])


def write(folder: Path, form: str, masks: np.ndarray = BOTH, names=('road', 'building')) -> Path:
    """The masks of frame 000007 in a format."""
    if form == 'quadocc':
        np.savez(folder / 'masks_000007.npz', masks=np.moveaxis(masks, 0, 2))
        (folder / 'semantic_000007.json').write_text(json.dumps(dict(class_ids=list(names))))
    elif form == 'coco':
        entries = []
        for mask, name in zip(masks, names):
            rle = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
            entries.append(dict(class_name=name, segmentation=dict(rle, counts=rle['counts'].decode()), score=[0.5]))
        (folder / '000007.json').write_text(json.dumps(dict(annotations=entries)))
    elif form == 'grounded-sam':
        image = np.zeros(masks.shape[1:], np.uint8)
        entries = [dict(value=0, label='background')]
        for number, (mask, name) in enumerate(zip(masks, names), 1):
            image[mask] = number
            entries.append(dict(value=number, label=name, logit=0.5, box=[0, 0, 1, 1]))
        (folder / '000007_mask.json').write_text(json.dumps(entries))
        Image.fromarray(image).save(folder / '000007_mask.png')
    else:
        Image.fromarray(np.where(masks[1], 2, np.where(masks[0], 1, 0)).astype(np.uint8)).save(folder / '000007.png')
    return find_masks(folder, '000007', form)


@pytest.mark.parametrize('form', ['quadocc', 'coco', 'grounded-sam', 'labels'])
def test_every_format_gives_the_same_label_image(form, tmp_path):
    path = write(tmp_path, form)
    found = read_masks(path, form, SIZE)
    names = {'labels': {'1': 'road', '2': 'building', '0': 'unlabelled'}}.get(form)
    class_map = class_map_of(names, ('road', 'building'), 'map')
    image = label_image(found, class_map, 'first', SIZE)
    first = 1 if form in ('quadocc', 'coco') else 2  # the others have one value a pixel
    assert (image[TOP & LEFT] == first).all() and (image[LEFT & ~TOP] == 1).all()
    assert (image[TOP & ~LEFT] == 2).all() and (image[~LEFT & ~TOP] == 255).all()
    with pytest.raises(MaskError, match=f'{path.name}.*: expected masks of 24x12 as their camera, got 24x16'):
        read_masks(path, form, (24, 12))


def test_the_first_mask_wins_or_the_surest_and_smallest():
    building, person, road = np.zeros((3, 16, 24), bool)
    building[:, :], person[4:14, 4:14], road[10:, :] = True, True, True
    found = MaskSet(np.stack([building, person, road]), ('building', 'person', 'road'), np.array([0.6, 0.61, 0.3]))
    class_map = dict(building=1, person=2, road=3)
    assert (label_image(found, class_map, 'first', SIZE) == 1).all()
    best = label_image(found, class_map, 'best', SIZE, border=1)
    assert (best[6:12, 6:12] == 2).all() and best[0, 20] == 1 and best[14, 20] == 1 and 3 not in best
    assert (best[4, 4:14] == 255).all()  # a border is nobody's
    assert (label_image(found, dict(road=3), 'best', SIZE, border=0)[10:] == 3).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 5), st.integers(0, 2**31 - 1))
def test_the_first_rule_is_quadoccs(count, seed):
    rng = np.random.default_rng(seed)
    masks = rng.random((count, 5, 7)) < 0.4
    labels = rng.integers(1, 4, count)
    found = MaskSet(masks, tuple(map(str, labels)), np.ones(count))
    image = label_image(found, {str(n): n for n in (1, 2, 3)}, 'first', (7, 5))
    for row in range(5):
        for column in range(7):
            covering = np.flatnonzero(masks[:, row, column])
            assert image[row, column] == (labels[covering[0]] if len(covering) else 255)


@pytest.mark.parametrize(
    'form, damage, words',
    [
        ('quadocc', lambda f: (f / 'semantic_000007.json').write_text('{"class_ids": ["a"]}'), r'expected \(H, W, 1\)'),
        ('quadocc', lambda f: (f / 'semantic_000007.json').unlink(), 'no such file'),
        ('coco', lambda f: (f / '000007.json').write_text('[{"segmentation": {}}]'), 'masks without classes'),
        (
            'coco',
            lambda f: (f / '000007.json').write_text('[{"label": "a", "segmentation": [[1, 2]]}]'),
            'expected RLE',
        ),
        ('coco', lambda f: (f / '000007.json').write_text('{"x": 1}'), r"key annotations, got the keys \['x'\]$"),
        ('coco', lambda f: (f / '000007.json').write_text('[1]'), 'got something else'),
        ('coco', lambda f: (f / '000007.json').write_text('{"masklet": []}'), 'masklets are those of a whole video'),
        ('grounded-sam', lambda f: (f / '000007_mask.png').unlink(), 'is missing'),
        ('grounded-sam', lambda f: (f / '000007_mask.json').write_text('[1]'), 'a list of masks with value'),
        ('labels', lambda f: Image.new('RGB', SIZE).save(f / '000007.png'), 'one channel'),
    ],
)
def test_damaged_files_are_named(form, damage, words, tmp_path):
    path = write(tmp_path, form)
    damage(tmp_path)
    with pytest.raises((MaskError, FileNotFoundError), match=words):
        read_masks(path, form, SIZE)


def test_coloured_pictures_of_masks_are_no_masks(tmp_path):
    path = write(tmp_path, 'grounded-sam')
    (tmp_path / '000007_mask.png').unlink()
    cv2.imwrite(str(tmp_path / '000007_mask.jpg'), np.random.default_rng(0).integers(0, 255, (16, 24, 3)))
    with pytest.raises(MaskError, match='coloured picture'):
        read_masks(path, 'grounded-sam', SIZE)


def test_a_map_leads_to_classes_only():
    assert class_map_of({'bottle': 'road', 'sky': 'unlabelled'}, ('road',), 'm') == dict(road=1, bottle=1, sky=255)
    with pytest.raises(MaskError, match=r"m: bottle: expected one of \['road'\] or unlabelled, got 'roda'"):
        class_map_of({'bottle': 'roda'}, ('road',), 'm')


def test_real_files(tmp_path):
    """Masks of SA-V (COCO RLE) and the mask.json of a Grounded-Segment-Anything script."""
    masklets = json.loads(real_file('realdata2/05_masks/sav_000001_auto.json').read_text())['masklet'][0]
    entries = [dict(label='thing', segmentation=rle) for rle in masklets]
    (tmp_path / '0.json').write_text(json.dumps(entries))
    found = read_masks(tmp_path / '0.json', 'coco', (480, 848))
    assert len(found.masks) == len(masklets) and found.masks.any(axis=(1, 2)).sum() > 1
    text = real_file('realdata2/05_masks/grounded_sam_captured_0002_mask.json').read_text()
    (tmp_path / '000002_mask.json').write_text(text)
    image = np.zeros((720, 1280), np.uint8)
    image[500:700, 890:950], image[360:700, 620:720] = 1, 3
    Image.fromarray(image).save(tmp_path / '000002_mask.png')
    found = read_masks(tmp_path / '000002_mask.json', 'grounded-sam', (1280, 720))
    assert found.names == ('bottle',) * 4 + ('cup', 'book', 'book') and found.masks[0].sum() == 12000
