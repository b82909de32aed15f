"""Predictions of a model that computes no numbers look like labels: here they are refused by name."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from torch import nn

from .training_hooks import sample_ids


class NonFiniteOutputError(ArithmeticError):
    """A weight is not finite or a logit is not a number; the text names the parameter or the frames."""


class FiniteOutputsHook(Hook):
    """Ends a test at the first weight that is not finite or logit that is not a number.

    In a training's validation, whose weights change, it warns instead: the loss has its own guard. Logits
    are what the modules of the model's `decode_head` give (of the whole model, where it has none).
    `OneOccRunner` registers it by itself.
    """

    priority = 'VERY_HIGH'

    def __init__(self) -> None:
        self._handles: list = []
        self._found: dict[str, torch.Tensor] = {}
        self._warned = False

    def before_test(self, runner) -> None:
        check_weights(_bare(runner.model))

    def before_test_epoch(self, runner) -> None:
        self._watch(runner)

    def before_val_epoch(self, runner) -> None:
        self._watch(runner)

    def after_test_epoch(self, runner, metrics: dict | None = None) -> None:
        self.on_error(runner)

    def after_val_epoch(self, runner, metrics: dict | None = None) -> None:
        self.on_error(runner)

    def on_error(self, runner) -> None:
        """Stops watching."""
        for handle in self._handles:
            handle.remove()
        self._handles, self._found = [], {}

    def after_test_iter(
        self, runner, batch_idx: int, data_batch: dict | None = None, outputs: Sequence | None = None
    ) -> None:
        if text := self._problem(data_batch):
            raise NonFiniteOutputError(text)

    def after_val_iter(
        self, runner, batch_idx: int, data_batch: dict | None = None, outputs: Sequence | None = None
    ) -> None:
        if not self._warned and (text := self._problem(data_batch)):
            self._warned = True
            runner.logger.warning(f'validation: {text}; the scores of this validation mean nothing')

    def _watch(self, runner) -> None:
        self.on_error(runner)
        self._warned = False
        model = _bare(runner.model)
        head = getattr(model, 'decode_head', model)
        for name, module in head.named_modules():
            if not any(True for _ in module.children()):
                self._handles.append(module.register_forward_hook(self._observer(f'decode_head.{name}')))

    def _observer(self, name: str):
        def observe(module: nn.Module, inputs: tuple, output: object) -> None:
            if torch.is_tensor(output) and output.is_floating_point() and name not in self._found:
                self._found[name] = torch.isnan(output).any()  # stays on its device until the batch is over

        return observe

    def _problem(self, data_batch: dict | None) -> str | None:
        found, self._found = self._found, {}
        broken = [name for name, flag in found.items() if bool(flag)]
        if not broken:
            return None
        return f'expected logits that are numbers, got NaN out of {broken[-1]} for the samples {sample_ids(data_batch)}'


def check_weights(model: nn.Module) -> None:
    """Refuses a model with a weight that is not finite.

    Raises:
        NonFiniteOutputError: names the first such parameter or buffer, and how many of its numbers.
    """
    parameters = {name for name, _ in model.named_parameters()}
    for name, value in model.state_dict().items():
        if not torch.is_tensor(value) or not value.is_floating_point():
            continue
        broken = ~torch.isfinite(value) if name in parameters else torch.isnan(value)
        if broken.any():
            raise NonFiniteOutputError(
                f'{name}: expected finite weights, got {int(broken.sum())} of {value.numel()} '
                'that are NaN or infinite; the checkpoint comes from a training that went astray'
            )


def _bare(model: nn.Module) -> nn.Module:
    return model.module if is_model_wrapper(model) else model
