"""VoxFormer as a whole OccupancySegmentor. Values of its parts: tests/goldens/voxformer.py."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config

from projects.OneOcc.core.geometry import CartesianGrid, View
from projects.OneOcc.oneocc.baselines.voxformer.proposed_queries import ProposedQueries, chosen_voxels
from projects.OneOcc.oneocc.baselines.voxformer.query_proposals import pack_proposals, unpack_proposals
from projects.OneOcc.oneocc.baselines.voxformer.self_encoder import SelfEncoder, plane_of
from projects.OneOcc.oneocc.datasets.transforms.azimuth import rotation_about_z
from projects.OneOcc.oneocc.structures import Levels
from tests.models import two_view_rig as rig
from tests.models.small_baseline import build

CONFIGS = Path(__file__).parents[2] / 'configs'
GRID = rig.GRID  # 16x16x4 voxels of 1 m; lifted 8x8x2 of 2 m


def config(**lifting) -> dict:
    model = Config.fromfile(CONFIGS / '_base_/models/voxformer-s-tiny.py').model
    model.grid = GRID
    model.decode_head.num_classes = 3
    model.view_transformer.update(lifting)
    return model


def segmentor(training: bool = False, **lifting):
    torch.manual_seed(0)
    model = build(config(**lifting))
    model.init_weights()
    model.decode_head.set_class_counts((900, 50, 3, 0))
    for layer in model.view_transformer.encoder.layers:
        # the first offsets depend on no query; make them do
        torch.nn.init.normal_(layer.attention.sampling_offsets.weight, std=0.1)
    return model.train(training)


def points(number: int = 40) -> torch.Tensor:
    """(number, 4) inside the grid, one voxel apart at least for small numbers."""
    return torch.nn.functional.pad((torch.rand(number, 3) - 0.5) * torch.tensor((15.0, 15.0, 3.5)), (0, 1))


def batch(clouds, samples=None) -> tuple[dict, list]:
    inputs = dict(imgs=dict(equi=rig.images(len(clouds))['equi']), points=list(clouds))
    return inputs, samples or [rig.sample() for _ in clouds]


def test_three_modes_and_every_parameter_gets_a_gradient():
    model = segmentor(training=True)
    inputs, samples = batch([points(), points(7)])
    losses = model(inputs, samples, mode='loss')
    assert set(losses) == {'loss_ce', 'loss_sem_scal', 'loss_geo_scal'}
    sum(losses.values()).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())
    with torch.no_grad():
        logits = model.eval()(inputs, samples, mode='tensor')[1]
        predicted = model(inputs, samples, mode='predict')
    assert logits.shape == (2, 4, *GRID['shape'])
    assert all(torch.equal(s.pred_occ.long(), own.argmax(0)) for s, own in zip(predicted, logits))


@pytest.mark.parametrize('cloud', [torch.zeros(0, 4), torch.full((3, 4), 99.0), torch.full((1, 4), 0.5)])
def test_no_and_one_proposal_train(cloud):
    model = segmentor(training=True)
    inputs, samples = batch([cloud, cloud])
    loss = sum(model(inputs, samples, mode='loss').values())
    loss.backward()
    assert torch.isfinite(loss)
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters())


def test_a_sample_without_proposals_asks_for_all():
    model = segmentor()
    inputs, samples = batch([torch.zeros(0, 4), torch.full((1, 4), 0.5)])
    sizes = rig.image_sizes()
    found = model.view_transformer.propose(samples, sizes, torch.device('cpu'), points=inputs['points'])
    assert found[0].all() and found[1].sum() == 1


@pytest.mark.parametrize('size', [1, 2])
@pytest.mark.parametrize('fill', [255, 0, 2])
def test_degenerate_labels_give_finite_gradients(fill, size):
    model = segmentor(training=True)
    samples = [rig.sample(labels=torch.full(GRID['shape'], fill).byte())] * size
    inputs, _ = batch([points() for _ in range(size)])
    loss = sum(model(inputs, samples, mode='loss').values())
    loss.backward()
    assert torch.isfinite(loss) and all(torch.isfinite(p.grad).all() for p in model.parameters())


def test_mixed_calibrations_and_numbers_of_proposals_give_what_each_gives_alone():
    model = segmentor()
    band = rig.cameras(equi=rig.equi_camera(band_deg=(-40, 30)))
    shifted = rig.cameras(equi_pose=rig.pose(translation=(0.5, -0.3, 0.2)))
    inputs, samples = batch([points(60), points(5)], [rig.sample(band), rig.sample(shifted)])
    with torch.no_grad():
        both = model(inputs, samples, mode='tensor')[1]
        alone = [
            model(
                dict(imgs=dict(equi=inputs['imgs']['equi'][i : i + 1]), points=inputs['points'][i : i + 1]),
                samples[i : i + 1],
                mode='tensor',
            )[1]
            for i in range(2)
        ]
        swapped = model(inputs, samples[::-1], mode='tensor')[1]
    torch.testing.assert_close(both, torch.cat(alone), atol=1e-5, rtol=1e-4)
    assert not torch.allclose(both, swapped, atol=1e-3)


@pytest.mark.parametrize('wrap', [True, False])
def test_rolling_the_panorama_with_its_calibration_changes_nothing(wrap):
    """By whole cells of the features; without wrapping the seam shows."""
    model = segmentor(proposals='all')
    for layer in model.view_transformer.encoder.layers:
        layer.attention.wrap = wrap
    inputs, samples = batch([points()])
    shift = 3 * 16
    turn = rotation_about_z(-2 * math.pi * shift / rig.EQUI_SIZE[1])
    view = samples[0].cameras['equi']
    turned = rig.sample(dict(equi=View(view.camera, turn @ view.cam_from_ego)))
    rolled = dict(inputs, imgs=dict(equi=inputs['imgs']['equi'].roll(shift, dims=-1)))
    with torch.no_grad():
        before = model(inputs, samples, mode='tensor')[1]
        after = model(rolled, [turned], mode='tensor')[1]
    worst = (after - before).abs().max() / before.abs().max()
    assert worst < 1e-4 if wrap else worst > 1e-3, worst


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_autocast(dtype):
    model = segmentor(training=True)
    inputs, samples = batch([points(), points()])
    with torch.autocast('cpu', dtype=dtype):
        losses = model(inputs, samples, mode='loss')
    assert all(value.dtype == torch.float32 for value in losses.values())
    sum(losses.values()).backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())
    model.eval()
    with torch.no_grad():
        exact = sum(model(inputs, samples, mode='loss').values())
        with torch.autocast('cpu', dtype=dtype):
            rounded = sum(model(inputs, samples, mode='loss').values())
    assert rounded.item() == pytest.approx(exact.item(), rel=0.05)


def test_depth_proposes_what_its_points_propose():
    """A wall at 5 m all around: proposals from depth and from its points, and the same prediction."""
    by_depth, by_points = segmentor(proposals='depth'), segmentor(proposals='points')
    by_depth.load_state_dict(by_points.state_dict())
    shifted = rig.cameras(equi_pose=rig.pose(translation=(0.4, 0.2, -0.1)))
    depth = torch.full((1, *rig.EQUI_SIZE), 5.0)
    depth[:, :8], depth[:, 8:12] = float('nan'), 0.0
    rays, _ = shifted['equi'].camera.unproject(
        torch.stack(torch.meshgrid(torch.arange(128.0) + 0.5, torch.arange(12.0, 64.0) + 0.5, indexing='xy'), -1)
    )
    cloud = 5 * rays.reshape(-1, 3) - torch.tensor((0.4, 0.2, -0.1))
    inputs, samples = batch([cloud], [rig.sample(shifted)])
    with torch.no_grad():
        expected = by_points(inputs, samples, mode='tensor')[1]
        found = by_depth(dict(imgs=inputs['imgs'], depth=dict(equi=depth)), samples, mode='tensor')[1]
    torch.testing.assert_close(found, expected)


def test_frozen_proposal_network():
    """It proposes at half the resolution of its occupancy, learns nothing and stays in evaluation mode."""
    network = dict(type='QueryProposalNetwork', height=8, base_channels=16)
    lifting = build(
        dict(
            type='VoxFormerLifting',
            grid=dict(GRID, shape=(8, 8, 4)),
            channels=8,
            proposal_network=network,
            num_layers=1,
        )
    ).train()
    assert not lifting.proposal_network.training and lifting.encoder.training
    assert not any(p.requires_grad for p in lifting.proposal_network.parameters())
    found = lifting.propose([rig.sample()], rig.image_sizes(), torch.device('cpu'), points=[points(300)])
    assert found.shape == (1, 8, 8, 4)
    occupancy = lifting.occupancy([points(300)]).cartesian
    assert occupancy.shape == (1, 1, 16, 16, 8)
    assert lifting.occupancy.grid.upper == CartesianGrid(**dict(GRID, shape=(8, 8, 4))).upper


def test_missing_weights_of_stage_1_are_named():
    init_cfg = dict(type='Pretrained', checkpoint='nowhere/stage1.pth', prefix='neck.')
    network = dict(type='QueryProposalNetwork', height=8, base_channels=16, init_cfg=init_cfg)
    lifting = build(
        dict(type='VoxFormerLifting', grid=dict(GRID, shape=(8, 8, 4)), channels=8, proposal_network=network)
    )
    with pytest.raises(FileNotFoundError, match='nowhere/stage1.pth'):
        lifting.init_weights()


def test_stage_1_trains_and_its_weights_reach_stage_2(tmp_path):
    grid = dict(GRID, shape=(16, 16, 8))
    stage1 = Config.fromfile(CONFIGS / '_base_/models/query-proposals.py').model
    stage1.grid, stage1.decode_head.num_classes = grid, 3
    model = build(stage1)
    model.init_weights()
    sample = rig.sample()
    del sample.gt_occ
    sample.gt_occ = torch.randint(0, 4, grid['shape'], dtype=torch.uint8)
    losses = model(dict(points=[points(300)]), [sample], mode='loss')
    assert set(losses) == {'loss_proposals'}
    losses['loss_proposals'].backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []
    predicted = model.eval()(dict(points=[points(300)]), [sample], mode='predict')[0].pred_occ
    assert predicted.shape == grid['shape'] and predicted.max() <= 1
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'stage1.pth')
    init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'stage1.pth'), prefix='neck.')
    network = dict(type='QueryProposalNetwork', base_channels=32, init_cfg=init_cfg)
    lifting = build(
        dict(type='VoxFormerLifting', grid=dict(grid, shape=(8, 8, 4)), channels=8, proposal_network=network)
    )
    lifting.init_weights()
    for name, value in model.neck.state_dict().items():
        assert torch.equal(lifting.proposal_network.state_dict()[name], value), name


def test_several_frames_are_averaged_where_they_see():
    """Repeated frames with identity motion give what one frame gives."""
    options = dict(type='VoxFormerLifting', grid=dict(GRID, shape=(8, 8, 2)), channels=8, proposals='all', num_layers=1)
    torch.manual_seed(1)
    one, three = build(options).eval(), build(options, views=('equi', 'past1', 'past2')).eval()
    state = one.state_dict()
    state['encoder.view_embeddings'] = state['encoder.view_embeddings'].expand(3, -1)
    three.load_state_dict(state)
    maps = torch.randn(1, 8, 4, 8)
    camera = rig.cameras()['equi']
    names = ('equi', 'past1', 'past2')
    sample = rig.sample(dict.fromkeys(names, camera))
    sizes = dict.fromkeys(names, rig.EQUI_SIZE)
    with torch.no_grad():
        expected = one(dict(equi={16: maps}), [sample], sizes).cartesian
        found = three({name: {16: maps} for name in names}, [sample], sizes).cartesian
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('mode', ['fold2d', '3d'])
def test_neck_keeps_shape_and_spreads(mode):
    neck = build(dict(type='VoxFormerNeck', grid=dict(GRID, shape=(6, 5, 3)), channels=16, self_attention=mode)).eval()
    volume = torch.randn(2, 16, 6, 5, 3, requires_grad=True)
    levels = neck(dict(cartesian=volume))
    assert isinstance(levels, Levels) and levels.at(1).shape == volume.shape
    levels.at(1)[0, 0, 2, 2, 1].backward()  # a sum over channels is constant behind a LayerNorm
    reached = volume.grad[0].abs().sum(0) > 0
    assert reached.sum() > 10 and not volume.grad[1].any()


def test_in_space_neighbours_are_neighbours():
    """The first offsets of '3d' reach along x and y alone, whatever the order of the axes in memory."""
    encoder = SelfEncoder(8, (9, 9, 3), mode='3d', num_layers=1, num_points=1).eval()
    cells = torch.randn(1, 9 * 9 * 3, 8, requires_grad=True)
    encoder(cells)[0].unflatten(0, (9, 9, 3))[4, 4, 1, 0].backward()
    x, y, z = torch.nonzero(cells.grad[0].abs().sum(1).unflatten(0, (9, 9, 3)) > 1e-7).unbind(1)
    assert set(z.tolist()) == {1} and (x.min(), x.max(), y.min(), y.max()) == (3, 5, 3, 5)


@pytest.mark.parametrize('number, expected', [(4096, (64, 64)), (32768, (256, 128)), (512, (32, 16)), (7, (7, 1))])
def test_plane_is_as_square_as_may_be(number, expected):
    assert plane_of(number) == expected


def test_queries_and_mask_token_stand_where_they_belong():
    queries = ProposedQueries(6, 3)
    proposals = torch.tensor([[0, 1, 0, 0, 1, 1], [0, 0, 0, 1, 0, 0]]).bool()
    chosen = chosen_voxels(proposals)
    assert chosen.index.tolist() == [[1, 4, 5], [3, 0, 0]]
    assert chosen.real.tolist() == [[True] * 3, [True, False, False]]
    filled = queries.fill(queries.queries(chosen), chosen)
    expected = torch.where(proposals[..., None], queries.embedding.weight, queries.mask_token)
    assert torch.equal(filled, expected)
    none = chosen_voxels(torch.zeros(2, 6, dtype=torch.bool))
    assert torch.equal(queries.fill(queries.queries(none), none), queries.mask_token.expand(2, 6, 3))


def test_packed_proposals_come_back():
    proposals = torch.rand(3, 5, 7) < 0.3
    assert torch.equal(unpack_proposals(pack_proposals(proposals), (3, 5, 7)), proposals)
    with pytest.raises(ValueError, match=r'expected 14 bytes for \(3, 5, 7\) voxels, got 3'):
        unpack_proposals(np.zeros(3, np.uint8), (3, 5, 7))


@pytest.mark.parametrize(
    'change, message',
    [
        (dict(proposals='radar'), "proposals: expected one of .* got 'radar'"),
        (dict(proposals='all', proposal_network=dict(type='QueryProposalNetwork')), 'expected None with'),
        (dict(channels=12), 'channels that 8 heads divide, got 12'),
    ],
)
def test_wrong_settings_are_named(change, message):
    options = dict(type='VoxFormerLifting', grid=GRID, channels=8)
    with pytest.raises(ValueError, match=message):
        build({**options, **change})


def test_missing_inputs_are_named():
    model = segmentor(proposals='depth')
    inputs, samples = batch([points()])
    with pytest.raises(ValueError, match=r"VoxFormerLifting needs the inputs \['depth'\]"):
        model(inputs, samples, mode='tensor')
    with pytest.raises(ValueError, match="needs the depth of the view 'equi', got \\['raw'\\]"):
        model(dict(inputs, depth=dict(raw=torch.ones(1, 4, 4))), samples, mode='tensor')
    with pytest.raises(ValueError, match=r'needs the scale 16 .* got none of'):
        model.view_transformer(dict(equi={8: torch.zeros(1, 32, 8, 16)}), samples, rig.image_sizes())
