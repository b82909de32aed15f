"""One picture of one sample: panorama, truth, prediction, error, from above and in perspective."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ...core.formats.atomic_files import write_atomically
from ...core.geometry import CartesianGrid, View
from .overlay import overlay_labels
from .palette import ERROR_CLASSES, ERROR_PALETTE, INK, PAPER, UNKNOWN_COLOUR, Labels, as_labels, error_labels
from .perspective import Viewpoint, render_perspective
from .topdown import render_error_topdown, render_topdown

WIDTH, GAP, BANNER = 1536, 16, 34


def comparison_sheet(
    images: Mapping[str, np.ndarray],
    cameras: Mapping[str, View | Mapping],
    truth: Labels | None,
    prediction: Labels | None,
    grid: CartesianGrid,
    palette: Sequence[Sequence[int]],
    classes: Sequence[str],
    title: str = '',
    unknown: str = 'hide',
    view: Viewpoint | None = None,
) -> np.ndarray:
    """Everything about one sample on one sheet.

    Args:
        images: view -> (H, W, 3) uint8 RGB.
        cameras: name -> view.
        truth, prediction: (X, Y, Z) uint8 labels; either may be None, and then its column and the
            error's are left out.
        grid, palette, classes: of the labels; ``palette`` and ``classes`` do not hold empty.
        title: printed at the top.
        unknown: see ``render_topdown``.
        view: of the perspective pictures.

    Returns:
        (H, 1536, 3) uint8 RGB.
    """
    if truth is None and prediction is None:
        raise ValueError('comparison_sheet: expected a truth or a prediction, got neither')
    volumes = {
        name: as_labels(name, labels)
        for name, labels in (('ground truth', truth), ('prediction', prediction))
        if labels is not None
    }
    strips = [_text_strip(title, 26)] if title else []
    for name, image in images.items():
        mount = View.of(cameras[name])
        painted = {
            source: overlay_labels(image, labels, grid, palette, mount.camera, mount.cam_from_ego, unknown=unknown)
            for source, labels in volumes.items()
        }
        strips.extend(_image_strips(name, image, painted))
    both = len(volumes) == 2
    if both:
        volumes['error'] = error_labels(volumes['prediction'], volumes['ground truth'])
    columns = len(volumes) if both else 2
    size = (WIDTH - GAP * (columns + 1)) // columns
    above, oblique = [], []
    for name, volume in volumes.items():
        colours: Sequence[Sequence[int]]
        if name == 'error':
            picture = render_error_topdown(volumes['prediction'], volumes['ground truth'], size, grid)
            colours = ERROR_PALETTE
        else:
            picture, colours = render_topdown(volume, palette, size, unknown, grid), palette
        above.append(_captioned(_fit(picture, size), f'{name}, from above'))
        oblique.append(
            _captioned(
                render_perspective(
                    volume,
                    grid,
                    colours,
                    view,
                    size,
                    size * 5 // 8 if both else size,
                    'hide' if name == 'error' else unknown,
                ),
                name,
            )
        )
    strips.extend([_row(above), _row(oblique)] if both else [_row(above + oblique)])
    strips.append(legend(classes, palette, WIDTH, unknown == 'show'))
    if both:
        strips.append(legend(ERROR_CLASSES, ERROR_PALETTE, WIDTH))
    return np.concatenate(strips)


def legend(
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
    width: int,
    with_unknown: bool = False,
) -> np.ndarray:
    """(H, width, 3): a chip of colour and a name for every class, in as many rows as needed."""
    if len(classes) != len(palette):
        raise ValueError(
            f'expected as many colours as classes, got {len(palette)} for {len(classes)}: {tuple(classes)}'
        )
    entries = [(name.replace('_', ' '), tuple(int(c) for c in colour)) for name, colour in zip(classes, palette)]
    if with_unknown:
        entries.append(('unknown', UNKNOWN_COLOUR))
    font = ImageFont.load_default(18)
    x, row, places = GAP, 0, []
    for name, _ in entries:
        needed = 26 + int(font.getlength(name)) + 26
        if x + needed > width and x > GAP:
            x, row = GAP, row + 1
        places.append((x, row))
        x += needed
    image = Image.new('RGB', (width, 32 * (row + 1) + 6), PAPER)
    draw = ImageDraw.Draw(image)
    for (name, colour), (x, row) in zip(entries, places):
        draw.rounded_rectangle((x, 32 * row + 8, x + 18, 32 * row + 26), 4, fill=colour)
        draw.text((x + 26, 32 * row + 17), name, fill=INK, font=font, anchor='lm')
    return np.asarray(image)


def write_picture(path: str | Path, image: np.ndarray) -> Path:
    """Write (H, W, 3) uint8 RGB as an image file; makes the folder. Returns the path."""
    path = Path(path)
    kind = Image.registered_extensions()[path.suffix.lower()]
    write_atomically(path, lambda file: Image.fromarray(image).save(file, kind))
    return path


def _image_strips(name: str, image: np.ndarray, painted: Mapping[str, np.ndarray] | None = None) -> list[np.ndarray]:
    """A narrow band takes the whole width; a frame stands beside the same frame with labels, if there are some.

    Pictures (H, W, 3).
    """
    pictures = {f'{name} image': image}
    pictures |= {f'{name} image with {source}': picture for source, picture in (painted or {}).items()}
    height, width = image.shape[:2]
    if width >= 3 * height:
        full = WIDTH - 2 * GAP
        return [
            _row(
                [
                    _captioned(
                        cv2.resize(p, (full, round(full * height / width)), interpolation=_resampling(width, full)), c
                    )
                ]
            )
            for c, p in pictures.items()
        ]
    columns = max(len(pictures), 2)
    half = (WIDTH - (columns + 1) * GAP) // columns
    tall = min(round(half * height / width), 560)
    wide = round(tall * width / height)
    return [
        _row(
            [
                _captioned(_fit(cv2.resize(p, (wide, tall), interpolation=_resampling(width, wide)), half, tall), c)
                for c, p in pictures.items()
            ]
        )
    ]


def _resampling(source: int, target: int) -> int:
    return cv2.INTER_AREA if target < source else cv2.INTER_CUBIC


def _captioned(image: np.ndarray, caption: str) -> np.ndarray:
    """Picture (H, W, 3) below its caption."""
    return np.concatenate((_text_strip(caption, 18, image.shape[1], indent=0), image))


def _text_strip(text: str, size: int, width: int = WIDTH, indent: int = GAP) -> np.ndarray:
    """A line of text, (H, width, 3)."""
    image = Image.new('RGB', (width, BANNER if size < 24 else BANNER + 14), PAPER)
    ImageDraw.Draw(image).text(
        (indent, image.height / 2), text, fill=INK, font=ImageFont.load_default(size), anchor='lm'
    )
    return np.asarray(image)


def _fit(image: np.ndarray, width: int, height: int | None = None) -> np.ndarray:
    """Centre a picture on paper of the given size (square by default), shrunk if it is larger. (H, W, 3) ->
    (height, width, 3)."""
    height = height or width
    scale = min(width / image.shape[1], height / image.shape[0], 1.0)
    if scale < 1:
        size = round(image.shape[1] * scale), round(image.shape[0] * scale)
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    page = np.full((height, width, 3), PAPER, dtype=np.uint8)
    top, left = (height - image.shape[0]) // 2, (width - image.shape[1]) // 2
    page[top : top + image.shape[0], left : left + image.shape[1]] = image
    return page


def _row(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Pictures of one height side by side on the sheet's width, gaps around them. (H, W, 3) each."""
    height = pictures[0].shape[0]
    strip = np.full((height + GAP // 2, WIDTH, 3), PAPER, dtype=np.uint8)
    x = GAP
    for picture in pictures:
        strip[:height, x : x + picture.shape[1]] = picture
        x += picture.shape[1] + GAP
    return strip
