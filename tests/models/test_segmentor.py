"""The whole baseline: what goes in, what comes out, and what must never happen on the way."""

from __future__ import annotations

import math

import pytest
import torch

from projects.OneOcc.core.geometry import View
from tests.models import two_view_rig as rig
from tests.models.small_baseline import NUM_CLASSES, baseline, baseline_config, batch, build

SHAPE = rig.GRID['shape']
FINITE_LABELS = {
    'all unknown': torch.full(SHAPE, 255),
    'all empty': torch.zeros(SHAPE),
    'one class': torch.full(SHAPE, 2),
    'one voxel known': torch.full(SHAPE, 255).index_fill(0, torch.tensor([3]), 1),
}


def total(losses: dict) -> torch.Tensor:
    return sum(value for name, value in losses.items() if 'loss' in name)


@pytest.mark.parametrize('size', [1, 4])
def test_three_modes(device, size):
    model = baseline(device)
    inputs, samples = batch(size, device)
    losses = model(inputs, samples, mode='loss')
    assert all(name.startswith('loss_') and value.shape == () for name, value in losses.items())
    assert torch.isfinite(total(losses))
    model.eval()
    with torch.no_grad():
        logits = model(inputs, samples, mode='tensor')
        predicted = model(inputs, samples, mode='predict')
    for stride, volume in logits.items():
        assert volume.shape == (size, NUM_CLASSES + 1, *(n // stride for n in SHAPE))
    assert len(predicted) == size
    for sample, expected in zip(predicted, logits[1].argmax(dim=1)):
        assert sample.pred_occ.dtype == torch.uint8
        assert sample.pred_occ.shape == SHAPE
        assert torch.equal(sample.pred_occ.long(), expected)


def test_every_parameter_gets_a_gradient(device):
    model = baseline(device)
    total(model(*batch(2, device), mode='loss')).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize('name', FINITE_LABELS)
@pytest.mark.parametrize('supervise', ['visible', 'known'])
def test_degenerate_labels_give_finite_gradients(device, name, supervise):
    model = baseline(device, supervise=supervise, class_counts=(900, 50, 3, 0))
    labels = FINITE_LABELS[name].to(torch.uint8)
    inputs, _ = batch(2, device)
    samples = [rig.sample(labels=labels, device=device) for _ in range(2)]
    loss = total(model(inputs, samples, mode='loss'))
    loss.backward()
    assert torch.isfinite(loss)
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())
    if name == 'all unknown':
        assert loss == 0


def test_samples_keep_their_own_calibration(device):
    """A batch of two calibrations gives what each gives alone; norms are frozen for that."""
    model = baseline(device).eval()
    inputs, _ = batch(2, device)
    band = rig.cameras(equi=rig.equi_camera(band_deg=(-40, 30)))
    shifted = rig.cameras(equi_pose=rig.pose(translation=(0.5, -0.3, 0.2)))
    samples = [rig.sample(cams, device=device) for cams in (band, shifted)]
    with torch.no_grad():
        both = model(inputs, samples, mode='tensor')[1]
        alone = [
            model(dict(imgs=dict(equi=inputs['imgs']['equi'][i : i + 1])), samples[i : i + 1], mode='tensor')[1]
            for i in range(2)
        ]
        swapped = model(inputs, samples[::-1], mode='tensor')[1]
    torch.testing.assert_close(both, torch.cat(alone), atol=1e-5, rtol=1e-4)
    assert not torch.allclose(both, swapped, atol=1e-3)


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_autocast(device, dtype):
    if dtype == torch.float16 and device.type == 'cpu':
        pytest.skip('float16 autocast is a CUDA affair')
    model = baseline(device)
    inputs, samples = batch(2, device)
    with torch.autocast(device.type, dtype=dtype):
        losses = model(inputs, samples, mode='loss')
    assert all(value.dtype == torch.float32 for value in losses.values())
    total(losses).backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())
    reference = total(model(inputs, samples, mode='loss'))
    assert total(losses).item() == pytest.approx(reference.item(), rel=0.05)


def test_prediction_is_deterministic(device):
    model = baseline(device).eval()
    inputs, samples = batch(2, device)
    with torch.no_grad():
        first = [s.pred_occ.clone() for s in model(inputs, samples, mode='predict')]
        second = [s.pred_occ for s in model(inputs, samples, mode='predict')]
    assert all(torch.equal(a, b) for a, b in zip(first, second))


def test_state_dict_knows_no_calibration(device):
    model = baseline(device, class_counts=(900, 50, 3, 1))
    before = {name: value.shape for name, value in model.state_dict().items()}
    model(*batch(1, device), mode='loss')
    assert {name: value.shape for name, value in model.state_dict().items()} == before
    learned = {name for name, _ in model.named_parameters()}
    norms = ('running_mean', 'running_var', 'num_batches_tracked')
    assert [name for name in before if name not in learned and not name.endswith(norms)] == []


