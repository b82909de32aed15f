"""The public names of `core.geometry` under the path that they had in release 0.1."""

from ...core.geometry import *  # noqa: F403
from ...core.geometry import __all__  # noqa: F401
