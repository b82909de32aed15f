"""Views made on the device are those of the loading pipeline: calibration, mask and picture."""

import numpy as np
import torch

from projects.OneOcc.oneocc.datasets import ResizeView, UnwrapPanorama
from projects.OneOcc.oneocc.models.device_views import DeviceViews
from tests.models import two_view_rig as rig

VIEWS = dict(raw=dict(height=48, width=64), equi=dict(height=32, width=64, unwrap_from='raw'))


def test_views_are_those_of_the_pipeline(device):
    recorded = dict(raw=rig.cameras()['raw'])
    image = np.random.default_rng(0).integers(0, 256, (*rig.RAW_SIZE, 3)).astype(np.uint8)
    results = dict(sample_id='s', imgs=dict(raw=image), cameras=dict(recorded))
    results = ResizeView('raw', 48, 64)(UnwrapPanorama(32, 64)(results))
    views = DeviceViews(VIEWS)
    cameras = views.cameras(recorded)
    assert cameras == results['cameras'] and cameras['equi'].camera.mask is not None
    given = torch.from_numpy(image).permute(2, 0, 1)[None].to(device)
    made = views.make(dict(raw=given), views.tables(recorded, device))
    for name, picture in results['imgs'].items():
        found = made[name][0].permute(1, 2, 0).round().cpu().numpy()
        assert np.array_equal(found, picture), name
