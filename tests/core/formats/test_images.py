"""Camera images: the right pixels or a refusal by name, whatever the file."""

import io
import os
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, ImageFile

from projects.OneOcc.core.formats.images import ImageError, read_rgb

RGB = np.zeros((48, 96, 3), np.uint8)
RGB[:24], RGB[24:] = (200, 30, 30), (30, 30, 200)
RGB[5:20, 7:60] = np.random.default_rng(0).integers(0, 255, (15, 53, 3))


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))


def png(image: np.ndarray, *more: bytes) -> bytes:
    """A PNG, with more chunks behind its header."""
    image = image[..., [2, 1, 0, 3][: image.shape[2]]] if image.ndim == 3 else image
    content = cv2.imencode('.png', image)[1].tobytes()
    return content[:33] + b''.join(more) + content[33:]


def encoded(image: np.ndarray | Image.Image, kind: str, **options) -> bytes:
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture
def file(tmp_path):
    def write(content: bytes):
        (tmp_path / 'image').write_bytes(content)
        return tmp_path / 'image'

    return write


# --- bits ---------------------------------------------------------------------------------------------------------


def test_sixteen_bits_that_say_nothing_are_refused_with_what_they_hold(file):
    with pytest.raises(ImageError, match=r'image: .*16-bit samples up to 4064, which take 12 bits: state bit_depth'):
        read_rgb(file(png(RGB.astype(np.uint16) * 16)))


@pytest.mark.parametrize('bits', [10, 12, 14, 16])
@pytest.mark.parametrize('grey', [False, True])
def test_samples_are_scaled_by_the_bits_that_the_camera_uses(file, bits, grey):
    image = RGB[..., 0] if grey else RGB
    samples = np.rint(image * ((2**bits - 1) / 255)).astype(np.uint16)
    expected = np.repeat(image[..., None], 3, axis=-1) if grey else image
    np.testing.assert_array_equal(read_rgb(file(png(samples)), bit_depth=bits), expected)
    stated = chunk(b'sBIT', bytes([bits] * (1 if grey else 3)))
    np.testing.assert_array_equal(read_rgb(file(png(samples, stated))), expected)
    for scaled in (samples << (16 - bits), np.rint(samples * (65535 / (2**bits - 1))).astype(np.uint16)):
        assert np.abs(read_rgb(file(png(scaled, stated))).astype(int) - expected).max() <= 1


def test_a_value_beyond_the_stated_bits_is_not_clipped(file):
    samples = RGB.astype(np.uint16) * 16
    samples[3, 4, 1] = 5000
    with pytest.raises(ImageError, match=r'12 bits \(0..4095\), got 5000'):
        read_rgb(file(png(samples)), bit_depth=12)


def test_options_out_of_range():
    with pytest.raises(ValueError, match='bit_depth.*9..16.*8'):
        read_rgb('x.png', bit_depth=8)
    with pytest.raises(ValueError, match='orientation.*turn'):
        read_rgb('x.png', orientation='turn')


# --- orientation and size -----------------------------------------------------------------------------------------


@pytest.mark.parametrize('turned', range(2, 9))
@pytest.mark.parametrize('kind', ['PNG', 'JPEG', 'WEBP'])
def test_an_exif_orientation_is_refused_turned_or_ignored_as_said(file, kind, turned):
    exif = Image.Exif()
    exif[0x0112] = turned
    options = {'JPEG': dict(quality=95, subsampling=0), 'WEBP': dict(lossless=True), 'PNG': {}}[kind]
    path = file(encoded(RGB, kind, exif=exif, **options))
    with pytest.raises(ImageError, match=f"orientation {turned}.*'ignore'.*'apply'"):
        read_rgb(path)
    stored = read_rgb(path, (96, 48), orientation='ignore')
    assert np.abs(stored.astype(int) - RGB)[24:].max() < 12
    turns = {2: stored[:, ::-1], 3: stored[::-1, ::-1], 4: stored[::-1], 5: stored.swapaxes(0, 1)}
    turns |= {6: np.rot90(stored, -1), 7: np.rot90(stored, 2).swapaxes(0, 1), 8: np.rot90(stored)}
    size = (48, 96) if turned >= 5 else (96, 48)
    np.testing.assert_array_equal(read_rgb(path, size, orientation='apply'), turns[turned])


