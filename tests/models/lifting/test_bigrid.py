"""Bi-grid lifting: convex scales, masked views, each sample's own camera, the ring, the gather."""

import math

import pytest
import torch
from mmcv.cnn.bricks.conv2d_adaptive_padding import Conv2dAdaptivePadding
from mmdet3d.registry import MODELS

from projects.OneOcc.core.geometry import CartesianGrid, CylindricalGrid, View
from projects.OneOcc.core.ops.scored_sample.reference import scale_weights
from projects.OneOcc.oneocc.models.lifting.bigrid import (
    CELL_CENTRES,
    BiGridViewTransformer,
    surrounding_cylinder,
)
from projects.OneOcc.oneocc.models.lifting.gait_compensation import GaitCorrection, rotation_from_vector
from projects.OneOcc.oneocc.models.lifting.grid_lifting import drop_views, merge_views
from projects.OneOcc.oneocc.models.lifting.polar_pyramid import PolarPyramid
from tests.models import two_view_rig as rig

CONFIG = dict(type='BiGridViewTransformer', grid=rig.GRID, cylinder=rig.CYLINDER, channels=8)
GAIT = dict(type='GaitDisplacementCompensation')


def build(device, **changes) -> BiGridViewTransformer:
    lifting = MODELS.build(dict(CONFIG, **changes)).to(device)
    lifting.init_weights()
    return lifting


def randomise(lifting, std=0.5) -> None:
    """Away from the zero start, so that a test of weights can fail."""
    for part in (lifting.lift, lifting.score):
        for parameter in part.parameters():
            torch.nn.init.normal_(parameter, std=std)


def run(lifting, features, samples=None, sizes=None):
    batch = next(iter(features['equi'].values())).shape[0]
    samples = samples or [rig.sample() for _ in range(batch)]
    return lifting(features, samples, sizes or rig.image_sizes())


def test_builds_alone_and_returns_what_it_promises(device):
    volumes = run(build(device), rig.features(batch=2, device=device))
    assert volumes.cartesian.shape == (2, 8, 16, 16, 4)
    assert volumes.visible.shape == (2, 16, 16, 4) and volumes.visible.dtype == torch.bool
    assert volumes.cylindrical.shape == (2, 8, 12, 32, 4)
    assert {k: tuple(v.shape) for k, v in volumes.polar.items()} == {
        1: (2, 8, 16, 16, 4),
        2: (2, 8, 8, 8, 2),
        4: (2, 8, 4, 4, 1),
    }


def test_single_grid_knows_nothing_of_cylinders(device):
    lifting = build(device, grids=('cartesian',))
    volumes = run(lifting, rig.features(device=device))
    assert set(volumes) == {'cartesian', 'visible'}
    assert not any('polar' in name or 'cylindrical' in name for name in lifting.state_dict())


def test_injection_in_the_volume_serves_any_neck(device):
    lifting = build(device, injection='volume')
    given = rig.features(device=device)
    volumes = run(lifting, given)
    assert volumes.polar is None and volumes.cartesian.shape == (1, 8, 16, 16, 4)
    plain = build(device, grids=('cartesian',))
    assert not torch.allclose(run(plain, given).cartesian, volumes.cartesian)


@pytest.mark.parametrize('grid', ['cartesian', 'cylindrical'])
def test_scale_weights_are_convex_and_start_equal(device, grid):
    lifting = build(device)
    part = lifting.lift[grid]
    scores = torch.zeros(2, 4, part.position.shape[0], device=device)
    start = scale_weights(scores, part.preferences('equi')[0])
    torch.testing.assert_close(start, torch.full_like(start, 0.25))
    randomise(lifting)
    weights = scale_weights(torch.randn_like(scores), part.preferences('equi')[0])
    assert (weights >= 0).all() and weights.std() > 0.05
    torch.testing.assert_close(weights.sum(1), torch.ones_like(weights[:, 0]))


def test_volume_is_the_weighted_sum_of_bilinear_samples(device):
    """Constant maps: each voxel must get the mix of the constants, whatever the pixel."""
    lifting = build(device, views=('equi',), grids=('cartesian',))
    constants = {1: 1.0, 4: 2.0, 8: 4.0, 16: 8.0}
    given = {'equi': {s: torch.full_like(f, constants[s]) for s, f in rig.features(device=device)['equi'].items()}}
    volume = run(lifting, given).cartesian
    torch.testing.assert_close(volume, torch.full_like(volume, 15 / 4))


