"""CUDA graphs of the tiny OneOcc: the same labels as predict, for images the graph has not seen."""

import pytest
import torch

from projects.OneOcc.oneocc.engine import GraphedPredictor
from projects.OneOcc.oneocc.engine.graphed_predictor import frozen
from tests.models import tiny_oneocc as tiny


@pytest.fixture
def cuda(device) -> torch.device:
    if device.type != 'cuda':
        pytest.skip('CUDA graphs need a CUDA device: run with --device cuda')
    return device


@pytest.mark.cuda
@pytest.mark.parametrize('dtype', [None, torch.float16, torch.bfloat16], ids=str)
def test_a_graph_predicts_what_the_model_predicts(cuda, dtype):
    model = tiny.build(cuda).eval()
    inputs, samples = tiny.batch(2, cuda)
    predictor = GraphedPredictor(model, inputs['imgs'], samples, dtype)
    assert [stage for stage, _ in predictor.graphs] == ['encoders', 'lifting', 'neck', 'head']
    for seed in (1, 2):
        torch.manual_seed(seed)
        fresh, _ = tiny.batch(2, cuda)
        labels = predictor(fresh['imgs'])
        with torch.no_grad(), torch.autocast('cuda', dtype or torch.float16, enabled=dtype is not None):
            want = torch.stack([s.pred_occ for s in model(fresh, samples, mode='predict')])
        assert labels.shape == want.shape and labels.dtype == torch.uint8
        # ties of the argmax may fall either way: libraries choose other kernels while a graph is captured
        assert (labels == want).float().mean() > (0.999 if dtype is None else 0.97)


@pytest.mark.cuda
def test_other_shapes_are_refused(cuda):
    model = tiny.build(cuda).eval()
    inputs, samples = tiny.batch(1, cuda)
    predictor = GraphedPredictor(model, inputs['imgs'], samples)
    with pytest.raises(ValueError, match="'equi' of .* got None"):
        predictor({view: image for view, image in inputs['imgs'].items() if view != 'equi'})
    with pytest.raises(ValueError, match='was captured with'):
        predictor({view: image[..., :-16] for view, image in inputs['imgs'].items()})


def test_a_frozen_copy_gives_the_same_logits_and_leaves_the_model_alone(device):
    model = tiny.build(device)
    inputs, samples = tiny.batch(2, device)
    with torch.no_grad():
        model(inputs, samples)  # norms have statistics now
        names = list(model.state_dict())
        got = frozen(model)(inputs, samples)
        want = model.eval()(inputs, samples)
    for stride in want:
        torch.testing.assert_close(got[stride], want[stride], atol=1e-4, rtol=1e-4)
    assert list(model.state_dict()) == names and all(p.requires_grad for p in model.parameters())


def test_a_frozen_copy_keeps_the_encoders_in_half_precision(device):
    model = tiny.build(device).eval()
    inputs, samples = tiny.batch(1, device)
    copied = frozen(model, torch.bfloat16)
    with torch.no_grad(), torch.autocast(device.type, torch.bfloat16):
        got, want = copied(inputs, samples), model(inputs, samples)
    for stride in want:
        torch.testing.assert_close(got[stride].float(), want[stride].float(), atol=0.1, rtol=0.1)
    assert copied.backbone.encoders['equi'].heads['1'][1].weight.dtype == torch.bfloat16
    assert model.backbone.encoders['equi'].heads['1'][1].weight.dtype == torch.float32


def test_images_on_a_cpu_are_refused():
    model = tiny.build(torch.device('cpu'))
    inputs, samples = tiny.batch(1, torch.device('cpu'))
    with pytest.raises(ValueError, match=r"need images on a CUDA device, got \['cpu'\]"):
        GraphedPredictor(model, inputs['imgs'], samples)


def test_voxels_that_move_are_refused():
    model = tiny.build(torch.device('cpu'), gait='rotation')
    inputs, samples = tiny.batch(1, torch.device('cpu'))
    with pytest.raises(ValueError, match="got mode='rotation'"):
        GraphedPredictor(model, inputs['imgs'], samples)


def test_models_of_points_are_refused():
    with pytest.raises(ValueError, match='a model of images'):
        GraphedPredictor(torch.nn.Linear(1, 1), {}, [])
