"""Weights in the safetensors format: tensors by name, no code and no pickle."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from .plain_file import CheckpointError

SUFFIX = '.safetensors'


def read_safetensors(path: str | Path) -> dict[str, Tensor]:
    """Entries of a safetensors file on the CPU, floating-point ones as float32.

    Raises:
        CheckpointError: no such file, not such a file, or cut off; the message names it.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        found = load_file(str(path))
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f'{path}: expected weights as safetensors, got what cannot be read ({error})') from error
    return {key: value.float() if value.is_floating_point() else value for key, value in found.items()}
