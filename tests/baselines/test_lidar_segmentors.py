"""Every LiDAR baseline as a whole OccupancySegmentor from its config: training, prediction, bad input."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config

from projects.OneOcc.oneocc.structures import OccDataSample
from tests.models.small_baseline import build

CONFIGS = Path(__file__).parents[2] / 'configs/tiny'
METHODS = ('lmscnet', 'lmscnet-ss', 'sscnet', 'sscnet-full', 'occrwkv')
GRID = dict(shape=(32, 32, 8), voxel_size=0.4, origin=(-6.4, -6.4, -1.2))
COUNTS = [1000, 10, 10, 100, 100, 100, 100]


def config(method: str) -> dict:
    cfg = Config.fromfile(CONFIGS / f'{method}-tiny_quadsim-mini.py').model
    cfg.grid = GRID
    return cfg


@pytest.fixture(scope='module', params=METHODS)
def model(request):
    torch.manual_seed(0)
    model = build(config(request.param))
    model.init_weights()
    model.decode_head.set_class_counts(COUNTS)
    return model


def batch(points: list[torch.Tensor], labels: torch.Tensor) -> dict:
    """What the pipeline hands to the model, B = len(points)."""
    samples = []
    for _ in points:
        samples.append(OccDataSample())
        samples[-1].gt_occ = labels.to(torch.uint8)
    return dict(inputs=dict(points=points), data_samples=samples)


def scene() -> tuple[torch.Tensor, torch.Tensor]:
    """A floor with a wall of boxes: points on it and its labels."""
    labels = torch.zeros(GRID['shape'], dtype=torch.uint8)
    labels[:, :, 2] = 3
    labels[4:8, ::3, 3:6] = torch.randint(1, 7, (4, 11, 3), dtype=torch.uint8)
    labels[:, -2:] = 255
    centres = torch.from_numpy(np.argwhere(labels.numpy() % 255 > 0)) * 0.4 + torch.tensor(GRID['origin']) + 0.2
    points = centres.float()[torch.rand(len(centres)) < 0.7]
    return torch.nn.functional.pad(points, (0, 1), value=0.5), labels


def train_step(model, points, labels) -> dict[str, torch.Tensor]:
    model.train()
    model.zero_grad()
    data = model.data_preprocessor(batch(points, labels), training=True)
    losses = model(**data, mode='loss')
    sum(losses.values()).backward()
    return losses


def predict(model, points) -> list[torch.Tensor]:
    model.eval()
    with torch.no_grad():
        data = model.data_preprocessor(batch(points, torch.zeros(GRID['shape'])), training=False)
        return [sample.pred_occ for sample in model(**data, mode='predict')]


def test_every_parameter_gets_a_gradient(model):
    points, labels = scene()
    losses = train_step(model, [points, points[::2]], labels)
    assert all(torch.isfinite(loss) and loss > 0 for loss in losses.values())
    assert [name for name, p in model.named_parameters() if p.grad is None] == []
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())
    # a branch that is wired but dead would have gradients of exact zero
    dead = {name for name, p in model.named_parameters() if not p.grad.any()}
    assert len(dead) <= 0.1 * len(list(model.parameters())), dead


def test_prediction_is_a_label_grid_and_the_argmax(model):
    points, _ = scene()
    predictions = predict(model, [points, points[::2]])
    assert len(predictions) == 2
    for labels in predictions:
        assert labels.shape == GRID['shape'] and labels.dtype == torch.uint8 and int(labels.max()) <= 6
    with torch.no_grad():
        logits = model(dict(points=[points]), mode='tensor')[1]
    assert torch.equal(logits[0].argmax(0).to(torch.uint8), predict(model, [points])[0])


EMPTY, OUTSIDE = torch.empty(0, 4), torch.full((5, 4), 100.0)
ONE_VOXEL, NOT_FINITE = torch.tensor([[0.1, 0.1, 0.1, 0.5]]), torch.full((3, 4), float('nan'))


@pytest.mark.parametrize(
    'points, fill',
    [
        pytest.param(EMPTY, None, id='empty scan'),
        pytest.param(OUTSIDE, None, id='wholly outside'),
        pytest.param(ONE_VOXEL, None, id='one occupied voxel'),
        pytest.param(NOT_FINITE, None, id='not finite'),
        pytest.param(None, 0, id='all empty'),
        pytest.param(None, 4, id='one class'),
        pytest.param(None, 255, id='all unknown'),
        pytest.param(EMPTY, 255, id='empty scan, all unknown'),
    ],
)
def test_degenerate_scans_and_labels_have_a_defined_result(model, points, fill):
    points = scene()[0] if points is None else points
    labels = scene()[1] if fill is None else torch.full(GRID['shape'], fill)
    losses = train_step(model, [points, points], labels)
    assert all(torch.isfinite(loss) for loss in losses.values())
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    # the norms may have met one voxel or none: the running statistics must have survived that
    assert all(torch.isfinite(value).all() for value in model.state_dict().values())
    assert predict(model, [points])[0].shape == GRID['shape']


def test_scans_that_fill_the_same_voxels_are_the_same_to_the_occupancy_networks(model):
    if type(model.neck).__name__ == 'OccRWKV':
        pytest.skip('OccRWKV reads the points, not the occupancy alone')
    points, _ = scene()
    twice = torch.cat([points, points + torch.tensor([0.05, -0.05, 0.05, 0.3]), torch.full((7, 4), -50.0)])
    assert torch.equal(predict(model, [points])[0], predict(model, [twice])[0])


def test_a_batch_mixes_an_empty_scan_with_a_full_one(model):
    points, _ = scene()
    alone = predict(model, [points])[0]
    together = predict(model, [torch.empty(0, 4), points])
    assert (together[1] == alone).float().mean() > 0.999


@pytest.mark.parametrize(
    'method, height, message',
    [('lmscnet', 10, 'multiple of 8, got 10'), ('lmscnet-ss', 4, 'multiple of 8, got 4')],
)
def test_wrong_heights_end_at_construction(method, height, message):
    cfg = config(method)
    cfg.neck.height = height
    with pytest.raises(ValueError, match=message):
        build(cfg)


@pytest.mark.parametrize(
    'method, shape, message',
    [
        ('lmscnet', (32, 32, 16), r'height 8 .* got \(32, 32, 16\)'),
        ('lmscnet', (36, 32, 8), r'multiples of 8.* got \(36'),
        ('sscnet', (32, 32, 6), r'multiples of 4, got \(32, 32, 6\)'),
        ('sscnet-full', (30, 32, 8), r'multiples of 4, got \(30, 32, 8\)'),
        ('occrwkv', (32, 32, 6), 'multiple'),
        ('occrwkv', (36, 32, 8), 'multiple'),
    ],
)
def test_grids_of_a_wrong_shape_are_named(method, shape, message):
    cfg = config(method)
    cfg.grid = dict(GRID, shape=shape)
    if method == 'lmscnet':
        cfg.neck.height = 8
    with pytest.raises(ValueError, match=message):
        build(cfg)(dict(points=[scene()[0]]), mode='tensor')


def test_a_model_of_points_names_the_missing_step(model):
    with pytest.raises(ValueError, match='LoadLiDARPoints'):
        model(dict(imgs={}), mode='tensor')
