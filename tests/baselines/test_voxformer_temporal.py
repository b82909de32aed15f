"""VoxFormer-T: past frames are further cameras, and a voxel takes the mean over the frames that see it."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config

from projects.OneOcc.core.geometry import View
from projects.OneOcc.core.geometry.ego_motion import cam_from_current_ego, past_view
from projects.OneOcc.oneocc.datasets.transforms.azimuth import rotation_about_z
from tests.models import two_view_rig as rig
from tests.models.small_baseline import build

CONFIGS = Path(__file__).parents[2] / 'configs/_base_/runs'
NAMES = ('equi', *(past_view('equi', number) for number in (1, 2, 3, 4)))


def segmentor(name: str = 'voxformer-t-tiny', training: bool = False, **lifting):
    model = Config.fromfile(CONFIGS / f'{name}.py').model
    model.grid, model.decode_head.num_classes = rig.GRID, 3
    model.view_transformer.update(lifting)
    torch.manual_seed(0)
    built = build(model)
    built.init_weights()
    for layer in built.view_transformer.encoder.layers:
        # the first offsets depend on no query; make them do
        torch.nn.init.normal_(layer.attention.sampling_offsets.weight, std=0.1)
    return built.train(training)


def points(number: int = 40) -> torch.Tensor:
    return torch.nn.functional.pad((torch.rand(number, 3) - 0.5) * torch.tensor((15.0, 15.0, 3.5)), (0, 1))


def views(*moves: tuple[float, float, float]) -> dict[str, View]:
    """The current view and past ones, the robot having been so far away (x, y, yaw) in today's frame."""
    found = {'equi': rig.cameras()['equi']}
    for name, (x, y, yaw) in zip(NAMES[1:], moves):
        now_from_then = rotation_about_z(yaw)
        now_from_then[:2, 3] = x, y
        moved = cam_from_current_ego(found['equi'].cam_from_ego, now_from_then, np.eye(4))
        found[name] = View(found['equi'].camera, moved)
    return found


MOVES = ((-2.0, 0.3, 0.4), (-1.5, 0.2, 0.3), (-1.0, 0.1, -0.2), (-0.5, 0.0, 0.1))
STILL = ((0.0, 0.0, 0.0),) * 4


def batch(clouds, cameras=None, labels=None) -> tuple[dict, list]:
    images = {name: rig.images(len(clouds))['equi'] for name in NAMES}
    cameras = cameras or [views(*MOVES) for _ in clouds]
    return dict(imgs=images, points=list(clouds)), [rig.sample(one, labels=labels) for one in cameras]


@pytest.mark.parametrize('cloud', [points(), torch.zeros(0, 4), torch.full((3, 4), 99.0), torch.full((1, 4), 0.5)])
def test_any_number_of_proposals_trains_every_parameter(cloud):
    model = segmentor(training=True)
    loss = sum(model(*batch([cloud, points(7)]), mode='loss').values())
    loss.backward()
    assert torch.isfinite(loss)
    assert [name for name, p in model.named_parameters() if p.grad is None] == []
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


@pytest.mark.parametrize('fill', [255, 0, 2])
def test_degenerate_labels_and_one_sample(fill):
    model = segmentor(training=True)
    labels = torch.full(rig.GRID['shape'], fill).byte()
    loss = sum(model(*batch([points()], labels=labels), mode='loss').values())
    loss.backward()
    assert torch.isfinite(loss) and all(torch.isfinite(p.grad).all() for p in model.parameters())


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_half_precision_is_finite_and_close(dtype):
    model = segmentor()
    inputs, samples = batch([points(), points()])
    exact = sum(model(inputs, samples, mode='loss').values())
    with torch.autocast('cpu', dtype=dtype):
        rounded = sum(model(inputs, samples, mode='loss').values())
    rounded.backward()
    assert rounded.item() == pytest.approx(exact.item(), rel=0.05)
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


@torch.no_grad()
def test_repeated_frames_without_motion_are_one_frame():
    """The embeddings of the frames apart, which start as zero."""
    one, five = segmentor('voxformer-s-tiny'), segmentor()
    state = one.state_dict()
    key = 'view_transformer.encoder.view_embeddings'
    state[key] = state[key].expand(len(NAMES), -1)
    five.load_state_dict(state)
    inputs, _ = batch([points(60), points(5)])
    repeated = dict(inputs, imgs=dict.fromkeys(NAMES, inputs['imgs']['equi']))
    expected = one(inputs, [rig.sample(), rig.sample()], mode='tensor')[1]
    found = five(repeated, [rig.sample(views(*STILL))] * 2, mode='tensor')[1]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    moved = five(repeated, [rig.sample(views(*MOVES))] * 2, mode='tensor')[1]
    assert not torch.allclose(moved, expected, atol=1e-3)


