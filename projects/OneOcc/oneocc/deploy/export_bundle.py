"""A bundle: the network, the tables of one calibration, and the card that says what they are."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from mmengine.utils import get_git_hash
from torch import nn

from ...core.formats.atomic_files import write_json, write_npz
from ...core.geometry import CartesianGrid, View
from ...runtime.bundle import CARD, FORMAT, VERSION, Bundle, file_hash
from ..engine.usage_error import UsageError
from ..version import __version__
from .aoti_export import export_aoti
from .lower_precision import CalibrationFrames, to_half, to_int8
from .network import ExportNetwork, image_views
from .onnx_export import export_onnx
from .rig_tables import network_tables, rig_sample

PRECISIONS, FORMATS = ('fp32', 'fp16', 'int8'), ('onnx', 'aoti')
GROUND = ('road', 'sidewalk', 'terrain')  # of either set's classes, what a robot walks on


@dataclass(frozen=True)
class ExportOptions:
    """How a bundle is made.

    Attributes:
        precision: 'fp32', 'fp16' or 'int8' (ONNX only).
        format: 'onnx' or 'aoti'.
        exporter: of ONNX, 'program' or 'trace'.
        temperature: by which logits are divided before they become probabilities.
        ego_body: two corners (x, y, z) in metres of the box that the robot itself fills.
        ground_classes: what can be walked on; by default those of `GROUND` that the classes have.
    """

    precision: str = 'fp32'
    format: str = 'onnx'
    exporter: str = 'trace'
    temperature: float = 1.0
    ego_body: Sequence[Sequence[float]] | None = None
    ground_classes: Sequence[str] | None = None

    def __post_init__(self) -> None:
        for name, value, known in (('precision', self.precision, PRECISIONS), ('format', self.format, FORMATS)):
            if value not in known:
                raise UsageError(f'{name}: expected one of {known}, got {value!r}')
        if self.format == 'aoti' and self.precision != 'fp32':
            raise UsageError(f'--format aoti: expected --precision fp32, got {self.precision!r}')


def export_bundle(
    model: nn.Module,
    steps: Sequence[Any],
    recorded: Mapping[str, View],
    folder: str | Path,
    about: Mapping[str, Any],
    options: ExportOptions | None = None,
    frames: CalibrationFrames | None = None,
) -> Bundle:
    """Write a bundle, whole or not at all.

    Args:
        model: an OccupancySegmentor of images, with its weights.
        steps: built transforms of the test pipeline, which say how its views come about.
        recorded: the rig's views by camera name.
        folder: the new bundle; must not exist, or be a bundle, which is replaced.
        about: the card's `grid` (shape, voxel_size, origin), `classes`, `colours`, `config`, `checkpoint`.
        options: see there.
        frames: images {view: (H, W, 3) uint8} that int8 is calibrated on.

    Raises:
        UsageError: a model that cannot be exported, a calibration that does not fit, a folder of something else.
    """
    options, folder = options or ExportOptions(), Path(folder)
    check_folder(folder)
    if options.precision == 'int8' and frames is None:
        raise UsageError('--precision int8: expected frames to calibrate on, got none')
    sample, views, remaps = rig_sample(steps, recorded, image_views(model))
    network = ExportNetwork(model, sample)
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f'.{folder.name}.', dir=folder.parent))
    try:
        entry = _write_network(network, work, options, frames)
        tables = {**remaps, **network_tables(network, sample, CartesianGrid(**about['grid']))}
        card = _card(network, recorded, views, about, options)
        card['network'] = dict(entry, inputs=network.input_names, precision=options.precision)
        card['tables'] = _write_tables(work, tables)
        write_json(work / CARD, card, indent=1)
        Bundle.read(work)
        if folder.exists():
            shutil.rmtree(folder)
        work.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return Bundle.read(folder)


def recalibrate(
    model: nn.Module, steps: Sequence[Any], recorded: Mapping[str, View], source: str | Path, folder: str | Path
) -> Bundle:
    """A bundle with the network of `source` and the tables of another calibration; nothing is exported.

    Raises:
        UsageError: as `export_bundle` does.
    """
    old, folder = Bundle.read(source), Path(folder)
    if folder.resolve() != old.folder.resolve():
        check_folder(folder)
    sample, views, remaps = rig_sample(steps, recorded, image_views(model))
    network = ExportNetwork(model, sample)
    if network.input_names != old.card['network']['inputs']:
        raise UsageError(f'{source}: expected the network of this config, got one of other inputs')
    work = Path(tempfile.mkdtemp(prefix=f'.{folder.name}.', dir=folder.parent))
    try:
        shutil.copy2(old.network, work / old.network.name)
        tables = {**remaps, **network_tables(network, sample, CartesianGrid(**old.card['grid']))}
        card = dict(old.card, views=views, cameras=_cameras(recorded, views), tables=_write_tables(work, tables))
        write_json(work / CARD, card, indent=1)
        if folder.exists():
            shutil.rmtree(folder)
        work.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return Bundle.read(folder)


def check_folder(folder: Path) -> None:
    """Refuse, by UsageError, to write a bundle over something that is none."""
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / CARD).is_file())):
        raise UsageError(f'{folder}: expected a new folder or a bundle to replace, got something else')


def set_temperature(folder: str | Path, temperature: float) -> None:
    """Write a calibrated temperature into a bundle's card."""
    bundle = Bundle.read(folder)
    write_json(bundle.folder / CARD, dict(bundle.card, temperature=float(temperature)), indent=1)


