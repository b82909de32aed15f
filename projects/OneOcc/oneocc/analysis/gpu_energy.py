"""What an NVIDIA driver says of a GPU's energy, asked without a package."""

from __future__ import annotations

import ctypes


def total_energy_mj(index: int = 0) -> int | None:
    """Millijoules that a GPU has used since its driver was loaded; None where no driver tells.

    Args:
        index: of the GPU, as the driver counts.
    """
    try:
        library = ctypes.CDLL('libnvidia-ml.so.1')
    except OSError:
        return None
    handle, energy = ctypes.c_void_p(), ctypes.c_ulonglong()
    calls = (
        ('nvmlInit_v2', ()),
        ('nvmlDeviceGetHandleByIndex_v2', (ctypes.c_uint(index), ctypes.byref(handle))),
        ('nvmlDeviceGetTotalEnergyConsumption', (handle, ctypes.byref(energy))),
    )
    for name, arguments in calls:
        if not hasattr(library, name) or getattr(library, name)(*arguments):
            return None
    return energy.value
