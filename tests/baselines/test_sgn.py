"""SGN as a whole OccupancySegmentor. Values of its parts: tests/goldens/sgn.py."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate

from projects.OneOcc.core.geometry import CartesianGrid, View
from projects.OneOcc.oneocc.baselines.sgn.head import occupancy_loss, seed_loss
from projects.OneOcc.oneocc.baselines.sgn.proposals import point_features
from projects.OneOcc.oneocc.baselines.sgn.seeds import SemanticGuidanceBlock, chosen_seeds
from projects.OneOcc.oneocc.datasets import QuadOccDataset
from projects.OneOcc.oneocc.datasets.transforms.azimuth import rotation_about_z
from projects.OneOcc.oneocc.models.layers.active_voxels import ActiveVoxels
from tests.models import two_view_rig as rig
from tests.models.small_baseline import build
from tests.tiny_dataset import write_tiny_dataset

CONFIGS = Path(__file__).parents[2] / 'configs'
GRID = dict(shape=(16, 16, 8), voxel_size=1.0, origin=(-8.0, -8.0, -4.0))  # lifted 8x8x4 of 2 m
SMALL_SET = dict(shape=[16, 16, 8], voxel_size=0.8, origin=[-6.4, -6.4, -1.2])
NO_POINTS = torch.zeros(0, 4)
TERMS = ('ce', 'sem_scal', 'geo_scal', 'seeds', 'occupancy', 'proposals')
PAST = ('equi', 'equi_past1', 'equi_past2')


def config(neck: dict | None = None, head: dict | None = None, **lifting) -> dict:
    model = Config.fromfile(CONFIGS / '_base_/models/sgn-s-tiny.py').model
    model.grid = GRID
    model.decode_head.update({'num_classes': 3, **(head or {})})
    model.neck.update({'base_channels': None, **(neck or {})})
    model.view_transformer.update(lifting)
    return model


def segmentor(training: bool = False, classes: int = 3, **changes):
    torch.manual_seed(0)
    model = build(config(**changes))
    model.init_weights()
    model.decode_head.set_class_counts((900, 50, 3, 0)[: classes + 1])
    return model.train(training)


def sample(cameras=None, fill: int | None = None):
    labels = torch.randint(0, 4, GRID['shape']) if fill is None else torch.full(GRID['shape'], fill)
    return rig.sample(cameras, labels.byte())


def points(number: int = 60) -> torch.Tensor:
    """(number, 4) inside the grid."""
    return torch.nn.functional.pad((torch.rand(number, 3) - 0.5) * torch.tensor((15.0, 15.0, 7.5)), (0, 1))


def batch(clouds, samples=None) -> tuple[dict, list]:
    inputs = dict(imgs=dict(equi=rig.images(len(clouds))['equi']), points=list(clouds))
    return inputs, samples or [sample() for _ in clouds]


def check_step(model, inputs, samples) -> dict:
    """One backward pass: finite, and no parameter is without a gradient, as DistributedDataParallel wants it."""
    losses = model(inputs, samples, mode='loss')
    sum(losses.values()).backward()
    assert all(torch.isfinite(value) for value in losses.values())
    assert [name for name, p in model.named_parameters() if p.grad is None] == []
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())
    return losses


@pytest.mark.parametrize('size', [1, 2])
def test_three_modes_and_every_parameter_gets_a_gradient(size):
    model = segmentor(training=True)
    inputs, samples = batch([points(), points(7)][:size])
    losses = check_step(model, inputs, samples)
    assert set(losses) == {f'loss_{term}' for term in TERMS}
    with torch.no_grad():
        logits = model.eval()(inputs, samples, mode='tensor')[1]
        predicted = model(inputs, samples, mode='predict')
    assert logits.shape == (size, 4, *GRID['shape'])
    assert all(torch.equal(s.pred_occ.long(), own.argmax(0)) for s, own in zip(predicted, logits))


@pytest.mark.parametrize('cloud', [NO_POINTS, torch.full((3, 4), 99.0), torch.full((1, 4), 0.5)])
def test_no_point_in_range_and_one_point_train(cloud):
    check_step(segmentor(training=True), *batch([cloud, cloud]))


@pytest.mark.parametrize('bias', [-99.0, 99.0])
def test_no_seed_and_nothing_but_seeds_train(bias):
    model = segmentor(training=True)
    torch.nn.init.constant_(model.neck.geometry.head.classify.bias, bias)
    inputs, samples = batch([points(), NO_POINTS])
    assert model.extract_feat(inputs, samples)[0].seeds.all()
    check_step(model, inputs, samples)


def test_too_few_seeds_become_all():
    logits = torch.full((3, 2, 2, 2), -1.0)
    logits[1, 0, 0, 0] = 1  # one is too few, two are not
    logits[2, 0, 0] = 1
    seeds = chosen_seeds(logits.requires_grad_())
    assert seeds.flatten(1).sum(1).tolist() == [8, 8, 2] and not seeds.requires_grad


@pytest.mark.parametrize('coords', [[[0, 1, 1, 1]], [[0, 0, 0, 0], [0, 1, 1, 1]]], ids=['one seed', 'one cell'])
def test_lone_seeds_and_cells_have_no_statistics(coords):
    """Batch norm of a single row has no variance: running statistics take its place."""
    block = SemanticGuidanceBlock(8).train()
    rows = torch.randn(len(coords), 8, requires_grad=True)
    out = block(ActiveVoxels(torch.tensor(coords), rows, (4, 4, 4), 1))
    out.sum().backward()
    assert torch.isfinite(out).all() and torch.isfinite(rows.grad).all()
    assert (block.coarse.first_norm.running_mean == 0).all()


@pytest.mark.parametrize('fill', [255, 0, 2])
def test_degenerate_labels_give_finite_gradients(fill):
    losses = check_step(segmentor(training=True), *batch([points(), points()], [sample(fill=fill)] * 2))
    if fill == 255:
        assert all(value == 0 for value in losses.values())


def test_one_class():
    model = segmentor(training=True, classes=1, head=dict(num_classes=1))
    check_step(model, *batch([points(), points()], [sample(fill=1), sample(fill=0)]))


def test_points_and_labels_at_the_lifted_resolution():
    model = segmentor(training=True, neck=dict(point_stride=1), head=dict(subvoxels=1))
    inputs, samples = batch([points()])
    check_step(model, inputs, samples)
    levels, _ = model.extract_feat(inputs, samples)
    assert levels.seeds.shape == (1, *GRID['shape'])


def test_mixed_calibrations_and_numbers_of_points_give_what_each_gives_alone():
    model = segmentor()
    band = rig.cameras(equi=rig.equi_camera(band_deg=(-40, 30)))
    shifted = rig.cameras(equi_pose=rig.pose(translation=(0.5, -0.3, 0.2)))
    inputs, samples = batch([points(300), NO_POINTS], [sample(band), sample(shifted)])
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
    assert (both - swapped).abs().max() > 1e-3 * both.abs().max()


@pytest.mark.parametrize('cells', [3, 5, 8])
def test_rolling_the_panorama_with_its_calibration_changes_nothing(cells):
    """By whole cells of the features, so that the seam passes over the voxels.

    The lens is off the centre: seen from there, the voxels on the diagonals would fall between two cells.
    """
    model = segmentor()
    inputs, samples = batch([points()], [sample(rig.cameras(equi_pose=rig.pose(translation=(0.13, 0.07, 0.0))))])
    turn = rotation_about_z(-2 * math.pi * cells * 16 / rig.EQUI_SIZE[1])
    view = samples[0].cameras['equi']
    turned = sample(dict(equi=View(view.camera, turn @ view.cam_from_ego)))
    rolled = dict(inputs, imgs=dict(equi=inputs['imgs']['equi'].roll(16 * cells, dims=-1)))
    with torch.no_grad():
        before, after = (model(*given, mode='tensor')[1] for given in ((inputs, samples), (rolled, [turned])))
        other = model(rolled, samples, mode='tensor')[1]
    scale = before.abs().max()
    assert (after - before).abs().max() < 1e-4 * scale
    if cells < 8:  # 8 cells are the whole turn
        assert (other - before).abs().max() > 1e-3 * scale


def test_a_voxel_straight_behind_falls_onto_the_seam():
    """On the border between the last column and the first, it is seen and takes one of the two."""
    grid = dict(shape=(1, 1, 1), voxel_size=1.0, origin=(-5.5, -0.5, -0.5))
    lifting = build(dict(type='SGNLifting', grid=grid))
    maps = torch.arange(8.0).expand(1, 1, 4, 8)
    volumes = lifting(dict(equi={16: maps}), [sample()], rig.image_sizes(), points=[NO_POINTS])
    assert volumes.visible.all() and float(volumes.cartesian) in (0.0, 7.0)


def test_repeated_frames_without_motion_give_what_one_gives():
    """Views and points three times over; a past frame that moved is another matter."""
    one, three = segmentor(), segmentor()
    three.view_transformer.views = PAST
    inputs, samples = batch([points()])
    cameras = dict.fromkeys(PAST, samples[0].cameras['equi'])
    features = one.backbone(inputs['imgs'])['equi']
    sizes = dict.fromkeys(PAST, rig.EQUI_SIZE)

    def run(model, views, cameras, clouds):
        volumes = model.view_transformer(dict.fromkeys(views, features), [sample(cameras)], sizes, points=clouds)
        return model.decode_head(model.neck(volumes))[1]

    with torch.no_grad():
        expected = run(one, PAST[:1], cameras, inputs['points'])
        found = run(three, PAST, cameras, [inputs['points'][0].repeat(3, 1)])
        cameras['equi_past2'] = View(cameras['equi'].camera, rig.pose(translation=(3.0, 1.0, 0.0)))
        moved = run(three, PAST, cameras, inputs['points'])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert (moved - expected).abs().max() > 1e-3 * expected.abs().max()


def test_views_that_do_not_see_a_voxel_do_not_count():
    lifting = build(dict(type='SGNLifting', grid=dict(GRID, shape=(8, 8, 4), voxel_size=2.0), views=PAST[:2]))
    looks_down = View(rig.equi_camera(band_deg=(-90, -10)), rig.pose())
    cameras = dict(equi=rig.cameras()['equi'], equi_past1=looks_down)
    ones = torch.ones(1, 1, 4, 8)
    features = dict(equi={16: ones}, equi_past1={16: 3 * ones})
    volumes = lifting(features, [sample(cameras)], dict.fromkeys(PAST, rig.EQUI_SIZE), points=[NO_POINTS])
    low = looks_down.visible(lifting.grid)
    assert low.any() and not low.all()
    torch.testing.assert_close(volumes.cartesian[0, 0], torch.where(low, 2.0, 1.0))


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_autocast(dtype):
    model = segmentor(training=True)
    inputs, samples = batch([points(), points()])
    with torch.autocast('cpu', dtype=dtype):
        losses = model(inputs, samples, mode='loss')
    assert all(value.dtype == torch.float32 for value in losses.values())
    sum(losses.values()).backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


def test_depth_seeds_what_its_points_seed():
    """A wall at 5 m all around, in two views of which one has moved: the same prediction as from the points."""
    by_depth, by_points = segmentor(seeds_from='depth'), segmentor()
    by_depth.view_transformer.views = by_points.view_transformer.views = PAST[:2]
    offset = torch.tensor((0.4, 0.2, -0.1))
    cameras = rig.cameras(equi_pose=rig.pose(translation=tuple(offset)))
    cameras['equi_past1'] = rig.cameras()['equi']
    depth = torch.full((1, *rig.EQUI_SIZE), 5.0)
    depth[:, :8], depth[:, 8:12] = float('nan'), 0.0
    centres = torch.meshgrid(torch.arange(128.0) + 0.5, torch.arange(12.0, 64.0) + 0.5, indexing='xy')
    rays = cameras['equi'].camera.unproject(torch.stack(centres, -1))[0].reshape(-1, 3)
    cloud = torch.cat([5 * rays - offset, 5 * rays]).float()
    image = rig.images()['equi']
    sizes = dict.fromkeys(PAST[:2], rig.EQUI_SIZE)
    with torch.no_grad():
        features = dict.fromkeys(PAST[:2], by_depth.backbone(dict(equi=image))['equi'])
        lift = by_depth.view_transformer(
            features, [sample(cameras)], sizes, depth=dict(equi=depth, equi_past1=depth.clone())
        )
        expected = by_points.view_transformer(features, [sample(cameras)], sizes, points=[cloud])
        torch.testing.assert_close(by_depth.neck(lift).at(1), by_points.neck(expected).at(1), rtol=1e-3, atol=1e-4)


def test_features_of_points_equal_a_loop():
    grid = CartesianGrid(**GRID)
    inside = torch.tensor([[0.25, 0.5, 0.5], [0.75, 0.5, 0.25], [-3.5, 2.5, 1.5]])
    outside = torch.tensor([[9.0, 0.0, 0.0], [float('nan'), 0.0, 0.0], [0.0, -8.0, 0.0]])
    features, coords, owner = point_features([torch.cat([inside, outside]), outside, inside[:1]], grid)
    assert coords.tolist() == [[0, 4, 10, 5], [0, 8, 8, 4], [2, 8, 8, 4]] and owner.tolist() == [1, 1, 0, 2]
    first, second, third = inside
    mean = (first + second) / 2
    corner = torch.tensor([0.0, 0.0, 0.0])
    torch.testing.assert_close(features[0], torch.cat([first, first - mean, first - corner]))
    torch.testing.assert_close(features[1], torch.cat([second, second - mean, second - corner]))
    torch.testing.assert_close(features[2], torch.cat([third, third - third, torch.full((3,), 0.5)]))


def test_losses_of_nothing_known_are_zero():
    logits = torch.randn(5, 4, requires_grad=True)
    unknown = torch.full((5,), 255)
    loss = seed_loss(logits, unknown) + occupancy_loss(logits[None], torch.full((1, 5, 4), 255))
    loss.backward()
    assert loss == 0 and (logits.grad == 0).all()
    one = unknown.clone()
    one[3] = 2
    assert seed_loss(logits, one) > 0


def test_prediction_computes_no_auxiliary_head():
    model = segmentor()
    calls = []
    for part in (model.decode_head.occupancy, model.decode_head.seed_classifier):
        part.register_forward_hook(lambda *_: calls.append(1))
    with torch.no_grad():
        model(*batch([points()]), mode='predict')
    assert not calls


@pytest.mark.parametrize(
    'change, message',
    [
        (dict(seeds_from='radar'), "seeds_from: expected one of .* got 'radar'"),
        (dict(neck=dict(base_channels=12)), 'base_channels that is a multiple of 8, got 12'),
        (dict(head=dict(loss_weights=dict(boundary=1))), r"loss_weights: expected .*'seeds'.* got \['boundary'\]"),
        (dict(head=dict(voxel_channels=7)), 'decode_head.voxel_channels: expected 32'),
    ],
)
def test_wrong_settings_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        build(config(**change))


def test_missing_inputs_are_named():
    model = segmentor(seeds_from='depth')
    inputs, samples = batch([points()])
    with pytest.raises(ValueError, match=r"SGNLifting needs the inputs \['depth'\]"):
        model(inputs, samples, mode='tensor')
    with pytest.raises(ValueError, match="needs the depth of a view of .*'equi'.* got \\['raw'\\]"):
        model(dict(inputs, depth=dict(raw=torch.ones(1, 4, 4))), samples, mode='tensor')
    with pytest.raises(ValueError, match=r'needs the scale 16 .* got none of'):
        model.view_transformer(dict(equi={8: torch.zeros(1, 32, 8, 16)}), samples, rig.image_sizes())
    with pytest.raises(ValueError, match=r'SGNNeck needs volumes with points \(SGNLifting\)'):
        model.neck(dict(cartesian=torch.zeros(1, 32, 8, 8, 4)))
    with pytest.raises(ValueError, match='expected the SGNLevels of SGNNeck, got dict'):
        model.decode_head.loss({1: torch.zeros(1, 16, 8, 8, 4)}, samples)


def temporal_sample(root):
    """A frame of a small set with two past ones and their sweeps, and the SGN-T that takes them."""
    write_tiny_dataset(root, splits=('train',), frames=3, grid=SMALL_SET)
    dataset = QuadOccDataset(
        'infos_train.json',
        str(root),
        views=dict(raw=dict(keep=False), equi=dict(height=32, width=64, unwrap_from='raw')),
        points={},
        previous=dict(offsets=(-2, -1), points=True),
        pipeline=[dict(type='PackOccInputs', keys=('imgs', 'points', 'gt_occ'))],
        test_mode=True,
    )
    model = config(head=dict(num_classes=6))
    model.grid = SMALL_SET
    model.backbone.further_views = PAST[1:]
    torch.manual_seed(0)
    return dataset, build(model)


def test_past_frames_come_from_the_dataset(tmp_path):
    """Loaded, collated and trained on; where a sequence starts, the views are one view and nothing is added."""
    dataset, model = temporal_sample(tmp_path / 'quadsim-mini')
    assert model.view_transformer.views == PAST
    data = model.data_preprocessor(pseudo_collate([dataset[0], dataset[2]]), training=True)
    check_step(model.train(), data['inputs'], data['data_samples'])
    model.eval()
    single = build(config(head=dict(num_classes=6)) | dict(grid=SMALL_SET))
    single.load_state_dict(model.state_dict())
    with torch.no_grad():
        of_three = model.lift(**data).cartesian
        of_one = single.eval().lift(**data).cartesian
    torch.testing.assert_close(of_three[0], of_one[0], rtol=1e-4, atol=1e-5)
    assert (of_three[1] - of_one[1]).abs().max() > 0.01 * of_one[1].std()
