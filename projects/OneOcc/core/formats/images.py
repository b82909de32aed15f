"""Camera images from disk: the pixels that the camera wrote, or a refusal that says why not.

An image file can be wrong and still decode. So, before and after the decoder:

* the size is read from the header and compared before any memory is taken;
* every chunk of a PNG has to carry its checksum, a JPEG has to be whole and its markers in order (a JPEG has no
  checksum: damage inside its compressed data can stay unseen);
* more than 8 bits a channel are scaled by the number of bits that the camera uses, which the file (PNG's sBIT chunk) or
  the caller has to state; a 12-bit camera in 16-bit samples would otherwise come out almost black;
* an EXIF orientation other than 1 is refused unless the caller says what it means: a calibration belongs to pixels, and
  no file tells whether it was made on the stored ones or on the turned ones;
* what has no single meaning as an RGB picture (transparent pixels, several frames, CMYK) is refused by name.
"""

from __future__ import annotations

import io
import os
import stat
import warnings
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from .image_bytes import ImageError, PngFacts, check_jpeg, check_png

__all__ = ['ImageError', 'check_options', 'read_rgb']

_FORMATS = ('PNG', 'JPEG', 'BMP', 'WEBP')
_ORIENTATION_TAG = 0x0112
_ORIENTATIONS = ('refuse', 'apply', 'ignore')


def read_rgb(
    path: str | Path,
    size: tuple[int, int] | None = None,
    bit_depth: int | None = None,
    orientation: str = 'refuse',
) -> np.ndarray:
    """Read a PNG, JPEG, BMP or WebP of any usual colour type as RGB.

    Args:
        path: the file.
        size: (width, height) that it must have; checked before the pixels are decoded.
        bit_depth: bits that the camera uses in files of more than 8 bits a channel, their values being
            0 .. 2**bit_depth - 1; by default what the file states.
        orientation: EXIF orientations other than 1: 'refuse', 'apply' (turn the picture as a viewer would; ``size``
            is then that of the turned one) or 'ignore' (keep the pixels as they are stored).

    Returns:
        (H, W, 3) uint8.

    Raises:
        ImageError: whatever is wrong with the file; the message names it, the expected and the actual.
        ValueError: an argument out of range.
    """
    check_options(bit_depth, orientation)
    try:
        return _read_rgb(Path(path), size, bit_depth, orientation)
    except ImageError as error:
        raise ImageError(f'{path}: {error}') from error
    except FileNotFoundError as error:
        raise ImageError(f'{path}: the image file is missing') from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(f'{path}: expected an image of a camera, got far too many pixels: {error}') from error
    except Exception as error:
        # Whatever the decoders raise on a file is the file's fault: struct.error, MemoryError, cv2.error, ...
        kind = '' if isinstance(error, (OSError, ValueError)) else f'{type(error).__name__}: '
        raise ImageError(f'{path}: expected a complete image file, but it cannot be decoded: {kind}{error}') from error


def check_options(bit_depth: int | None, orientation: str) -> None:
    """Refuse options of ``read_rgb`` that are out of range, with a ValueError."""
    if orientation not in _ORIENTATIONS:
        raise ValueError(f'orientation: expected one of {_ORIENTATIONS}, got {orientation!r}')
    if bit_depth is not None and bit_depth not in range(9, 17):
        raise ValueError(f'bit_depth: expected 9..16 bits, got {bit_depth!r}')


def _read_rgb(path: Path, size: tuple[int, int] | None, bit_depth: int | None, orientation: str) -> np.ndarray:
    """(H, W, 3) uint8; errors leave the name of the file to `read_rgb`."""
    content, kind = _read_bytes(path, size, may_turn=orientation == 'apply')
    facts = check_png(content) if kind == 'PNG' else None
    if kind == 'JPEG':
        check_jpeg(content)
    picture = Image.open(io.BytesIO(content), formats=(kind,))
    frames = getattr(picture, 'n_frames', 1)
    if kind != 'JPEG' and frames != 1:
        raise ImageError(f'expected one picture, got {frames} frames of an animation')
    turned = _orientation(picture, orientation)
    if facts is not None and facts.bits == 16:
        rgb = _sixteen_bits(content, facts, bit_depth)
    else:
        rgb = _eight_bits(picture)
    if orientation == 'apply' and turned != 1:
        turning = Image.fromarray(rgb)
        turning.getexif()[_ORIENTATION_TAG] = turned
        rgb = np.array(ImageOps.exif_transpose(turning))
    if size is not None and rgb.shape[1::-1] != tuple(size):
        raise ImageError(_sizes(rgb.shape[1::-1], size))
    return rgb


