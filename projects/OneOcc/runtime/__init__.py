"""A bundle on a robot: numpy and onnxruntime, no torch, no OpenMMLab.

    runtime = OccRuntime('bundle')
    result = runtime(image)  # (H, W, 3) uint8 RGB as the camera gave it
    result.labels, result.probability, result.state

`tools/deploy/export.py` makes bundles; `docs/deploy.md` says what is in one.
"""

from .bundle import Bundle, BundleError
from .occ_runtime import OccResult, OccRuntime
from .providers import ProviderError
from .sight import FREE, OCCUPIED, UNKNOWN

__all__ = ['FREE', 'OCCUPIED', 'UNKNOWN', 'Bundle', 'BundleError', 'OccResult', 'OccRuntime', 'ProviderError']
