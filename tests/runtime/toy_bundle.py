"""A bundle of the right form around a network that is told what to say: a dozen voxels follow the image's colours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from projects.OneOcc.core.formats.atomic_files import write_json, write_npz
from projects.OneOcc.runtime.bundle import FORMAT, VERSION, file_hash

CLASSES = ('vehicle', 'road', 'building')
COLOURS = [[200, 30, 30], [90, 90, 90], [180, 140, 90]]
GRID: dict[str, Any] = dict(shape=[8, 6, 4], voxel_size=0.5, origin=[-2.0, -1.5, -1.0])
SIZE = (12, 16)  # (H, W) of the raw image


def scene() -> np.ndarray:
    """(8, 6, 4) uint8: a road at the bottom, a wall ahead, a vehicle to the left."""
    labels = np.zeros(GRID['shape'], np.uint8)
    labels[:, :, 0] = 2
    labels[7, :, 1:] = 3
    labels[4:6, 5, 1] = 1
    return labels


def network(labels: np.ndarray, num_classes: int = len(CLASSES)) -> bytes:
    """ONNX: logits are 8 for each voxel's label, and those of `empty` grow with the image's mean, as its table says."""
    from onnx import TensorProto, helper, numpy_helper

    wanted = np.zeros((1, num_classes + 1, *labels.shape), np.float32)
    np.put_along_axis(wanted[0], labels[None].astype(np.int64), 8, 0)
    nodes = [
        helper.make_node('Cast', ['image_raw'], ['pixels'], to=TensorProto.FLOAT),
        helper.make_node('ReduceMean', ['pixels'], ['mean'], keepdims=0),
        helper.make_node('Mul', ['mean', 'gain'], ['more']),
        helper.make_node('Add', ['wanted', 'more'], ['logits']),
    ]
    graph = helper.make_graph(
        nodes,
        'toy',
        [
            helper.make_tensor_value_info('image_raw', TensorProto.UINT8, (1, *SIZE, 3)),
            helper.make_tensor_value_info('gain', TensorProto.FLOAT, wanted.shape),
        ],
        [helper.make_tensor_value_info('logits', TensorProto.FLOAT, wanted.shape)],
        [numpy_helper.from_array(wanted, 'wanted')],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)
    return model.SerializeToString()


def write_toy_bundle(
    folder: Path, labels: np.ndarray | None = None, classes: tuple[str, ...] = CLASSES, **changes: Any
) -> Path:
    """Writes a bundle; `changes` replace entries of its card."""
    folder.mkdir(parents=True, exist_ok=True)
    labels = scene() if labels is None else labels
    (folder / 'model.onnx').write_bytes(network(labels, len(classes)))
    gain = np.zeros((1, len(classes) + 1, *labels.shape), np.float32)
    gain[:, 0] = 0.1  # a bright image empties the scene
    tables = dict(gain=gain, seen=np.ones(labels.shape, bool), centre_m=np.array((0.1, 0.1, 0.1)))
    write_npz(folder / 'tables.npz', **tables)
    card = dict(
        format=FORMAT,
        version=VERSION,
        network=_entry(folder / 'model.onnx', inputs=['image_raw', 'gain'], format='onnx', precision='fp32'),
        tables=_entry(folder / 'tables.npz', arrays=sorted(tables)),
        grid=dict(GRID, shape=list(labels.shape)),
        classes=list(classes),
        colours=COLOURS if classes == CLASSES else [[9, 9, 9]] * len(classes),
        views=dict(raw=dict(camera='raw', method='resize', size=list(SIZE), periodic=False)),
        cameras=dict(raw=dict(height=SIZE[0], width=SIZE[1])),
        temperature=1.0,
        ground_classes=['road'],
        ego_body=None,
    )
    write_json(folder / 'card.json', card | changes)
    return folder


def change_card(folder: Path, **changes: Any) -> None:
    """Replace entries of a bundle's card."""
    card = json.loads((folder / 'card.json').read_text())
    write_json(folder / 'card.json', card | changes)


def image(value: int = 0) -> np.ndarray:
    """A raw image of one grey."""
    return np.full((*SIZE, 3), value, np.uint8)


def _entry(path: Path, **more: Any) -> dict[str, Any]:
    return dict(file=path.name, sha256=file_hash(path), **more)
