"""GDC: exactly nothing at the start, the right numbers once it has learned something."""

import math

import pytest
import torch
from mmdet3d.registry import MODELS
from mmengine.model import BaseModule

from projects.OneOcc.oneocc.models.lifting.gait_compensation import rotation_from_vector
from tests.models import two_view_rig as rig

SHIFT = dict(type='GaitDisplacementCompensation', channels=8)
ROTATION = dict(SHIFT, mode='rotation', views=('equi',), translation=True)


class Parent(BaseModule):
    """A model whose init_cfg wants to fill every Linear layer."""

    def __init__(self, gait):
        super().__init__(init_cfg=dict(type='Normal', layer='Linear', std=1.0, bias=1.0))
        self.gait = MODELS.build(gait)


@pytest.mark.parametrize('config', [SHIFT, ROTATION])
def test_identity_after_init_weights_of_a_parent_that_fills_linears(device, config):
    parent = Parent(config).to(device)
    parent.init_weights()
    correction = parent.gait(rig.features(batch=2, device=device))
    if config is SHIFT:
        for scales in correction.shifts.values():
            assert set(scales) == set(rig.SCALES)
            assert all((shift == 0).all() and shift.shape == (2, 2) for shift in scales.values())
    else:
        want = torch.eye(3, 4, device=device).expand(2, 3, 4)
        assert torch.equal(correction.motion, want)


@pytest.mark.parametrize('config', [SHIFT, ROTATION])
def test_every_weight_learns_from_the_first_step(device, config):
    gait = MODELS.build(config).to(device)
    correction = gait(rig.features(batch=2, device=device))
    values = (
        [s for scales in correction.shifts.values() for s in scales.values()]
        if config is SHIFT
        else [correction.motion]
    )
    sum((v * torch.rand_like(v)).sum() for v in values).backward()
    assert all(p.grad is not None and (p.grad != 0).any() for p in gait.parameters())


def test_shift_is_a_bounded_linear_of_gap(device):
    gait = MODELS.build(SHIFT).to(device)
    head = gait.shift['raw_4']
    torch.nn.init.normal_(head.weight)
    torch.nn.init.normal_(head.bias)
    given = rig.features(device=device)
    most = 0.06 * rig.RAW_SIZE[0]
    want = most * torch.tanh(given['raw'][4].mean((2, 3)) @ head.weight.T + head.bias)
    torch.testing.assert_close(gait(given).shifts['raw'][4], want)


def test_rotation_matrices_are_rotations_and_smooth_at_zero(device):
    vector = torch.randn(50, 3, dtype=torch.float64, device=device)
    matrix = rotation_from_vector(vector)
    eye = torch.eye(3, dtype=torch.float64, device=device).expand(50, 3, 3)
    torch.testing.assert_close(matrix @ matrix.transpose(1, 2), eye)
    torch.testing.assert_close(torch.linalg.det(matrix), eye[:, 0, 0])
    cross = torch.zeros(50, 3, 3, dtype=torch.float64, device=device)
    for (i, j), k in {(2, 1): 0, (0, 2): 1, (1, 0): 2}.items():
        cross[:, i, j], cross[:, j, i] = vector[:, k], -vector[:, k]
    torch.testing.assert_close(matrix, torch.linalg.matrix_exp(cross))
    zero = torch.zeros(3, dtype=torch.float64, device=device, requires_grad=True)
    assert torch.autograd.gradcheck(rotation_from_vector, (zero,), atol=1e-4)
    tiny = torch.full((3,), 1e-5, device=device)  # both branches meet
    torch.testing.assert_close(rotation_from_vector(tiny), rotation_from_vector(tiny * 10), atol=2e-4, rtol=0)


def test_turning_the_world_turns_the_regressed_motion(device):
    """Rolling a panorama right by a quarter is a turn of the ego-frame vectors about z."""
    gait = MODELS.build(ROTATION).to(device).double()
    for parameter in gait.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    given = rig.features(views=('equi',), device=device, dtype=torch.float64)
    motion = gait(given).motion[0]
    rolled = dict(equi={s: f.roll(f.shape[-1] // 4, -1) for s, f in given['equi'].items()})
    turned = gait(rolled).motion[0]
    angle = -math.pi / 2  # azimuth grows to the right, a right turn is negative about z (up)
    turn = rotation_from_vector(torch.tensor((0.0, 0.0, angle), dtype=torch.float64, device=device))
    torch.testing.assert_close(turned[:, :3], turn @ motion[:, :3] @ turn.T)
    torch.testing.assert_close(turned[:, 3], turn @ motion[:, 3])
    assert motion[:2, 3].norm() > 1e-3


def test_stays_float32_under_autocast(device):
    gait = MODELS.build(SHIFT).to(device)
    with torch.autocast(device.type, dtype=torch.bfloat16):
        given = {
            view: {s: f.bfloat16() for s, f in scales.items()} for view, scales in rig.features(device=device).items()
        }
        assert gait(given).shifts['equi'][1].dtype == torch.float32


def test_refuses_modes_that_do_not_exist():
    with pytest.raises(ValueError, match='mode'):
        MODELS.build(dict(SHIFT, mode='warp'))
    with pytest.raises(ValueError, match='translation'):
        MODELS.build(dict(SHIFT, translation=True))


def test_sizes_of_the_displacements_are_logged_in_training_only(device):
    gait = MODELS.build(SHIFT).to(device)
    torch.nn.init.constant_(gait.shift['equi_8'].bias, 0.3)
    gait(rig.features(batch=3, device=device))
    assert set(gait.log_vars) == {
        f'gait_{view}_{scale}_{what}_px'
        for view in ('equi', 'raw')
        for scale in rig.SCALES
        for what in ('mean', 'spread')
    }
    want = 0.06 * rig.EQUI_SIZE[0] * math.tanh(0.3) * math.sqrt(2)
    assert abs(gait.log_vars['gait_equi_8_mean_px'] - want) < 1e-5 and gait.log_vars['gait_equi_8_spread_px'] == 0
    gait.eval()(rig.features(device=device))
    assert gait.log_vars == {}


@pytest.mark.parametrize('options', [dict(max_shift=0.0), dict(max_shift=0.7), dict(mode='rotation', zoom=True)])
def test_impossible_options_are_refused(options):
    with pytest.raises(ValueError, match='max_shift|zoom'):
        MODELS.build(dict(SHIFT, **options))