def _write_network(
    network: ExportNetwork, work: Path, options: ExportOptions, frames: CalibrationFrames | None
) -> dict[str, Any]:
    if options.format == 'aoti':
        path = work / 'model.pt2'
        export_aoti(network, path)
        return dict(file=path.name, sha256=file_hash(path), format='aoti', opset=None)
    path = work / 'model.onnx'
    opset = export_onnx(network, path, options.exporter)
    if options.precision == 'fp16':
        to_half(path)
    elif options.precision == 'int8':
        assert frames is not None  # checked by `export_bundle`
        to_int8(path, network, frames)
    return dict(file=path.name, sha256=file_hash(path), format='onnx', opset=opset)


def _write_tables(work: Path, tables: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Write the tables, e.g. pixels (1, N, 2) and `seen` (X, Y, Z), beside the network; returns the card's entry."""
    path = work / 'tables.npz'
    write_npz(path, **tables)
    return dict(file=path.name, sha256=file_hash(path), arrays=sorted(tables))


def _cameras(recorded: Mapping[str, View], views: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    names = {entry['camera'] for entry in views.values()}
    return {
        name: dict(View.of(recorded[name]).camera.to_dict(), cam_from_ego=View.of(recorded[name]).cam_from_ego)
        for name in sorted(names)
    }


def _card(
    network: ExportNetwork,
    recorded: Mapping[str, View],
    views: Mapping[str, Mapping[str, Any]],
    about: Mapping[str, Any],
    options: ExportOptions,
) -> dict[str, Any]:
    normalise = cast(Any, network.model).data_preprocessor
    ground = GROUND if options.ground_classes is None else options.ground_classes
    return dict(
        about,
        format=FORMAT,
        version=VERSION,
        oneocc=__version__,
        commit=get_git_hash(fallback='unknown'),
        views=dict(views),
        cameras=_cameras(recorded, views),
        normalisation=dict(
            mean=normalise.mean.flatten().tolist(), std=normalise.std.flatten().tolist(), where='inside the network'
        ),
        frames='ego: x forward, y left, z up, metres, origin at the sensor mount; x_cam = cam_from_ego @ x_ego',
        temperature=float(options.temperature),
        ground_classes=[name for name in ground if name in about['classes']],
        ego_body=None if options.ego_body is None else [list(corner) for corner in options.ego_body],
    )