def test_rolled_panorama_turns_the_world(device):
    """A quarter turn of the image is a quarter turn of the grid: the ring has no seam in 2D."""
    model = baseline(device).eval()
    inputs, samples = batch(1, device)
    quarter = rig.EQUI_SIZE[1] // 4
    with torch.no_grad():
        lifted = model.lift(inputs, samples).cartesian
        rolled = dict(imgs=dict(equi=inputs['imgs']['equi'].roll(quarter, dims=-1)))
        turned = model.lift(rolled, samples).cartesian
    # image content moves to the right, so the world turns clockwise seen from above: x -> -y
    expected = lifted.rot90(-1, dims=(2, 3))
    # voxels on a diagonal or an axis may fall on either of two neighbouring pixels
    close = (turned - expected).abs().amax(dim=1) < 1e-4 * lifted.abs().max()
    assert close.float().mean() > 0.97


def test_training_lowers_the_loss(device):
    model = baseline(device, supervise='known')
    inputs, samples = batch(1, device)
    samples[0].gt_occ = (torch.arange(SHAPE[0])[:, None, None] // 4).expand(SHAPE).to(device, torch.uint8)
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    values = []
    for _ in range(40):
        loss = total(model(inputs, samples, mode='loss'))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        values.append(loss.item())
    assert values[-1] < 0.5 * values[0]


def test_wrong_slots_are_refused():
    config = baseline_config()
    with pytest.raises(ValueError, match='either backbone and view_transformer'):
        build(config, view_transformer=None)
    with pytest.raises(ValueError, match='voxel_encoder=True'):
        build(config, voxel_encoder=dict(type='UNet3D', channels=8))
    with pytest.raises(TypeError, match='neck: expected a config'):
        build(config, neck='UNet3D')


def test_wrong_inputs_are_named():
    model = baseline()
    inputs, samples = batch(1)
    with pytest.raises(ValueError, match="'loss', 'predict' or 'tensor'"):
        model(inputs, samples, mode='train')
    with pytest.raises(ValueError, match=r"view 'equi', got \['raw'\]"):
        model(dict(imgs=dict(raw=inputs['imgs']['equi'])), samples)
    with pytest.raises(ValueError, match=r"backbone PanoramaEncoder needs.*no \['imgs'\].*LoadPanorama"):
        model(dict(points=[]), samples)
    with pytest.raises(ValueError, match='data_samples'):
        model(inputs, None)
    with pytest.raises(ValueError, match="mode='predict' needs data_samples"):
        model(inputs, [], mode='predict')
    with pytest.raises(ValueError, match='multiples of 32'):
        model(dict(imgs=dict(equi=torch.zeros(1, 3, 64, 120))), samples)
    with pytest.raises(ValueError, match='seq00/000000.*expected an image of 64x32 .*got 128x64'):
        small = rig.cameras(equi=rig.equi_camera(size=(32, 64)))
        model(inputs, [rig.sample(small)])
    with pytest.raises(ValueError, match=r"\['raw'\], but the model needs the view 'equi'"):
        model(inputs, [rig.sample(dict(raw=rig.cameras()['raw']))])


@pytest.mark.slow
def test_full_size(device):
    """EfficientNet-B7 at 608 x 1216 on 64 x 64 x 8 voxels: forward, backward, predict."""
    grid = dict(shape=(64, 64, 8), voxel_size=0.4, origin=(-12.8, -12.8, -1.2))
    config = baseline_config(num_classes=6, in_channels=(64,), strides=(1,), head='aspp', frustum=dict(view='equi'))
    config.update(
        view_transformer=dict(type='FLoSP', grid=grid),
        neck=dict(type='UNet3D', channels=64),
        backbone=dict(
            type='PanoramaEncoder',
            out_channels=64,
            bottleneck_channels=(2560, 2560),
            ring=True,
            decoder_channels=(1280, 640, 320, 160, 80),
            backbone=dict(type='mmdet.EfficientNet', arch='b7', out_indices=(1, 2, 3, 4, 5)),
        ),
    )
    model = build(config).to(device)
    camera = dict(equi=View(rig.equi_camera((608, 1216)), rig.pose()))
    labels = torch.randint(0, 7, grid['shape'], dtype=torch.uint8)
    sample = rig.sample(camera, labels=torch.zeros(rig.GRID['shape'], dtype=torch.uint8), device=device)
    sample.gt_occ = labels.to(device)
    inputs = dict(imgs=dict(equi=torch.randn(1, 3, 608, 1216, device=device)))
    parameters = sum(p.numel() for p in model.parameters())
    assert math.isclose(parameters, 134.7e6, rel_tol=0.01)
    with torch.no_grad():
        model.eval()
        assert model(inputs, [sample], mode='predict')[0].pred_occ.shape == grid['shape']