@torch.no_grad()
def test_the_order_of_past_frames_goes_with_their_embeddings():
    model = segmentor()
    inputs, samples = batch([points()])
    expected = model(inputs, samples, mode='tensor')[1]
    swap = dict(zip(NAMES, ('equi', *reversed(NAMES[1:]))))
    images = {name: inputs['imgs'][swap[name]] for name in NAMES}
    cameras = {name: samples[0].cameras[swap[name]] for name in NAMES}

    def swapped() -> torch.Tensor:
        return model(dict(inputs, imgs=images), [rig.sample(cameras)], mode='tensor')[1]

    torch.testing.assert_close(swapped(), expected, atol=1e-5, rtol=1e-4)  # while all embeddings are zero
    torch.nn.init.normal_(model.view_transformer.encoder.view_embeddings)
    assert not torch.allclose(swapped(), model(inputs, samples, mode='tensor')[1], atol=1e-3)


@torch.no_grad()
def test_a_frame_that_sees_nothing_counts_for_nothing():
    """A past frame a kilometre away, its camera blind above 5 degrees below the horizon and looking down a well."""
    model = segmentor()
    inputs, _ = batch([points()])
    blind = View(rig.equi_camera(band_deg=(80, 90)), rig.pose(translation=(0.0, 0.0, -500.0)))
    still = views(*STILL)
    with_blind = dict(still, equi_past1=blind)
    assert not blind.visible(rig.sample().grid).any()
    changed = dict(inputs, imgs=dict(inputs['imgs'], equi_past1=torch.randn_like(inputs['imgs']['equi'])))
    first = model(inputs, [rig.sample(with_blind)], mode='tensor')[1]
    second = model(changed, [rig.sample(with_blind)], mode='tensor')[1]
    torch.testing.assert_close(first, second, atol=1e-5, rtol=1e-4)
    seen = model(changed, [rig.sample(still)], mode='tensor')[1]
    assert not torch.allclose(seen, first, atol=1e-3)


@pytest.mark.parametrize('wrap', [True, False])
@torch.no_grad()
def test_rolling_all_panoramas_with_their_calibrations_changes_nothing(wrap):
    model = segmentor(proposals='all')
    for layer in model.view_transformer.encoder.layers:
        layer.attention.wrap = wrap
    inputs, samples = batch([points()])
    before = model(inputs, samples, mode='tensor')[1]
    turned, rolled = {}, {}
    for name, cells in zip(NAMES, (3, 1, 0, 5, 2)):  # each by cells of its own
        shift, view = 16 * cells, samples[0].cameras[name]
        turn = rotation_about_z(-2 * math.pi * shift / rig.EQUI_SIZE[1])
        turned[name] = View(view.camera, turn @ view.cam_from_ego)
        rolled[name] = inputs['imgs'][name].roll(shift, dims=-1)
    after = model(dict(inputs, imgs=rolled), [rig.sample(turned)], mode='tensor')[1]
    worst = (after - before).abs().max() / before.abs().max()
    assert worst < 1e-4 if wrap else worst > 1e-3, worst


@torch.no_grad()
def test_mixed_motions_in_a_batch_give_what_each_gives_alone():
    model = segmentor()
    cameras = [views(*MOVES), views(*STILL)]
    inputs, samples = batch([points(60), points(5)], cameras)
    both = model(inputs, samples, mode='tensor')[1]
    for number in range(2):
        own = {name: image[number : number + 1] for name, image in inputs['imgs'].items()}
        alone = model(dict(imgs=own, points=inputs['points'][number : number + 1]), samples[number : number + 1])[1]
        torch.testing.assert_close(both[number : number + 1], alone, atol=1e-5, rtol=1e-4)


def test_missing_frames_and_other_sizes_are_named():
    model = segmentor()
    inputs, samples = batch([points()])
    lacking = {name: image for name, image in inputs['imgs'].items() if name != 'equi_past3'}
    with pytest.raises(ValueError, match=r"expected the views \('equi', 'equi_past1'.*got \['equi', 'equi_past1'"):
        model(dict(inputs, imgs=lacking), samples)
    smaller = dict(inputs['imgs'], equi_past2=torch.zeros(1, 3, 32, 64))
    with pytest.raises(ValueError, match='expected views of one size'):
        model(dict(inputs, imgs=smaller), samples)
    with pytest.raises(ValueError, match='expected each view once'):
        build(dict(type='PanoramaEncoder', backbone={}, decoder_channels=(), out_channels=8, further_views=('equi',)))
