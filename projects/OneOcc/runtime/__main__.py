"""`python -m projects.OneOcc.runtime` is `oneocc`."""

import sys

from .command_line import main

sys.exit(main())
