"""From a recording, or from nothing but a seed, to a data set that trains."""

from projects.OneOcc.core import moved_modules

moved_modules.install()
