"""The network as an ONNX file, by either of torch's exporters."""

from __future__ import annotations

import warnings
from contextlib import nullcontext
from pathlib import Path

import torch

from .network import ExportNetwork
from .static_layers import PositiveAxes

OPSETS = {'program': 20, 'trace': 17}  # TensorRT reads both; 18 is the least of the newer exporter


def export_onnx(network: ExportNetwork, path: Path, exporter: str = 'trace') -> int:
    """Write the network with static shapes.

    Args:
        network: whose inputs become the file's, under their names; its output is `logits`.
        path: the new file.
        exporter: 'program' (torch.export; fewer and larger operators) or 'trace' (TorchScript; a fraction of the time).

    Returns:
        The opset.
    """
    if exporter not in OPSETS:
        raise ValueError(f'exporter: expected one of {sorted(OPSETS)}, got {exporter!r}')
    opset = OPSETS[exporter]
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter('ignore')
        example = network.example()
        network(*example)  # lays out what is constant, before anything is recorded
        with PositiveAxes() if exporter == 'trace' else nullcontext():
            torch.onnx.export(
                network,
                example,
                str(path),
                input_names=network.input_names,
                output_names=['logits'],
                opset_version=opset,
                dynamo=exporter == 'program',
                external_data=False,
                verbose=False,
            )
    return opset
