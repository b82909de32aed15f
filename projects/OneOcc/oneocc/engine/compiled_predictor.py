"""Prediction by torch's compiler: just in time (`CompiledPredictor`), or ahead of time as a package (`.pt2`)."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from .fixed_rig import FixedRig

CLOSE = 0.999  # share of voxels that get eager mode's label, in float32; ties of the argmax may fall either way
_METADATA = 'oneocc'


class CompiledPredictor:
    """`predict` of an image model as one compiled graph: raw images in memory to labels in memory.

        predictor = CompiledPredictor(model, data_samples, dict(raw=(960, 1280)), views=views)
        labels = predictor(dict(raw=image))  # (B, X, Y, Z) uint8

    The graph has no breaks (`fullgraph`), so kernels are fused from the image to the labels: unwrapping with
    normalisation, ring padding with what comes before it, group norms, the lifting. Compiling takes minutes for a model
    of full size; inductor keeps what it compiled in `TORCHINDUCTOR_CACHE_DIR`, and the next process finds it there.

    Args:
        model, data_samples, image_sizes, views, dtype: of `FixedRig`.
        backend: of `torch.compile`.
        mode: of `torch.compile`, e.g. 'max-autotune-no-cudagraphs', or 'reduce-overhead' for CUDA graphs.
        options: of the backend, instead of a mode.
    """

    def __init__(
        self,
        model: nn.Module,
        data_samples: Sequence[BaseDataElement],
        image_sizes: Mapping[str, tuple[int, int]],
        views: Mapping[str, Mapping] | None = None,
        dtype: torch.dtype | None = None,
        backend: str = 'inductor',
        mode: str | None = None,
        options: dict[str, Any] | None = None,
    ) -> None:
        self.rig = FixedRig(model, data_samples, image_sizes, views, dtype).eval()
        self._compiled = torch.compile(
            self.rig, fullgraph=True, dynamic=False, backend=backend, mode=mode, options=options
        )
        start = time.perf_counter()
        with torch.no_grad():
            self._compiled(*self.rig.example())
        self.compile_seconds = time.perf_counter() - start

    def __call__(self, images: Mapping[str, Tensor]) -> Tensor:
        """{view: (B, 3, H, W)} -> labels (B, X, Y, Z) uint8, 0 empty."""
        with torch.no_grad():
            return self._compiled(*_in_order(images, self.rig.image_sizes, self.rig.batch))


def export_package(rig: FixedRig, path: Path | str, options: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Compile a rig ahead of time into one file that runs without Python code of the model.

    Args:
        rig: the rig, on the device that the package is for.
        path: a file that ends in `.pt2`; written whole or not at all.
        options: of inductor, e.g. {'max_autotune': True}.

    Returns:
        What the file says of itself: `inputs` ({view: [H, W]}), `batch`, `device`, `torch`, `seconds` of compiling.

    Raises:
        ValueError: another ending.
    """
    path = Path(path)
    if path.suffix != '.pt2':
        raise ValueError(f'{path}: expected a file that ends in .pt2')
    start = time.perf_counter()
    with torch.no_grad():
        program = torch.export.export(rig.eval(), rig.example(), strict=False)
    says = dict(
        inputs={name: list(size) for name, size in rig.image_sizes.items()},
        batch=rig.batch,
        device=rig.mean.device.type,
        torch=torch.__version__,
    )
    part = path.with_name(f'{path.stem}.part.pt2')  # the packager insists on the ending
    try:
        torch._inductor.aoti_compile_and_package(
            program,
            package_path=str(part),
            inductor_configs={**(options or {}), 'aot_inductor.metadata': {_METADATA: json.dumps(says)}},
        )
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return dict(says, seconds=time.perf_counter() - start)


class PackagedPredictor:
    """A package of `export_package`; needs torch and nothing of the model.

    Args:
        path: the `.pt2` file.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a package that is not of `export_package`.
    """

    def __init__(self, path: Path | str) -> None:
        if not Path(path).is_file():
            raise FileNotFoundError(f'{path}: expected a package of export_package, found no file')
        self._package = torch._inductor.aoti_load_package(str(path))
        metadata = self._package.get_metadata()
        if _METADATA not in metadata:
            raise ValueError(f'{path}: expected a package of export_package, got one that says {sorted(metadata)}')
        self.says: dict[str, Any] = json.loads(metadata[_METADATA])

    def __call__(self, images: Mapping[str, Tensor]) -> Tensor:
        """{view: (B, 3, H, W) uint8} -> labels (B, X, Y, Z) uint8, 0 empty."""
        return self._package(*_in_order(images, self.says['inputs'], self.says['batch']))


def _in_order(images: Mapping[str, Tensor], sizes: Mapping[str, Sequence[int]], batch: int) -> list[Tensor]:
    """The images (B, 3, H, W) as the graph takes them; ValueError for others than it was compiled for."""
    found = []
    for view, size in sizes.items():
        want = (batch, 3, *size)
        if view not in images or tuple(images[view].shape) != want:
            got = tuple(images[view].shape) if view in images else None
            raise ValueError(f'the graph was compiled with {view!r} of {want}, got {got}')
        if images[view].dtype != torch.uint8:
            raise ValueError(f'the graph was compiled with {view!r} as uint8, got {images[view].dtype}')
        found.append(images[view])
    return found
