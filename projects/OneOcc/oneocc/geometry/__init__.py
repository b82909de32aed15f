"""The public names of `core.geometry` under the path that they had in release 0.1."""

from ...core import geometry, moved_modules
from ...core.geometry import *  # noqa: F403
from ...core.geometry import __all__  # noqa: F401

moved_modules.alias_loaded(__name__, geometry.__name__)
