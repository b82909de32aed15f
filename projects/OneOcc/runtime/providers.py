"""Where onnxruntime runs a network: its providers under the names that people say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

PROVIDERS = {
    'cpu': ('CPUExecutionProvider',),
    'cuda': ('CUDAExecutionProvider', 'CPUExecutionProvider'),
    'tensorrt': ('TensorrtExecutionProvider', 'CUDAExecutionProvider', 'CPUExecutionProvider'),
}
_CURES = {
    'cuda': 'install onnxruntime-gpu in the place of onnxruntime',
    'tensorrt': 'install onnxruntime-gpu and TensorRT',
}


class ProviderError(ValueError):
    """A provider that this machine does not have; the message names those it has and the cure."""


def choose_providers(name: str) -> list[str]:
    """onnxruntime's providers for 'cpu', 'cuda' or 'tensorrt', the wanted one first.

    Raises:
        ProviderError: an unknown name, or a provider that this onnxruntime does not bring.
    """
    import onnxruntime

    if name not in PROVIDERS:
        raise ProviderError(f'provider: expected one of {sorted(PROVIDERS)}, got {name!r}')
    there = onnxruntime.get_available_providers()
    wanted = PROVIDERS[name]
    if wanted[0] not in there:
        raise ProviderError(
            f'provider {name!r}: expected {wanted[0]} in this onnxruntime {onnxruntime.__version__}, got {there}: '
            f'{_CURES.get(name, "install onnxruntime")}'
        )
    return [provider for provider in wanted if provider in there]


def open_session(network: Path, provider: str = 'cpu', threads: int | None = None) -> Any:
    """An onnxruntime session of a network.

    Args:
        network: the ONNX file.
        provider: 'cpu', 'cuda' or 'tensorrt'.
        threads: of one operator on the CPU; by default one a core.

    Raises:
        ProviderError: the provider is not there, or was and does not start (a driver, a library): onnxruntime itself
            would quietly take the CPU.
    """
    import onnxruntime

    providers = choose_providers(provider)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # threads that spin while they wait take the cores from whatever else a robot's computer does
    options.add_session_config_entry('session.intra_op.allow_spinning', '0')
    if threads is not None:
        options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(network), options, providers=providers)
    if providers[0] not in session.get_providers():
        raise ProviderError(
            f'provider {provider!r}: expected {providers[0]} to start, got {session.get_providers()}: its driver or '
            'libraries do not fit this onnxruntime'
        )
    return session
