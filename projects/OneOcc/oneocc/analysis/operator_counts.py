"""How many operators a forward pass calls, and how many bytes they read and write: its cost where kernels are small."""

from __future__ import annotations

from collections import Counter
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

# they give another view of the same memory, or memory without content
_FREE = {'empty', 'empty_strided', 'empty_like', 'new_empty', 'detach', 'lift_fresh', 'alias'}


class OperatorCounts(TorchDispatchMode):
    """Counts what eager mode calls inside a `with` block.

    An operator that returns a view of its input costs nothing and is not counted; loops that torch does not dispatch
    (numba, Triton) are not seen. On a GPU most of the others are a
    kernel each, some two or three; convolutions in several memory orders and compiled graphs differ, so that the number
    is a measure of a model and no measurement.

    Attributes:
        operators: calls.
        bytes: of all tensors that the operators read and write, each once a call.
        by_name: calls by the operator's name.
    """

    def __init__(self) -> None:
        super().__init__()
        self.operators, self.bytes = 0, 0
        self.by_name: Counter[str] = Counter()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call and count; see `TorchDispatchMode`."""
        result = function(*args, **(kwargs or {}))
        name = function.overloadpacket.__name__
        if name in _FREE or function.is_view:
            return result
        read = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        written = [leaf for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor)]
        self.operators += 1
        self.by_name[name] += 1
        self.bytes += sum(tensor.numel() * tensor.element_size() for tensor in (*read, *written))
        return result
