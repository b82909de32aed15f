"""The angles of a rocking body."""

import numpy as np
import pytest

from tests.datasets.transforms.test_body_pose import pose
from tests.scripts import load_script

gait = load_script('tools/analysis_tools/gait.py')


@pytest.mark.parametrize('angles', [(3.0, -2.0, 0.0), (0.0, 0.0, 5.0), (1.0, 2.0, -3.0)])
def test_angles_are_those_of_the_pose(angles):
    ego = pose(0, 0, 30, (5, 4, 0.5))
    np.testing.assert_allclose(gait.body_angles(ego, ego @ pose(*angles, (0, 0, 0.1))), angles, atol=1e-9)
