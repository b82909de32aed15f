"""Point clouds from files: PCD (ascii, binary, compressed), PLY, KITTI's BIN, NPZ and NPY."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from data_converters.recorders.point_fields import Cloud, cloud_from_fields
from data_converters.recorders.pose_track import RideError
from projects.OneOcc.core.formats.npz_archives import read_npz

POINT_SUFFIXES = ('.pcd', '.ply', '.bin', '.npz', '.npy')
# what a LiDAR's own tools write -> the cure
FOREIGN = {
    '.osf': ", Ouster's own: its SDK turns it into PCD or PLY",
    '.pcap': ", packets of a network: the LiDAR's driver turns them into PointCloud2, PCD or PLY",
    '.las': ', a survey map: single sweeps with their times are needed',
    '.laz': ', a survey map: single sweeps with their times are needed',
}
_MAX_POINTS = 20_000_000
_PCD_TYPES = {
    'F': {4: 'f4', 8: 'f8'},
    'I': {1: 'i1', 2: 'i2', 4: 'i4', 8: 'i8'},
    'U': {1: 'u1', 2: 'u2', 4: 'u4', 8: 'u8'},
}


def read_points(path: str | Path, stamp: float = 0.0) -> Cloud:
    """The cloud in a file, by its suffix.

    Args:
        stamp: Time of the sweep in seconds, for absolute times per point.

    Raises:
        FileNotFoundError: No such file.
        RideError: Another kind of file, or a damaged one; names it, the expected and the actual.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such file')
    readers = {'.pcd': _read_pcd, '.ply': _read_ply, '.bin': _read_bin, '.npz': _read_npz, '.npy': _read_npy}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        told = f'{path.suffix!r}{FOREIGN.get(path.suffix, "")}'
        raise RideError(f'{path}: expected a point file {", ".join(POINT_SUFFIXES)}, got {told}')
    try:
        fields = reader(path)
    except RideError:
        raise
    except Exception as error:  # damaged headers make parsers raise nearly anything
        raise RideError(f'{path}: expected a readable {path.suffix[1:]} file: {error}') from error
    return cloud_from_fields(fields, stamp, str(path))


def _read_pcd(path: Path) -> dict[str, np.ndarray]:
    content = path.read_bytes()
    header: dict[str, list[str]] = {}
    at = 0
    while 'DATA' not in header:
        end = content.find(b'\n', at)
        if end < 0 or at > 1 << 16:
            raise RideError(f'{path}: expected a PCD header that ends in DATA, got none')
        words = content[at:end].decode('ascii', 'replace').split()
        at = end + 1
        if words and not words[0].startswith('#'):
            header[words[0].upper()] = words[1:]
    dtype, names = _pcd_dtype(header, path)
    width = int(header['WIDTH'][0]) * int(header.get('HEIGHT', ['1'])[0]) if 'WIDTH' in header else 0
    count = int(header['POINTS'][0]) if 'POINTS' in header else width
    if not 0 <= count <= _MAX_POINTS:
        raise RideError(f'{path}: POINTS: expected at most {_MAX_POINTS}, got {count}')
    kind = header['DATA'][0].lower()
    body = content[at:]
    if kind == 'ascii':
        table = np.array(body.split(), dtype=np.float64)
        columns = sum(int(dtype[name].shape[0]) if dtype[name].shape else 1 for name in dtype.names or ())
        if table.size < count * columns:
            raise RideError(f'{path}: expected {count} points of {columns} numbers, got {table.size} numbers')
        table = table[: count * columns].reshape(count, columns)
        starts = np.cumsum([0] + [int(dtype[n].shape[0]) if dtype[n].shape else 1 for n in dtype.names or ()])
        return {name: table[:, starts[i]] for i, name in enumerate(dtype.names or ()) if name in names}
    if kind == 'binary_compressed':
        sizes = np.frombuffer(body[:8], '<u4')
        raw = _lzf(body[8 : 8 + int(sizes[0])], int(sizes[1]))
        columns_, at = {}, 0
        for name in dtype.names or ():
            length = dtype[name].itemsize * count
            columns_[name] = np.frombuffer(raw[at : at + length], dtype[name].base).reshape(count, *dtype[name].shape)[
                :, 0
            ]
            at += length
        return {name: columns_[name] for name in names}
    if kind != 'binary':
        raise RideError(f'{path}: DATA: expected ascii, binary or binary_compressed, got {kind!r}')
    if len(body) < count * dtype.itemsize:
        raise RideError(f'{path}: expected {count} points of {dtype.itemsize} bytes, got {len(body)} bytes')
    records = np.frombuffer(body, dtype, count)
    return {name: records[name][:, 0] for name in names}


