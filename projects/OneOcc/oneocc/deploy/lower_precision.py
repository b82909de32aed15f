"""Smaller networks from an ONNX file: half precision, and int8 calibrated on real frames."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..engine.usage_error import UsageError
from .network import ExportNetwork

CalibrationFrames = Sequence[Mapping[str, np.ndarray]]
# What holds pixel coordinates, and the sums of norms, stay float32: half precision ends at 1/16 pixel beyond 128.
_EXACT = ('GridSample', 'ReduceMean', 'ReduceSum', 'Pow', 'Reciprocal', 'Sqrt', 'Resize', 'Range', 'CumSum')
_QUANTISED = ('Conv', 'MatMul', 'Gemm')


def to_half(path: Path) -> None:
    """Convert a file in place to float16 between float32 inputs and outputs."""
    onnx = _import_onnx()
    from onnxruntime.transformers.float16 import convert_float_to_float16

    model = onnx.load(str(path))
    half = convert_float_to_float16(
        model, keep_io_types=True, op_block_list=list(_EXACT), node_block_list=coordinate_nodes(model.graph)
    )
    onnx.save(half, str(path))


def coordinate_nodes(graph: Any) -> list[str]:
    """Names of the nodes of an ONNX graph from the tables of pixels to the grids of GridSample."""
    producers = {output: node for node in graph.node for output in node.output}
    tainted = {entry.name for entry in graph.input if entry.name.startswith('pixels_')}
    touched = []
    for node in graph.node:  # in topological order
        if tainted & set(node.input):
            touched.append(node.name)
            if node.op_type != 'GridSample':
                tainted |= set(node.output)
    # the way back from every grid, for what is added to the coordinates (gait compensation)
    wanted, stack = set(), [node.input[1] for node in graph.node if node.op_type == 'GridSample']
    while stack:
        node = producers.get(stack.pop())
        if node is not None and node.name in touched and node.name not in wanted:
            wanted.add(node.name)
            stack += list(node.input)
    return sorted(wanted)


def to_int8(path: Path, network: ExportNetwork, frames: CalibrationFrames) -> None:
    """Quantise a file's convolutions and matrix products in place, calibrated on images {view: (H, W, 3) uint8}."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    _import_onnx()
    if not frames:
        raise UsageError('--precision int8: expected frames to calibrate on, got none')
    tables = {name: table.numpy() for name, table in network.tables(network.sample).items()}

    class Frames(CalibrationDataReader):
        def __init__(self, given: Iterable[Mapping[str, np.ndarray]]) -> None:
            self.given = iter(given)

        def get_next(self) -> dict[str, np.ndarray] | None:
            """Inputs by name: the images (1, H, W, 3) uint8 of the next frame, and the tables; None after the last."""
            frame = next(self.given, None)
            return None if frame is None else {**tables, **{f'image_{v}': frame[v][None] for v in network.views}}

    exact = path.with_name('exact.onnx')
    path.rename(exact)
    try:
        quantize_static(
            str(exact),
            str(path),
            Frames(frames),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(_QUANTISED),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            extra_options=dict(CalibMovingAverage=True),
        )
    finally:
        exact.unlink(missing_ok=True)


def frames_of(dataset: Any, views: Sequence[str], number: int) -> list[dict[str, np.ndarray]]:
    """Images {view: (H, W, 3) uint8} of `number` frames spread over a data set whose samples are packed."""
    chosen = np.unique(np.linspace(0, len(dataset) - 1, number).round().astype(int))
    found = []
    for index in chosen:
        images: dict[str, torch.Tensor] = dataset[int(index)]['inputs']['imgs']
        found.append({view: np.ascontiguousarray(images[view].permute(1, 2, 0).numpy()) for view in views})
    return found


def _import_onnx() -> Any:
    try:
        import onnx
    except ImportError as error:
        raise UsageError("lower precisions need the package onnx: pip install 'oneocc[robot]'") from error
    return onnx
