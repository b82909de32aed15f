"""The whole OneOcc model: loss, prediction, identity of GDC, hard batches, precision, compilation."""

import pytest
import torch

from tests.models import tiny_oneocc as tiny
from tests.models import two_view_rig as rig

ROWS = dict(
    q1=dict(raw=None, grids=('cartesian',)),
    q2=dict(grids=('cartesian',)),
    q3=dict(injection='volume', amoe=False),
    q4=dict(),
    rotation=dict(gait='rotation'),
    without_gdc=dict(gait=None),
    without_ring=dict(ring=False),
    without_amoe=dict(amoe=False),
)


def total(losses) -> torch.Tensor:
    return sum(value for name, value in losses.items() if 'loss' in name)


@pytest.mark.parametrize('row', list(ROWS))
def test_every_row_trains_all_its_parameters_and_predicts(device, row):
    model = tiny.build(device, **ROWS[row])
    inputs, samples = tiny.batch(2, device)
    loss = total(model(inputs, samples, mode='loss'))
    loss.backward()
    assert torch.isfinite(loss)
    unused = [n for n, p in model.named_parameters() if p.grad is None]
    assert not unused
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())
    model.eval()
    with torch.no_grad():
        predicted = model(inputs, samples, mode='predict')
    for sample in predicted:
        assert sample.pred_occ.shape == (16, 16, 4) and sample.pred_occ.dtype == torch.uint8
        assert sample.pred_occ.max() <= tiny.NUM_CLASSES


@pytest.mark.parametrize('mode', ['shift', 'rotation'])
def test_gait_compensation_is_identity_after_init_weights_bit_for_bit(device, mode):
    plain, compensated = tiny.build(device, gait=None), tiny.build(device, gait=mode)
    compensated.load_state_dict(plain.state_dict(), strict=False)
    inputs, samples = tiny.batch(2, device)
    plain.eval(), compensated.eval()
    with torch.no_grad():
        want, got = plain(inputs, samples), compensated(inputs, samples)
    for stride in want:
        assert torch.equal(want[stride], got[stride])


def test_a_batch_is_the_sum_of_its_samples_with_mixed_calibrations(device):
    model = tiny.build(device).eval()
    cams = [
        rig.cameras(),
        rig.cameras(equi=rig.equi_camera(band_deg=(-60, 40))),
        rig.cameras(raw=rig.raw_camera(center=(0.48, 0.52))),
        rig.cameras(raw_pose=rig.pose(rig.DOWN, (0.0, 0.1, 0.1))),
    ]
    inputs, samples = tiny.batch(4, device, [rig.sample(c, device=device) for c in cams])
    with torch.no_grad():
        together = model(inputs, samples)[1]
        for i, sample in enumerate(samples):
            alone = model(dict(imgs={v: x[i : i + 1] for v, x in inputs['imgs'].items()}), [sample])
            torch.testing.assert_close(together[i], alone[1][0], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize('value', [255, 0, 2], ids=['all unknown', 'all empty', 'one class'])
def test_poor_labels_give_finite_losses(device, value):
    model = tiny.build(device)
    labels = torch.full(rig.GRID['shape'], value, dtype=torch.uint8)
    inputs, samples = tiny.batch(1, device, [rig.sample(labels=labels, device=device)])
    loss = total(model(inputs, samples, mode='loss'))
    loss.backward()
    assert torch.isfinite(loss)
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


def test_a_band_that_sees_nothing_of_the_grid(device):
    model = tiny.build(device, raw=None)
    cams = rig.cameras(equi=rig.equi_camera(band_deg=(88, 90)))
    inputs, samples = tiny.batch(1, device, [rig.sample(cams, device=device)])
    loss = total(model(inputs, samples, mode='loss'))
    loss.backward()
    assert torch.isfinite(loss)


def test_bfloat16_autocast(device):
    model = tiny.build(device)
    inputs, samples = tiny.batch(1, device)
    with torch.autocast(device.type, dtype=torch.bfloat16):
        loss = total(model(inputs, samples, mode='loss'))
    loss.backward()
    assert torch.isfinite(loss) and loss.dtype == torch.float32
    reference = total(model(inputs, samples, mode='loss'))
    torch.testing.assert_close(loss, reference, atol=0.05 * reference.item(), rtol=0)


def test_state_dict_moves_to_another_calibration_and_image_size(device):
    """No table and no calibration in it; loading is strict."""
    model = tiny.build(device)
    inputs, samples = tiny.batch(1, device)
    model(inputs, samples)
    state = model.state_dict()
    buffers = {n for n, _ in model.named_buffers()} & set(state)
    assert all('running_' in n or 'num_batches' in n for n in buffers)
    tiny.build(device).load_state_dict(state, strict=True)


def test_turning_the_panorama_turns_the_prediction(device):
    """A quarter of the panorama is a quarter turn of the logits, up to the head (batch statistics
    at rest, annulus off, since an image cannot be rolled into a turned annulus)."""
    model = tiny.build(device, raw=None)
    inputs, samples = tiny.batch(1, device)
    model.train()
    with torch.no_grad():
        for _ in range(2):
            model(inputs, samples)
        model.eval()
        rolled = dict(imgs=dict(equi=inputs['imgs']['equi'].roll(32, -1)))
        sizes = dict(equi=rig.EQUI_SIZE)
        base = model.view_transformer(model.backbone(inputs['imgs']), samples, sizes)
        turned = model.view_transformer(model.backbone(rolled['imgs']), samples, sizes)
    torch.testing.assert_close(turned.cylindrical, base.cylindrical.roll(8, -2), atol=1e-3, rtol=1e-3)


def test_overfits_one_sample(device):
    """What is lifted reaches the labels: a labelled half space is learned in a few steps."""
    model = tiny.build(device)
    labels = torch.zeros(rig.GRID['shape'], dtype=torch.uint8)
    labels[:8] = 2
    inputs, samples = tiny.batch(1, device, [rig.sample(labels=labels, device=device)])
    optimizer = torch.optim.AdamW(model.parameters(), 5e-3)
    losses = []
    for _ in range(12):
        optimizer.zero_grad()
        losses.append(total(model(inputs, samples, mode='loss')))
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < 0.75 * losses[0]


@pytest.mark.slow
@pytest.mark.parametrize('backend', ['aot_eager', 'inductor'])
def test_compiled_model_equals_eager(device, backend):
    """Traced whole but for the cameras; inductor compiles every 2D layer, minutes on a CPU."""
    model = tiny.build(device).eval()
    inputs, samples = tiny.batch(1, device)
    with torch.no_grad():
        want = model(inputs, samples)[1]
        torch.testing.assert_close(
            torch.compile(model, backend=backend)(inputs, samples)[1], want, atol=1e-3, rtol=1e-3
        )


def test_ranges_are_taught_by_points_and_predicted_without(device):
    model = tiny.build(device, ranges=dict(bins=(0.5, 12.0, 8)))
    inputs, samples = tiny.batch(2, device)
    points = [torch.tensor([[3.0, 1.0, 0.2, 0.0]], device=device)] * 2
    losses = model.train()({**inputs, 'points': points}, samples, mode='loss')
    assert losses['loss_range'] > 0 and losses['loss_range'].requires_grad
    assert model.eval()(inputs, samples, mode='predict')[1].pred_occ.shape == rig.GRID['shape']
    with pytest.raises(ValueError, match="needs the inputs .*'points'.* LoadLiDARPoints"):
        model.train()(inputs, samples, mode='loss')
