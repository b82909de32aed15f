"""The network compiled ahead of time by torch (AOTInductor), for robots that have torch anyway."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from .network import ExportNetwork


def export_aoti(network: ExportNetwork, path: Path) -> None:
    """Write the compiled package (.pt2) for this machine's CPU; needs a C++ compiler."""
    with torch.no_grad():
        example = network.example()
        network(*example)
        program = torch.export.export(network, example, strict=False)
        torch._inductor.aoti_compile_and_package(program, package_path=str(path))


class AotiSession:
    """A compiled package where `OccRuntime` expects a session.

    Args:
        path: the package.
        inputs: names of its inputs in their order, as the bundle's card lists them.
    """

    def __init__(self, path: str | Path, inputs: list[str]) -> None:
        self.inputs = inputs
        self._run = torch._inductor.aoti_load_package(str(path))

    def run(self, outputs: Any, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        """Named arrays to the outputs as a list, as onnxruntime's `run` does: the logits (1, C + 1, X, Y, Z)."""
        with torch.no_grad():
            return [self._run(*(torch.from_numpy(inputs[name]) for name in self.inputs)).numpy()]