@pytest.mark.parametrize('views', [('equi', 'raw'), ('equi',)])
def test_implementations_of_the_sampling_give_the_same(device, views):
    """Volumes and gradients: the fastest for the device, and the reference."""
    lifting = build(device, views=views)
    randomise(lifting)
    given = rig.features(batch=2, device=device)
    results = []
    for sampling in (None, 'reference'):
        for grid in lifting.lift.values():
            grid.sampling = sampling
        leaves = {
            view: {s: f.clone().requires_grad_() for s, f in maps.items()}
            for view, maps in given.items()
            if view in views
        }
        volumes = run(lifting, leaves)
        lifting.zero_grad()
        sum(
            (volumes[name] * torch.linspace(0, 1, volumes[name].numel(), device=device).view_as(volumes[name])).sum()
            for name in ('cartesian', 'cylindrical')
        ).backward()
        results.append(
            [
                volumes.cartesian,
                volumes.cylindrical,
                *(f.grad for maps in leaves.values() for f in maps.values()),
                *(p.grad for p in lifting.score.parameters()),
                *(p.grad for p in lifting.lift.parameters()),
            ]
        )
    for first, second in zip(*results):
        torch.testing.assert_close(first, second, atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize('centre, layer', [('first_pixel', torch.nn.Conv2d), ('last_pixel', Conv2dAdaptivePadding)])
@pytest.mark.parametrize('kernel', [3, 5])
def test_convolutions_centre_their_cells_there(device, centre, layer, kernel):
    """The centroid of the pixels that a cell of three strided convolutions sees, in the terms of view_sample."""
    layers = torch.nn.Sequential(
        *(layer(1, 1, kernel, stride=2, padding=kernel // 2, bias=False) for _ in range(3))
    ).to(device)
    for parameter in layers.parameters():
        torch.nn.init.ones_(parameter)
    image = torch.zeros(1, 1, 128, 128, device=device, requires_grad=True)
    cell, stride = 7, 8
    layers(image)[0, 0, cell, cell].backward()
    seen = image.grad[0, 0].sum(0)
    u = (seen * (torch.arange(128, device=device) + 0.5)).sum() / seen.sum()
    x = u / stride + CELL_CENTRES[centre] * (1 - 1 / stride)
    assert x.item() == pytest.approx(cell + 0.5, abs=1e-4)


def test_moving_the_centres_is_a_constant_displacement(device):
    plain, moved = build(device), build(device, cell_centre='first_pixel')
    moved.load_state_dict(plain.state_dict())
    given = rig.features(batch=2, device=device)

    def half_a_cell(maps):
        return GaitCorrection(
            shifts={
                view: {s: f.new_full((2, 2), 0.5 * (s - 1)) for s, f in scales.items()} for view, scales in maps.items()
            }
        )

    plain.gait = half_a_cell
    want, got = run(plain, given), run(moved, given)
    assert torch.equal(want.cartesian, got.cartesian)
    moved.gait = half_a_cell  # adds up with a correction
    assert not torch.allclose(run(moved, given).cartesian, got.cartesian)
    with pytest.raises(ValueError, match='cell_centre: expected one of'):
        build(device, cell_centre='middle')


def test_views_are_weighed_by_what_they_show(device):
    lifting = build(device, grids=('cartesian',)).eval()
    given = rig.features(device=device)
    alike = run(lifting, given).cartesian
    score = lifting.lift['cartesian'].view_score['raw']
    torch.nn.init.constant_(score.weight, 3.0)
    torch.nn.init.constant_(score.bias, 30.0)
    raw = run(lifting, given).cartesian
    assert (alike - raw).abs().max() > 0.1
    assert build(device, merge='place').lift['cartesian'].view_score is None
    with pytest.raises(ValueError, match='merge: expected'):
        build(device, merge='vote')


def test_dropping_a_view_leaves_every_seen_voxel_seen(device):
    torch.manual_seed(0)
    seen = torch.rand(64, 2, 50, device=device) < 0.5
    left = drop_views(seen, 0.5)
    assert torch.equal(left.any(1), seen.any(1)) and not (left & ~seen).any()
    lost = (seen & ~left).any(2)  # (B, V)
    assert lost.any(0).all() and not lost.all(1).any() and 0.2 < lost.any(1).float().mean() < 0.8
    assert torch.equal(drop_views(seen, 0.0), seen)


def test_view_dropout_is_for_training_only(device):
    lifting = build(device, grids=('cartesian',), view_dropout=0.9)
    given = rig.features(batch=4, device=device)
    samples = [rig.sample() for _ in range(4)]
    with torch.no_grad():
        first, second = (run(lifting.eval(), given, samples).cartesian for _ in range(2))
        assert torch.equal(first, second)
        torch.manual_seed(0)
        assert not torch.equal(run(lifting.train(), given, samples).cartesian, first)


def test_polar_levels_are_lifted_or_strided(device):
    given = rig.features(device=device)
    shapes = []
    for source in ('lifted', 'strided'):
        lifting = build(device, polar_levels=source)
        shapes.append({level: tuple(volume.shape) for level, volume in run(lifting, given).polar.items()})
        assert ('cylindrical_4' in lifting.lift) == (source == 'lifted')
    assert shapes[0] == shapes[1]
    with pytest.raises(ValueError, match='polar_levels: expected'):
        build(device, polar_levels='pooled')


def test_a_lifted_level_hears_the_images_itself(device):
    """A coarse cell samples the image at its own centre: its gradient does not pass through level 1."""
    lifting = build(device, polar_levels='lifted')
    given = rig.features(device=device)
    given['equi'][1].requires_grad_()
    run(lifting, given).polar[4].square().sum().backward()
    assert given['equi'][1].grad.abs().sum() > 0
    assert all(p.grad is None for p in lifting.polar.blocks['1'].parameters())


def test_a_displacement_beyond_the_map_has_a_gradient_back(device):
    """However far a head is driven, the displacement stays on the map and still depends on the head."""
    lifting = build(device, grids=('cartesian',), gait=dict(GAIT, max_shift=0.06))
    given = rig.features(device=device)
    for head in lifting.gait.shift.values():
        torch.nn.init.constant_(head.bias, 2.0)  # all but saturated
    run(lifting, given).cartesian.square().sum().backward()
    for view, scales in lifting.gait(given).shifts.items():
        most = 0.06 * rig.image_sizes()[view][0]
        assert all((shift.abs() < most).all() and (shift.abs() > 0.7 * most).all() for shift in scales.values())
    assert all((head.bias.grad.abs() > 0).all() for head in lifting.gait.shift.values())


def test_one_displacement_in_pixels_means_the_same_at_every_scale(device):
    """Shifting the whole image and compensating for it gives the volume of the image at rest (Eq. 10)."""
    lifting = build(device, grids=('cartesian',), views=('equi',)).eval()
    given = rig.features(views=('equi',), device=device)
    rest = run(lifting, given).cartesian
    moved = {'equi': {s: level.roll(16 // s, dims=-1) for s, level in given['equi'].items()}}
    lifting.gait = lambda maps: GaitCorrection(
        shifts={'equi': {s: level.new_tensor([[16.0, 0.0]]) for s, level in maps['equi'].items()}}
    )
    torch.testing.assert_close(run(lifting, moved).cartesian, rest)


def test_zoom_moves_pixels_about_the_middle(device):
    pixels = torch.tensor([[[64.0, 32.0], [74.0, 12.0]]], device=device)
    zoomed = GaitCorrection(zooms={'equi': torch.tensor([[1.0, 1.1]], device=device)}).zoomed('equi', pixels, (64, 128))
    torch.testing.assert_close(zoomed, torch.tensor([[[64.0, 32.0], [74.0, 10.0]]], device=device))
    assert GaitCorrection().zoomed('equi', pixels, (64, 128)) is pixels
    lifting = build(device, gait=dict(GAIT, zoom=True))
    given = rig.features(device=device)
    assert torch.equal(lifting.gait(given).zooms['raw'], torch.ones(1, 2, device=device))
    torch.nn.init.constant_(lifting.gait.zoom['equi_4'].bias, 1.0)
    around, high = lifting.gait(given).zooms['equi'][0]
    assert around == 1 and 1.05 < high < 1.1  # a ring has no middle along its width


def test_merged_views(device):
    lifted = torch.randn(1, 2, 4, 3, device=device)
    seen = torch.tensor([[[1, 1, 0, 0], [1, 0, 1, 0]]], dtype=torch.bool, device=device)
    logits = torch.tensor([[0.0, 50.0, -50.0, 3.0], [0.0, -50.0, 50.0, 1.0]], device=device)
    logits.requires_grad_()
    merged, visible = merge_views(lifted, seen, logits)
    torch.testing.assert_close(merged[0, 0], lifted[0, :, 0].mean(0))
    assert torch.equal(merged[0, 1], lifted[0, 0, 1])
    assert torch.equal(merged[0, 2], lifted[0, 1, 2])
    assert (merged[0, 3] == 0).all()
    assert visible.tolist() == [[True, True, True, False]]
    merged.sum().backward()
    assert torch.isfinite(logits.grad).all()


def test_a_voxel_seen_by_one_view_ignores_the_other(device):
    """The annulus does not see below its band: there, raw features change nothing."""
    lifting = build(device)
    randomise(lifting)
    given = rig.features(device=device)
    other = dict(given, raw={s: torch.randn_like(f) for s, f in given['raw'].items()})
    centers = CartesianGrid(**rig.GRID).centers().reshape(-1, 3).to(device)
    down = centers * centers.new_tensor((1.0, -1.0, -1.0))
    seen = rig.raw_camera().project(down)[1].view(rig.GRID['shape'])
    assert 0.1 < seen.float().mean() < 0.999
    first, second = (run(lifting, f).cartesian[0] for f in (given, other))
    changed = (first - second).abs().amax(0) > 0
    assert torch.equal(changed, seen)


def test_voxels_seen_by_no_view_are_zero_and_marked(device):
    band = rig.equi_camera(band_deg=(-10, 10))
    cams = dict(equi=View(band, rig.pose()))
    lifting = build(device, views=('equi',))
    randomise(lifting)
    volumes = run(lifting, rig.features(views=('equi',), device=device), [rig.sample(cams)])
    hidden = ~volumes.visible[0]
    assert 0.1 < hidden.float().mean() < 0.9
    assert (volumes.cartesian[0][:, hidden] == 0).all()
    assert (volumes.cartesian[0][:, ~hidden].abs().sum(0) > 0).all()
    hidden = ~volumes.cylindrical_visible[0]
    assert hidden.any() and (volumes.cylindrical[0][:, hidden] == 0).all()


def test_each_sample_is_lifted_with_its_own_calibration(device):
    lifting = build(device)
    samples = [
        rig.sample(),
        rig.sample(
            rig.cameras(
                equi=rig.equi_camera(band_deg=(-60, 45)),
                raw=rig.raw_camera(center=(0.47, 0.51)),
                raw_pose=rig.pose(rig.DOWN, (0.1, -0.2, 0.05)),
            )
        ),
    ]
    given = rig.features(device=device)
    both = {
        view: {s: f.expand(2, -1, -1, -1).contiguous() for s, f in scales.items()} for view, scales in given.items()
    }
    together = run(lifting, both, samples)
    for i, sample in enumerate(samples):
        alone = run(lifting, given, [sample])
        for key in ('cartesian', 'visible', 'cylindrical'):
            torch.testing.assert_close(together[key][i], alone[key][0])
    assert (together.cartesian[0] - together.cartesian[1]).abs().max() > 0.1


def test_remembered_projections_are_those_of_the_calibration(device):
    """The second answer comes from memory, a changed calibration does not."""
    lifting = build(device)
    given = rig.features(device=device)
    first = run(lifting, given).cartesian
    assert torch.equal(first, run(lifting, given).cartesian)
    moved = rig.sample(rig.cameras(raw_pose=rig.pose(rig.DOWN, (0.3, 0.0, 0.0))))
    assert not torch.equal(first, run(lifting, given, [moved]).cartesian)
    assert torch.equal(first, run(lifting, given).cartesian)


def test_state_dict_holds_no_table_and_no_calibration(device):
    lifting = build(device, gait=GAIT)
    before = set(lifting.state_dict())
    run(lifting, rig.features(device=device))
    assert set(lifting.state_dict()) == before == {n for n, _ in lifting.named_parameters()}


@pytest.mark.parametrize('gait', [GAIT, dict(GAIT, mode='rotation', translation=True)])
@pytest.mark.parametrize('grids', [('cartesian',), ('cartesian', 'cylindrical')])
def test_gait_compensation_starts_as_identity_bit_for_bit(device, grids, gait):
    plain, compensated = build(device, grids=grids), build(device, grids=grids, gait=gait)
    randomise(plain)
    missing = compensated.load_state_dict(plain.state_dict(), strict=False)
    assert not missing.unexpected_keys and all('gait' in k for k in missing.missing_keys)
    compensated.gait.init_weights()
    given = rig.features(batch=2, device=device)
    want, got = run(plain, given), run(compensated, given)
    for key in ('cartesian', 'visible'):
        assert torch.equal(want[key], got[key])


def test_rotating_the_voxels_is_rotating_the_camera(device):
    vector = torch.tensor((0.05, -0.08, 0.1), dtype=torch.float64)
    lifting = build(device, views=('equi',), gait=dict(GAIT, mode='rotation'))
    for scale in rig.SCALES:
        torch.nn.init.zeros_(lifting.gait.vertical[f'equi_{scale}'].bias)
    torch.nn.init.constant_(lifting.gait.vertical['equi_4'].bias, 0.1)
    given = rig.features(views=('equi',), device=device)
    turned = run(lifting, given).cartesian
    pose = rig.pose()
    pose[:3, :3] = rotation_from_vector(torch.tensor((0.0, 0.0, 0.1), dtype=torch.float64)).numpy()
    cams = dict(equi=View(rig.equi_camera(), pose))
    plain = build(device, views=('equi',))
    plain.load_state_dict(lifting.state_dict(), strict=False)
    torch.testing.assert_close(run(plain, given, [rig.sample(cams)]).cartesian, turned, atol=1e-4, rtol=1e-4)
    assert torch.linalg.det(rotation_from_vector(vector)).item() == pytest.approx(1)


@pytest.mark.parametrize('mode', ['shift', 'rotation'])
def test_gait_compensation_learns_through_lifting(device, mode):
    lifting = build(device, gait=dict(GAIT, mode=mode))
    volumes = run(lifting, rig.features(device=device))
    (volumes.cartesian * torch.randn_like(volumes.cartesian)).sum().backward()
    for name, parameter in lifting.gait.named_parameters():
        assert torch.isfinite(parameter.grad).all() and (parameter.grad != 0).any(), name


@pytest.mark.parametrize('gait', [None, GAIT, dict(GAIT, mode='rotation', translation=True)])
def test_turning_the_panorama_rolls_the_cylindrical_volume(device, gait):
    """Rolled by W / PHI * k columns, everything polar rolls by k cells (Eq. 5: phi is azimuth)."""
    lifting = build(device, views=('equi',), gait=gait).double()
    randomise(lifting)
    for parameter in lifting.gait.parameters() if gait else ():
        torch.nn.init.normal_(parameter, std=0.02)
    cells = rig.CYLINDER['shape'][1] // 4  # a quarter: 32 columns, two cells of stride 16
    given = rig.features(views=('equi',), device=device, dtype=torch.float64)
    rolled = dict(equi={s: f.roll(f.shape[-1] // 4, -1) for s, f in given['equi'].items()})
    base, turned = run(lifting, given), run(lifting, rolled)
    torch.testing.assert_close(turned.cylindrical, base.cylindrical.roll(cells, -2), atol=1e-4, rtol=1e-4)
    # a quarter to the right in the Cartesian grid: (x, y) -> (y, -x)
    for got, want in ((turned.cartesian, base.cartesian), (turned.polar[2], base.polar[2])):
        torch.testing.assert_close(got, torch.rot90(want, -1, dims=(2, 3)), atol=1e-4, rtol=1e-4)


def test_polar_blocks_run_round_the_ring(device):
    pyramid = PolarPyramid(CylindricalGrid(**rig.CYLINDER), CartesianGrid(**rig.GRID), 4)
    pyramid.to(device)
    volume = torch.randn(1, 4, *rig.CYLINDER['shape'], device=device)
    for level, block in pyramid.blocks.items():
        if level == '1':
            torch.testing.assert_close(block(volume.roll(4, -2)), block(volume).roll(4, -2))
        else:
            torch.testing.assert_close(block(volume.roll(4, -2)), block(volume).roll(2, -2))


def test_gather_takes_the_cell_that_holds_the_voxel(device):
    """A volume that holds its own cell centres: each voxel gets a centre less than a cell away."""
    polar, cartesian = CylindricalGrid(**rig.CYLINDER), CartesianGrid(**rig.GRID)
    pyramid = PolarPyramid(polar, cartesian, 3).to(device)
    for level in (1, 2, 4):
        coarse, voxels = polar.downsampled(level), cartesian.downsampled(level)
        centers = coarse.centers().permute(3, 0, 1, 2)[None].float().to(device)
        got = pyramid.gather(centers, level)[0].permute(1, 2, 3, 0).cpu().double()
        offset = got - voxels.centers()
        reach = math.hypot(coarse.cell_size[0], coarse.cell_size[1] * 12)
        assert offset[..., :2].norm(dim=-1).max() < reach / 1.5
        assert offset[..., 2].abs().max() <= coarse.cell_size[2] / 2 + 1e-6


def test_gather_is_zero_outside_the_cylinder(device):
    small = CylindricalGrid((8, 32, 4), (0.0, 8.0), (-2.0, 2.0))
    pyramid = PolarPyramid(small, CartesianGrid(**rig.GRID), 2, levels=(1,)).to(device)
    gathered = pyramid.gather(torch.ones(1, 2, 8, 32, 4, device=device), 1)
    radius = CartesianGrid(**rig.GRID).centers()[..., :2].norm(dim=-1).to(device)
    assert torch.equal(gathered[0, 0] == 1, radius < 8)


def test_surrounding_cylinder_holds_the_grid():
    for grid in (
        CartesianGrid((64, 64, 8), 0.4, (-12.8, -12.8, -1.2)),
        CartesianGrid((128, 128, 16), 0.2, (-12.8, -12.8, -2.0)),
        CartesianGrid(**rig.GRID),
    ):
        cylinder = CylindricalGrid(**surrounding_cylinder(grid))
        assert all(n % 4 == 0 for n in cylinder.shape)
        assert cylinder.index(grid.centers())[1].all()


def test_all_parameters_learn(device):
    for changes in (
        dict(),
        dict(injection='volume'),
        dict(grids=('cartesian',)),
        dict(views=('equi',)),
        dict(gait=GAIT),
    ):
        lifting = build(device, **changes)
        volumes = run(lifting, rig.features(device=device))
        total = volumes.cartesian.square().sum()
        for polar in (volumes.polar or {}).values():
            total = total + polar.square().sum()
        total.backward()
        unused = [n for n, p in lifting.named_parameters() if p.grad is None]
        assert not unused, (changes, unused)


def test_bfloat16_features(device):
    lifting = build(device, gait=GAIT)
    given = rig.features(device=device)
    want = run(lifting, given)
    with torch.autocast(device.type, dtype=torch.bfloat16):
        got = run(lifting, {v: {s: f.bfloat16() for s, f in m.items()} for v, m in given.items()})
    assert torch.equal(got.visible, want.visible)
    torch.testing.assert_close(got.cartesian.float(), want.cartesian, atol=0.05, rtol=0.05)


def test_refuses_what_does_not_belong(device):
    lifting = build(device)
    given = rig.features(device=device)
    with pytest.raises(ValueError, match='raw'):
        run(lifting, given, [rig.sample(dict(equi=rig.cameras()['equi']))])
    with pytest.raises(ValueError, match='resize camera and image together'):
        run(lifting, given, sizes=dict(rig.image_sizes(), raw=(48, 64)))
    with pytest.raises(ValueError, match='periodic'):
        swapped = rig.cameras()
        swapped['equi'] = swapped['raw']
        run(lifting, given, [rig.sample(swapped)])
    with pytest.raises(ValueError, match='grids'):
        build(device, grids=('cylindrical',))
    with pytest.raises(ValueError, match='injection'):
        build(device, injection='head')
