"""Pictures out of ROS messages: raw ones in the encodings of cameras, compressed ones as their transport has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from data_converters.recorders.pose_track import RideError

# ROS names a pattern by its first two pixels, OpenCV by the second row's middle two
_BAYER = {'rggb': 'BG', 'bggr': 'RG', 'gbrg': 'GR', 'grbg': 'GB'}
_CHANNELS = {'rgb8': 3, 'bgr8': 3, 'rgba8': 4, 'bgra8': 4, 'mono8': 1, '8uc1': 1, '8uc3': 3, '8uc4': 4}
_YUV = {'yuv422': 'UYVY', 'uyvy': 'UYVY', 'yuv422_yuy2': 'YUY2', 'yuyv': 'YUY2'}
_DEPTH = ('16uc1', '32fc1')


@dataclass(frozen=True)
class Picture:
    """An image of a camera.

    Attributes:
        rgb: (H, W, 3) uint8, or None where `jpeg` is kept as it is.
        jpeg: The camera's own JPEG.
        size: (width, height).
    """

    rgb: np.ndarray | None
    jpeg: bytes | None
    size: tuple[int, int]


def raw_picture(message: Any, where: str, bit_depth: int | None = None) -> Picture:
    """A sensor_msgs/Image as RGB.

    Args:
        bit_depth: Bits that a camera of more than 8 bits uses.

    Raises:
        RideError: A depth image, an encoding that is not known, more than 8 bits without `bit_depth`, fewer bytes
            than the header says.
    """
    encoding = message.encoding.strip().lower()
    height, width, step = int(message.height), int(message.width), int(message.step)
    data = np.frombuffer(bytes(message.data), np.uint8)
    if encoding in _DEPTH:
        raise RideError(
            f'{where}: expected pictures of a camera, got {message.encoding}, a depth image; choose its colour topic'
        )
    wide = encoding.endswith('16') or encoding.endswith('16_be')
    item = 2 if wide else 1
    channels = _channels(encoding, where)
    row = width * channels * item
    step = step or row
    if step < row or len(data) < step * (height - 1) + row or not height or not width:
        raise RideError(
            f'{where}: expected {height} rows of {row} bytes for {width}x{height} {message.encoding}, got '
            f'{len(data)} bytes in rows of {step}'
        )
    rows = np.stack([data[y * step : y * step + row] for y in range(height)])
    if wide:
        pixels = rows.view('>u2' if message.is_bigendian else '<u2').reshape(height, width, channels)
        rows = eight_bits(pixels, bit_depth, where)
    pixels = rows.reshape(height, width, channels)
    return Picture(_as_rgb(pixels, encoding, where), None, (width, height))


def compressed_picture(message: Any, where: str, bit_depth: int | None = None) -> Picture:
    """A sensor_msgs/CompressedImage; an 8-bit colour JPEG is kept as the camera wrote it.

    The format is `RAW; CODEC compressed STORED`, with or without parts and trailing blanks, or the codec alone.
    What is stored is BGR for the codec (so the file opens with right colours) unless RAW is a colour and the
    format does not say `compressed bgr`.

    Raises:
        RideError: A compressed depth image, no decodable picture.
    """
    import cv2

    form = ' '.join(message.format.lower().split())
    content = bytes(message.data)
    raw, _, stored = (part.strip() for part in form.partition(';'))
    if 'compresseddepth' in form.replace(' ', '') or raw in _DEPTH:
        raise RideError(
            f'{where}: expected pictures of a camera, got a depth image ({form!r}); choose its colour topic'
        )
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED) if content else None
    if image is None:
        raise RideError(
            f'{where}: expected a JPEG, PNG or WebP, got {len(content)} bytes that cannot be decoded ({form!r})'
        )
    size = image.shape[1], image.shape[0]
    if image.dtype != np.uint8:
        image = eight_bits(image, bit_depth, where)
    plain = not stored or 'compressed bgr' in stored or raw not in ('rgb8', 'rgba8', 'bgr8', 'bgra8', 'rgb16', 'bgr16')
    if image.ndim == 2:
        pattern = raw if raw.startswith('bayer') else 'mono8'
        return Picture(_as_rgb(image[..., None], pattern.replace('16', '8'), where), None, size)
    if plain and content.startswith(b'\xff\xd8') and image.shape[2] == 3:
        return Picture(None, content, size)
    colours = image[..., :3] if not plain and raw.startswith('rgb') else image[..., 2::-1]
    return Picture(np.ascontiguousarray(colours), None, size)


def eight_bits(pixels: np.ndarray, bit_depth: int | None, where: str) -> np.ndarray:
    """16-bit samples scaled to uint8 by the bits that the camera uses.

    Raises:
        RideError: They are not stated, or a sample is larger.
    """
    if bit_depth is None:
        raise RideError(
            f'{where}: expected 8 bits a channel, got 16-bit samples up to {int(pixels.max())}: state the bits '
            'that the '
            'camera uses as bit_depth of the camera in rig.yaml'
        )
    largest = (1 << bit_depth) - 1
    if int(pixels.max()) > largest:
        raise RideError(f'{where}: expected samples of {bit_depth} bits (0..{largest}), got {int(pixels.max())}')
    return np.rint(pixels.astype(np.float64) * (255.0 / largest)).astype(np.uint8)


def _channels(encoding: str, where: str) -> int:
    if encoding.startswith('bayer_'):
        return 1
    if encoding in _YUV:
        return 2
    if encoding in _CHANNELS:
        return _CHANNELS[encoding]
    if encoding.endswith('16') and encoding.replace('16', '8') in _CHANNELS:
        return _CHANNELS[encoding.replace('16', '8')]
    known = [*_CHANNELS, *_YUV, 'bayer_rggb8', 'mono16']
    raise RideError(f'{where}: expected an encoding among {", ".join(known)}, got {encoding!r}')


def _as_rgb(pixels: np.ndarray, encoding: str, where: str) -> np.ndarray:
    import cv2

    if encoding.startswith('bayer_'):
        pattern = encoding[6:10]
        if pattern not in _BAYER:
            raise RideError(f'{where}: expected a Bayer pattern among {sorted(_BAYER)}, got {encoding!r}')
        code = getattr(cv2, f'COLOR_Bayer{_BAYER[pattern]}2RGB')
        return np.asarray(cv2.cvtColor(np.ascontiguousarray(pixels[..., 0]), code))
    if encoding in _YUV:
        code = getattr(cv2, f'COLOR_YUV2RGB_{_YUV[encoding]}')
        return np.asarray(cv2.cvtColor(np.ascontiguousarray(pixels), code))
    if pixels.shape[2] == 1:
        return np.repeat(pixels, 3, axis=2)
    colours = pixels[..., :3]
    return np.ascontiguousarray(colours if encoding.startswith('rgb') else colours[..., ::-1])
