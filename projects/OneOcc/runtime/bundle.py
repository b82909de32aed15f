"""The folder that holds an exported network: `card.json`, the network, the tables of one calibration."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..core.formats.atomic_files import read_json, read_npz
from ..core.formats.labels import check_classes
from ..core.formats.npz_archives import ArchiveError
from ..core.formats.paths import UnsafeNameError, inside

__all__ = ['CARD', 'FORMAT', 'VERSION', 'Bundle', 'BundleError', 'file_hash']

FORMAT, VERSION, CARD = 'oneocc-bundle', 1, 'card.json'
_KEYS = ('network', 'tables', 'grid', 'classes', 'colours', 'views', 'cameras', 'temperature', 'ground_classes')


class BundleError(ValueError):
    """A bundle that cannot be used; the message names the file, the expected and the actual."""


@dataclass(frozen=True)
class Bundle:
    """A bundle's card and tables, checked.

    Attributes:
        folder: where it lies.
        card: what `card.json` says.
        tables: by input name of the network the projection tables; `remap_VIEW_pixels` (H, W, 2) float32 and
            `remap_VIEW_valid` (H, W) bool of every unwrapped view; `seen` (X, Y, Z) bool, voxels whose centre some
            view shows; `centre_m` (3,), the lens in the ego frame in metres.
    """

    folder: Path
    card: dict[str, Any]
    tables: dict[str, np.ndarray]

    @classmethod
    def read(cls, folder: str | Path) -> Bundle:
        """Read and check a bundle.

        Raises:
            BundleError: no bundle, one of another version, or one whose files are not those of its card.
        """
        folder = Path(folder)
        try:
            card = read_json(folder / CARD, BundleError)
        except FileNotFoundError:
            raise BundleError(
                f'{folder}: expected a bundle with {CARD}, got none; tools/deploy/export.py makes one'
            ) from None
        path = folder / CARD
        _check_card(card, path)
        for part in ('network', 'tables'):
            _check_hash(folder, card[part], f'{path}: {part}')
        try:
            tables = read_npz(inside(folder, card['tables']['file'], f'{path}: tables'), card['tables']['arrays'])
        except ArchiveError as error:
            raise BundleError(str(error)) from error
        shape = tuple(card['grid']['shape'])
        if tables['seen'].shape != shape:
            raise BundleError(f'{path}: tables: seen: expected the grid {shape}, got {tables["seen"].shape}')
        return cls(folder, card, tables)

    @property
    def network(self) -> Path:
        """The network's file."""
        return inside(self.folder, self.card['network']['file'], 'network')

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of labels 1..C."""
        return tuple(self.card['classes'])

    @property
    def shape(self) -> tuple[int, int, int]:
        """(X, Y, Z) voxels."""
        x, y, z = self.card['grid']['shape']
        return x, y, z

    @property
    def voxel_size(self) -> float:
        """Edge of a voxel in metres."""
        return float(self.card['grid']['voxel_size'])

    @property
    def origin(self) -> np.ndarray:
        """(3,) lowest corner of the grid in the ego frame, metres."""
        return np.asarray(self.card['grid']['origin'], np.float64)


def file_hash(path: Path) -> str:
    """SHA-256 of a file's content, as hexadecimal digits."""
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        for block in iter(lambda: file.read(1 << 20), b''):
            digest.update(block)
    return digest.hexdigest()


def _check_card(card: Any, path: Path) -> None:
    if not isinstance(card, dict) or card.get('format') != FORMAT:
        got = card.get('format') if isinstance(card, dict) else type(card).__name__
        raise BundleError(f'{path}: format: expected {FORMAT!r}, got {got!r}')
    if card.get('version') != VERSION:
        raise BundleError(
            f'{path}: expected a bundle of version {VERSION}, got {card.get("version")!r}: export it anew with this '
            'version of OneOcc'
        )
    missing = [key for key in _KEYS if key not in card]
    if missing:
        raise BundleError(f'{path}: expected the entries {list(_KEYS)}, got none of {missing}')
    check_classes(card['classes'], f'{path}: classes', BundleError)
    temperature = card['temperature']
    if not isinstance(temperature, (int, float)) or not math.isfinite(temperature) or temperature <= 0:
        raise BundleError(f'{path}: temperature: expected a number above 0, got {temperature!r}')


def _check_hash(folder: Path, entry: dict, where: str) -> None:
    try:
        path = inside(folder, entry['file'], where)
    except UnsafeNameError as error:
        raise BundleError(str(error)) from error
    if not path.is_file():
        raise BundleError(f'{where}: expected the file {path}, got none')
    found = file_hash(path)
    if found != entry['sha256']:
        raise BundleError(
            f'{path}: expected the file that the card describes (SHA-256 {entry["sha256"][:12]}...), got another or a '
            f'damaged one ({found[:12]}...)'
        )