@pytest.mark.parametrize('value', [0, 1, 77])
def test_an_orientation_that_turns_nothing_is_no_matter(file, value):
    exif = Image.Exif()
    exif[0x0112] = value
    path = file(encoded(RGB, 'PNG', exif=exif))
    for rule in ('refuse', 'apply', 'ignore'):
        np.testing.assert_array_equal(read_rgb(path, orientation=rule), RGB)


def test_the_size_is_refused_from_the_header_alone(file):
    empty = chunk(b'IDAT', zlib.compress(b'')) + chunk(b'IEND', b'')
    header = lambda w, h: b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', w, h, 8, 2, 0, 0, 0))  # noqa: E731
    with pytest.raises(ImageError, match='96x48.*9000x9000'):
        read_rgb(file(header(9000, 9000) + empty), (96, 48))
    with pytest.raises(ImageError, match='too many pixels'):
        read_rgb(file(header(20992, 10496) + empty))
    with pytest.raises(ImageError, match='cannot be decoded'):
        read_rgb(file(header(9000, 9000) + empty))


# --- colour types -------------------------------------------------------------------------------------------------


def palette(transparent: bool = False) -> bytes:
    few = Image.fromarray(RGB // 64 * 64).quantize(64)
    return encoded(few, 'PNG', **(dict(transparency=few.getpixel((0, 40))) if transparent else {}))


def alpha(image: np.ndarray, value: int) -> np.ndarray:
    opaque = np.full((*image.shape[:2], 1), 255, np.uint8)
    opaque[3, 4] = value
    return np.concatenate([image, opaque], axis=-1)


GREY = np.repeat(RGB[..., :1], 3, axis=-1)
RIGHT = {
    'RGB': (encoded(RGB, 'PNG'), RGB),
    'interlaced': (None, RGB),
    'palette': (palette(), np.array(Image.open(io.BytesIO(palette())).convert('RGB'))),
    'grey': (encoded(RGB[..., 0], 'PNG'), GREY),
    'one bit': (encoded(Image.fromarray(RGB[..., 0] > 99), 'PNG'), (GREY > 99) * np.uint8(255)),
    'opaque RGBA': (encoded(alpha(RGB, 255), 'PNG'), RGB),
    'opaque grey and alpha': (encoded(alpha(RGB[..., :1], 255), 'PNG'), GREY),
    'bmp': (encoded(RGB, 'BMP'), RGB),
    'webp': (encoded(RGB, 'WEBP', lossless=True), RGB),
    'two-bit grey': (encoded(Image.fromarray(RGB[..., 0] // 64 * 85).quantize(4), 'PNG', bits=2), GREY // 64 * 85),
}


def interlaced(image: np.ndarray) -> bytes:
    """An Adam7 PNG, which neither writer makes."""
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    rows = b''.join(
        b'\0' + row.tobytes() for x, y, dx, dy in passes for row in np.ascontiguousarray(image[y::dy, x::dx])
    )
    header = struct.pack('>IIBBBBB', image.shape[1], image.shape[0], 8, 2, 0, 0, 1)
    return b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header) + chunk(b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b'')


@pytest.mark.parametrize('name', RIGHT)
def test_usual_colour_types_are_right(file, name):
    content, expected = RIGHT[name]
    np.testing.assert_array_equal(read_rgb(file(content or interlaced(RGB)), (96, 48)), expected)


SAVE_ALL = dict(save_all=True, append_images=[Image.fromarray(RGB[::-1].copy())])
REFUSED = {
    'transparent': (encoded(alpha(RGB, 7), 'PNG'), '1 of 4608 pixels transparent'),
    'transparent grey': (encoded(alpha(RGB[..., :1], 7), 'PNG'), '1 of 4608 pixels transparent'),
    'transparent palette': (palette(True), 'pixels transparent'),
    'transparent 16 bit': (png(alpha(RGB, 7).astype(np.uint16) * 257), 'pixels transparent'),
    'animated png': (encoded(Image.fromarray(RGB), 'PNG', **SAVE_ALL), 'animation'),
    'animated webp': (encoded(Image.fromarray(RGB), 'WEBP', lossless=True, **SAVE_ALL), '2 frames'),
    'gif': (encoded(RGB, 'GIF'), 'cannot be decoded'),
    'tiff': (encoded(RGB, 'TIFF'), 'cannot be decoded'),
    'cmyk': (encoded(Image.fromarray(RGB).convert('CMYK'), 'JPEG'), "8-bit.*'CMYK'"),
    'empty': (b'', 'cannot be decoded'),
    'text': (b'no', 'cannot be decoded'),
}


@pytest.mark.parametrize('name', REFUSED)
def test_what_is_no_plain_picture_is_refused_by_name(file, name):
    content, words = REFUSED[name]
    with pytest.raises(ImageError, match=f'image: .*{words}'):
        read_rgb(file(content))


# --- damage -------------------------------------------------------------------------------------------------------


def test_files_that_are_no_files(tmp_path):
    with pytest.raises(ImageError, match='missing'):
        read_rgb(tmp_path / 'nowhere.png')
    with pytest.raises(ImageError, match='folder or a device'):
        read_rgb(tmp_path)
    os.mkfifo(tmp_path / 'pipe')
    with pytest.raises(ImageError, match='folder or a device'):
        read_rgb(tmp_path / 'pipe')


def test_whatever_a_decoder_raises_becomes_one_error(file, monkeypatch):
    for error in (MemoryError('a'), struct.error('b'), OSError(5, 'c'), RuntimeError('d'), KeyError('e')):

        def fail(*_, error=error, **__):
            raise error

        monkeypatch.setattr('projects.OneOcc.core.formats.images.check_png', fail)
        with pytest.raises(ImageError, match='image: .*cannot be decoded'):
            read_rgb(file(png(RGB)))


@pytest.mark.parametrize('kind', ['PNG', 'JPEG'])
@pytest.mark.parametrize('forgiving', [False, True])
def test_a_truncated_file_is_refused_even_where_pillow_was_told_to_forgive(file, kind, forgiving, monkeypatch):
    monkeypatch.setattr(ImageFile, 'LOAD_TRUNCATED_IMAGES', forgiving)
    content = encoded(RGB, kind)
    for length in range(0, len(content) - 1, 97):
        with pytest.raises(ImageError):
            read_rgb(file(content[:length]))


def flipped(content: bytes, rng: np.random.Generator) -> bytes:
    damaged = bytearray(content)
    damaged[rng.integers(len(content))] ^= 1 << rng.integers(8)
    return bytes(damaged)


def changed_pixels(file, content: bytes, rounds: int, seed: int) -> int:
    """How many of so many bit-flipped files are read and differ."""
    rng, whole, count = np.random.default_rng(seed), read_rgb(file(content)), 0
    for _ in range(rounds):
        try:
            count += bool((read_rgb(file(flipped(content, rng))) != whole).any())
        except ImageError:
            continue
    return count


def test_no_flipped_bit_changes_a_png(file):
    assert changed_pixels(file, png(RGB), 150, seed=0) == 0
    assert changed_pixels(file, palette(), 50, seed=1) == 0


@pytest.mark.slow
def test_no_flipped_bit_changes_a_png_at_length(file):
    noisy = np.random.default_rng(2).integers(0, 255, (120, 160, 3), np.uint8)
    for seed, content in enumerate((png(RGB), png(noisy), palette(), interlaced(RGB))):
        assert changed_pixels(file, content, 1500, seed) == 0


def test_restart_markers_out_of_order_are_refused(file):
    content = encoded(RGB, 'JPEG', restart_marker_blocks=2)
    read_rgb(file(content))
    at = content.index(b'\xff\xd1')
    for broken in (b'\xff\xd2', b'\xff\x55', b'\xff\xda'):
        with pytest.raises(ImageError):
            read_rgb(file(content[:at] + broken + content[at + 2 :]))


@pytest.mark.parametrize(
    'options', [dict(), dict(progressive=True), dict(subsampling=2, quality=30), dict(optimize=True)]
)
def test_sound_jpegs_are_read_as_pillow_reads_them(file, options):
    content = encoded(RGB, 'JPEG', **options)
    np.testing.assert_array_equal(read_rgb(file(content)), np.array(Image.open(io.BytesIO(content))))