def _pcd_dtype(header: dict[str, list[str]], path: Path) -> tuple[np.dtype, list[str]]:
    fields = header.get('FIELDS') or header.get('COLUMNS')
    if not fields or 'SIZE' not in header or 'TYPE' not in header:
        raise RideError(f'{path}: expected FIELDS, SIZE and TYPE in the PCD header, got {sorted(header)}')
    counts = header.get('COUNT', ['1'] * len(fields))
    parts, names = [], []
    for index, (name, size, kind, count) in enumerate(zip(fields, header['SIZE'], header['TYPE'], counts)):
        own = f'{name}.{index}' if name == '_' else name  # padding is called _, perhaps more than once
        parts.append((own, '<' + _PCD_TYPES[kind.upper()][int(size)], (int(count),)))
        if name != '_':
            names.append(own)
    return np.dtype(parts), names


def _lzf(data: bytes, length: int) -> bytes:
    """Decompress LZF (the format of Marc Lehmann's liblzf, which PCD files use)."""
    if length > _MAX_POINTS * 64:
        raise ValueError(f'LZF: expected at most {_MAX_POINTS * 64} bytes, got {length}')
    out = bytearray()
    at = 0
    while at < len(data):
        control = data[at]
        at += 1
        if control < 32:
            out += data[at : at + control + 1]
            at += control + 1
            continue
        run = control >> 5
        if run == 7:
            run += data[at]
            at += 1
        start = len(out) - ((control & 31) << 8) - data[at] - 1
        at += 1
        if start < 0:
            raise ValueError('LZF: expected a reference into what was read, got one before its start')
        for offset in range(run + 2):
            out.append(out[start + offset])
    if len(out) != length:
        raise ValueError(f'LZF: expected {length} bytes, got {len(out)}')
    return bytes(out)


def _read_ply(path: Path) -> dict[str, np.ndarray]:
    from plyfile import PlyData

    vertices = PlyData.read(str(path))['vertex'].data
    return {name: np.array(vertices[name]) for name in vertices.dtype.names if vertices.dtype[name].kind in 'fiu'}


def _read_bin(path: Path) -> dict[str, np.ndarray]:
    """KITTI's x y z intensity, or nuScenes' with the ring behind it; the file itself does not say which."""
    content = path.read_bytes()
    if content and len(content) % 20 == 0:
        columns = np.frombuffer(content, '<f4').reshape(-1, 5).T
        ring = columns[4]
        if np.isfinite(ring).all() and ((ring >= 0) & (ring < 512) & (ring == np.floor(ring))).all():
            return dict(zip(('x', 'y', 'z', 'intensity'), columns), ring=ring.astype(np.uint16))
    if len(content) % 16:
        raise RideError(
            f'{path}: expected float32 x y z intensity (16 bytes a point) or x y z intensity ring (20), got '
            f'{len(content)} bytes; other layouts become NPZ with the array points'
        )
    columns = np.frombuffer(content, '<f4').reshape(-1, 4).T
    if (columns[3] < 0).any():
        raise RideError(
            f'{path}: expected float32 x y z intensity, got an intensity of {float(np.nanmin(columns[3])):g}: another '
            'layout, which becomes NPZ with the array points'
        )
    return dict(zip(('x', 'y', 'z', 'intensity'), columns))


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    arrays = read_npz(path, ('points',), optional=('intensity', 'time', 'ring', 'label'))
    points = arrays.pop('points')
    if points.ndim != 2 or points.shape[1] < 3:
        raise RideError(f'{path}: points: expected (N, 3), got {points.shape}')
    wrong = {key: array.shape for key, array in arrays.items() if array.shape != points.shape[:1]}
    if wrong:
        raise RideError(f'{path}: expected arrays of length {len(points)}, got {wrong}')
    return dict(zip('xyz', points[:, :3].T), **arrays)


def _read_npy(path: Path) -> dict[str, np.ndarray]:
    points = np.load(path, allow_pickle=False)
    if points.ndim != 2 or points.shape[1] not in (3, 4):
        raise RideError(f'{path}: expected (N, 3) or (N, 4), got {points.shape}')
    return dict(zip(('x', 'y', 'z', 'intensity'), points.T))
