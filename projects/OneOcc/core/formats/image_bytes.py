"""The bytes of image files, checked before a decoder sees them: decoders forgive too much."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

import numpy as np

_PNG_SIGNATURE = b'\x89PNG\r\n\x1a\n'
_JPEG_BETWEEN_SCANS = {0xC4, 0xDA, 0xDB, 0xDC, 0xDD, 0xFE, *range(0xE0, 0xF0)}


class ImageError(ValueError):
    """An image file that cannot be used; the message names the expected and the actual."""


@dataclass(frozen=True)
class PngFacts:
    """What the chunks of a PNG say: bits a sample, and how many of them the camera used, where that is stated."""

    bits: int
    significant_bits: int | None


def check_png(content: bytes) -> PngFacts:
    """Verify the checksum of every chunk and that the file is whole.

    Raises:
        ImageError: a chunk is damaged, missing or cut off, or the file is an animation.
    """
    if not content.startswith(_PNG_SIGNATURE):
        raise ImageError('expected a PNG signature, but it cannot be decoded: the first bytes are damaged')
    at, kind = len(_PNG_SIGNATURE), b''
    bits, significant, seen = 0, None, set()
    while kind != b'IEND':
        if at + 12 > len(content):
            raise ImageError('expected a complete PNG, but it cannot be decoded: it ends before its last chunk')
        (length,), kind = struct.unpack_from('>I', content, at), content[at + 4 : at + 8]
        end = at + 8 + length
        if end + 4 > len(content):
            raise ImageError(f'expected a complete PNG, but it cannot be decoded: chunk {kind!r} is cut off')
        (expected,) = struct.unpack_from('>I', content, end)
        if zlib.crc32(memoryview(content)[at + 4 : end]) != expected:
            raise ImageError(f'expected a sound PNG, but it cannot be decoded: checksum of chunk {kind!r} is wrong')
        if not seen and kind != b'IHDR':
            raise ImageError(f'expected a PNG that begins with IHDR, but it cannot be decoded: it has {kind!r}')
        if kind == b'IHDR':
            bits = content[at + 16]
        elif kind == b'sBIT':
            significant = max(content[at + 8 : end])
        elif kind == b'acTL':
            raise ImageError('expected one picture, got an animation (APNG)')
        seen.add(kind)
        at = end + 4
    if b'IDAT' not in seen:
        raise ImageError('expected a PNG with pixels, but it cannot be decoded: it has no IDAT chunk')
    if significant is not None and not 1 <= significant <= bits:
        significant = None
    return PngFacts(bits, significant)


def check_jpeg(content: bytes) -> None:
    """Walk the markers of a JPEG: it must be whole, and restart markers must come in their order.

    Raises:
        ImageError: the file is cut off or a marker stands where none may.
    """
    if content[:2] != b'\xff\xd8':
        raise ImageError('expected a JPEG, but it cannot be decoded: the first bytes are damaged')
    data = np.frombuffer(content, np.uint8)
    # Where 0xFF is followed by something else than a stuffed zero or fill: all markers inside the scans.
    starts = np.flatnonzero((data[:-1] == 0xFF) & (data[1:] != 0) & (data[1:] != 0xFF))
    at, restart_interval, in_scan, next_restart = 2, 0, False, 0
    while True:
        found = starts[np.searchsorted(starts, at) :][:1]
        if not found.size:
            raise ImageError('expected a complete JPEG, but it cannot be decoded: it ends before its end marker')
        marker = int(data[found[0] + 1])
        if not in_scan and found[0] != at and (data[at : found[0]] != 0xFF).any():
            raise ImageError(f'expected a JPEG marker at byte {at}, but it cannot be decoded: got {data[at]:#04x}')
        at = int(found[0]) + 2
        if marker == 0xD9:
            if not in_scan:
                raise ImageError('expected a JPEG with pixels, but it cannot be decoded: it ends before them')
            return
        if 0xD0 <= marker <= 0xD7:
            if not in_scan or not restart_interval or marker != 0xD0 + next_restart:
                raise ImageError(
                    f'expected restart markers in order, but it cannot be decoded: {marker:#x} at {at - 2}'
                )
            next_restart = (next_restart + 1) % 8
            continue
        if in_scan and marker not in _JPEG_BETWEEN_SCANS:
            raise ImageError(f'expected JPEG data, but it cannot be decoded: marker {marker:#x} at byte {at - 2}')
        if at + 2 > len(content):
            raise ImageError('expected a complete JPEG, but it cannot be decoded: a segment is cut off')
        (length,) = struct.unpack_from('>H', content, at)
        if marker == 0xDD:
            (restart_interval,) = struct.unpack_from('>H', content, at + 2)
        at += length
        in_scan = marker == 0xDA
        next_restart = 0 if in_scan else next_restart