def _read_bytes(path: Path, size: tuple[int, int] | None, may_turn: bool) -> tuple[bytes, str]:
    """The file's content and format; nothing large is read of a file whose header is wrong already."""
    with open(path, 'rb', opener=_open_regular_file) as file:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', Image.DecompressionBombWarning)
            header = Image.open(file, formats=_FORMATS)
        # A phone's JPEG with a preview behind it (MPO) is read as the JPEG that it is.
        kind = (header.format or '').replace('MPO', 'JPEG')
        if size is not None and header.size not in (tuple(size), tuple(size)[:: -1 if may_turn else 1]):
            raise ImageError(_sizes(header.size, size))
        length = os.fstat(file.fileno()).st_size
        if length > 16 * header.width * header.height + (64 << 20):
            raise ImageError(f'expected an image of {header.width}x{header.height}, got a file of {length} bytes')
        file.seek(0)
        return file.read(), kind


def _open_regular_file(path: str, flags: int) -> int:
    # Without O_NONBLOCK a named pipe would be waited for.
    descriptor = os.open(path, flags | getattr(os, 'O_NONBLOCK', 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ImageError('expected an image file, got a folder or a device')
    return descriptor


def _orientation(picture: Image.Image, rule: str) -> int:
    turned = picture.getexif().get(_ORIENTATION_TAG, 1)
    if turned not in range(1, 9):
        return 1  # reserved; viewers show such pictures as stored
    if turned != 1 and rule == 'refuse':
        raise ImageError(
            f'expected pixels as the sensor gave them, got EXIF orientation {turned}, which turns or mirrors them in '
            "a viewer. orientation='ignore' keeps the stored pixels, 'apply' the turned ones: whichever the "
            'calibration was made on'
        )
    return turned


def _sizes(found: tuple[int, ...], expected: tuple[int, int]) -> str:
    return f'expected an image of {expected[0]}x{expected[1]} as its calibration, got {found[0]}x{found[1]}'


def _eight_bits(image: Image.Image) -> np.ndarray:
    """(H, W, 3) uint8 of a picture of 8 bits a channel or fewer."""
    if image.mode not in ('RGB', 'RGBA', 'L', 'LA', 'P', 'PA', '1'):
        raise ImageError(f'expected 8-bit colour or grey, got {image.mode!r}')
    if image.mode in ('RGBA', 'LA', 'PA') or 'transparency' in image.info:
        image = image.convert('RGBA')
        _refuse_transparency(np.array(image.getchannel('A')), 255)
    return np.array(image.convert('RGB'))


def _sixteen_bits(content: bytes, facts: PngFacts, bit_depth: int | None) -> np.ndarray:
    """(H, W, 3) uint8 of a 16-bit PNG."""
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None or image.dtype != np.uint16:
        raise ImageError('expected 16-bit samples, but they cannot be decoded')
    if image.ndim == 3 and image.shape[2] in (2, 4):
        _refuse_transparency(image[..., -1], 65535)
        image = image[..., :-1]
    largest = int(image.max())
    bits = facts.significant_bits if bit_depth is None else bit_depth
    if bits is None:
        raise ImageError(
            f'expected 8-bit colour, or 16-bit samples that say how many bits the camera uses (sBIT chunk), got 16-bit '
            f'samples up to {largest}, which take {max(largest.bit_length(), 1)} bits: state bit_depth'
        )
    if bit_depth is None and (largest >> bits or _left_aligned(image, bits)):
        bits = 16  # as the standard wants it: the significant bits are the upper ones
    if largest >> bits:
        raise ImageError(f'expected samples of {bits} bits (0..{(1 << bits) - 1}), got {largest}')
    scaled = np.rint(image * (255.0 / ((1 << bits) - 1))).astype(np.uint8)
    if scaled.ndim == 2:
        return np.repeat(scaled[..., None], 3, axis=-1)
    return np.ascontiguousarray(scaled[..., ::-1]) if scaled.shape[2] == 3 else np.repeat(scaled, 3, axis=-1)


def _left_aligned(image: np.ndarray, bits: int) -> bool:
    """Whether the lower bits of (H, W, ...) are empty or repeat the upper ones, as in samples scaled up from `bits`."""
    spare = 16 - bits
    upper = image >> spare
    exact = np.rint(upper * (65535.0 / ((1 << bits) - 1)))
    return bool(((image == upper << spare) | (np.abs(image - exact) <= 1)).all())


def _refuse_transparency(alpha: np.ndarray, opaque: int) -> None:
    """Raise ImageError where the alpha channel (H, W) is not `opaque` everywhere."""
    transparent = int((alpha != opaque).sum())
    if transparent:
        raise ImageError(
            f'expected an opaque picture, got {transparent} of {alpha.size} pixels transparent: what they show is '
            'not defined; where the lens is blind belongs into the mask of its camera'
        )
