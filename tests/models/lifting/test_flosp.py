"""FLoSP: gather against a loop, the seam, the cache. Values: tests/goldens/flosp.py."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from projects.OneOcc.oneocc.models.lifting.flosp import flosp
from tests.models import two_view_rig as rig
from tests.models.small_baseline import build


def lifting(**changes):
    return build(dict(type='FLoSP', grid=rig.GRID, scales=(1, 4)), **changes)


def maps(batch=2, channels=3, device='cpu'):
    return dict(equi=rig.features(batch, channels, views=('equi',), device=device)['equi'])


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**16), odd=st.booleans())
def test_gather_is_the_loop(seed, odd):
    generator = torch.Generator().manual_seed(seed)
    height, width = (7, 13) if odd else (8, 16)
    features = {s: torch.randn(2, 3, -(-height // s), -(-width // s), generator=generator) for s in (1, 2, 4)}
    pixels = torch.stack(
        [torch.randint(width, (2, 9), generator=generator), torch.randint(height, (2, 9), generator=generator)], dim=-1
    )
    fov = torch.rand(2, 9, generator=generator) < 0.7
    result = flosp(features, pixels, fov)
    for b in range(2):
        for n in range(9):
            u, v = pixels[b, n].tolist()
            expected = sum(f[b, :, v // s, u // s] for s, f in features.items())
            torch.testing.assert_close(result[b, :, n], expected if fov[b, n] else torch.zeros(3))


def test_gradients():
    features = {s: torch.randn(1, 2, 4 // s, 8 // s, dtype=torch.float64, requires_grad=True) for s in (1, 2)}
    pixels = torch.stack([torch.randint(8, (1, 12)), torch.randint(4, (1, 12))], dim=-1)
    fov = torch.rand(1, 12) < 0.7
    assert torch.autograd.gradcheck(lambda *f: flosp(dict(zip((1, 2), f)), pixels, fov), tuple(features.values()))


def test_shapes_and_visibility(device):
    module = lifting()
    low = rig.cameras(equi=rig.equi_camera(band_deg=(-90, 0)))
    samples = [rig.sample(), rig.sample(low)]
    volumes = module(maps(device=device), samples, rig.image_sizes())
    assert volumes.cartesian.shape == (2, 3, 16, 16, 4)
    assert volumes.visible.dtype == torch.bool and volumes.visible.shape == (2, 16, 16, 4)
    assert volumes.visible[0].all()
    # z centres are -1.5, -0.5, 0.5, 1.5: above the horizon is outside a band that ends there
    assert volumes.visible[1, ..., :2].all() and not volumes.visible[1, ..., 2:].any()
    assert (volumes.cartesian[1, ..., 2:] == 0).all()


def test_forward_lies_in_the_middle_and_behind_wraps():
    module = lifting(scales=(1,))
    columns = torch.arange(128.0).expand(1, 1, 64, 128)
    volume = module(dict(equi={1: columns}), [rig.sample()], rig.image_sizes()).cartesian[0, 0]
    # voxel centres beside the x axis, far ahead and far behind, to the left (+y) and to the right
    assert volume[15, 8, 2] in (62, 63) and volume[15, 7, 2] in (64, 65)
    assert volume[0, 8, 2] in (0, 1) and volume[0, 7, 2] in (126, 127)
    # exactly behind, u = W is column 0
    wide = lifting(scales=(1,), grid=dict(shape=(4, 1, 2), voxel_size=1.0, origin=(-4.0, -0.5, -1.0)))
    behind = wide(dict(equi={1: columns}), [rig.sample()], rig.image_sizes()).cartesian
    assert (behind == 0).all()


def test_annulus_is_seen_by_its_lens_only():
    module = lifting(view='raw', scales=(1, 4))
    features = rig.features(1, 3, views=('raw',))
    volumes = module(features, [rig.sample()], rig.image_sizes())
    centers = module.grid.centers()
    elevation = torch.rad2deg(torch.atan2(centers[..., 2], centers[..., :2].norm(dim=-1)))
    # the lens looks down: 51 degrees below the horizon, 27 above
    clear = ((elevation > -50) & (elevation < 26)) | (elevation < -52) | (elevation > 28)
    inside = (elevation > -51) & (elevation < 27)
    assert torch.equal(volumes.visible[0][clear], inside[clear])
    assert (volumes.cartesian[0][:, ~volumes.visible[0]] == 0).all()


def test_project_scale_lifts_the_coarser_grid():
    volumes = lifting(project_scale=2)(maps(), [rig.sample()] * 2, rig.image_sizes())
    assert volumes.cartesian.shape == (2, 3, 8, 8, 2)


def test_calibration_is_remembered_by_value():
    module = lifting()
    calls = []
    project = module.projection._project
    module.projection._project = lambda view, motion: calls.append(1) or project(view, motion)
    for _ in range(3):
        module(maps(), [rig.sample(), rig.sample()], rig.image_sizes())
    assert len(calls) == 1
    moved = rig.cameras(equi_pose=rig.pose(translation=(0, 0, 0.1)))
    module(maps(), [rig.sample(), rig.sample(moved)], rig.image_sizes())
    assert len(calls) == 2
    assert list(module.state_dict()) == []


def test_cache_forgets_the_oldest():
    module = lifting()
    for i in range(40):
        cams = rig.cameras(equi_pose=rig.pose(translation=(0, 0, 0.01 * i)))
        module(maps(1), [rig.sample(cams)], rig.image_sizes())
    known = module.projection._known
    assert len(known) == known.capacity


def test_refusals():
    with pytest.raises(ValueError, match=r"'equi', got \['raw'\]"):
        lifting()(dict(raw={}), [], {})
    with pytest.raises(ValueError, match=r'scales \(1, 2\).*\[1, 4, 8, 16\]'):
        lifting(scales=(1, 2))(maps(), [rig.sample()] * 2, rig.image_sizes())
    with pytest.raises(ValueError, match='at least one scale'):
        flosp({}, torch.zeros(1, 1, 2).long(), torch.ones(1, 1).bool())
