"""OccDataPreprocessor: normalises and stacks, refuses what would need padding."""

import pytest
import torch
from mmengine.dataset import pseudo_collate

from projects.OneOcc.oneocc.models.data_preprocessor import OccDataPreprocessor
from projects.OneOcc.oneocc.structures import OccDataSample


def make_sample(height=8, width=16, views=('raw', 'equi'), points=5):
    sample = OccDataSample()
    sample.gt_occ = torch.zeros(2, 2, 2, dtype=torch.uint8)
    imgs = {view: torch.randint(0, 256, (3, height, width), dtype=torch.uint8) for view in views}
    return {'inputs': {'imgs': imgs, 'points': torch.rand(points, 4)}, 'data_samples': sample}


def test_normalises_and_stacks_what_pseudo_collate_leaves(device):
    samples = [make_sample(points=5), make_sample(points=7)]
    preprocessor = OccDataPreprocessor(mean=(10, 20, 30), std=(2, 4, 8), size_divisor=8).to(device)
    out = preprocessor(pseudo_collate(samples), training=True)
    image = out['inputs']['imgs']['equi']
    assert image.shape == (2, 3, 8, 16)
    assert image.dtype == torch.float32 and image.device.type == device.type
    expected = (samples[1]['inputs']['imgs']['equi'][2].float() - 30) / 8
    torch.testing.assert_close(image[1, 2].cpu(), expected)
    assert [len(points) for points in out['inputs']['points']] == [5, 7]
    assert [type(sample) for sample in out['data_samples']] == [OccDataSample] * 2


def test_stays_float32_under_autocast(device):
    with torch.autocast(device.type, dtype=torch.bfloat16):
        out = OccDataPreprocessor().to(device)(pseudo_collate([make_sample()]))
    assert out['inputs']['imgs']['raw'].dtype == torch.float32


def test_works_without_samples_and_without_images():
    preprocessor = OccDataPreprocessor()
    out = preprocessor({'inputs': {'points': [torch.rand(3, 4)]}})
    assert out['data_samples'] is None and 'imgs' not in out['inputs']
    stacked = preprocessor({'inputs': {'imgs': {'equi': torch.zeros(2, 3, 4, 4)}}})
    assert stacked['inputs']['imgs']['equi'].shape == (2, 3, 4, 4)


def test_keeps_the_batch_it_was_given():
    data = pseudo_collate([make_sample()])
    OccDataPreprocessor()(data)
    assert data['inputs']['imgs']['raw'][0].dtype == torch.uint8


def test_has_no_state():
    assert not OccDataPreprocessor().state_dict()


@pytest.mark.parametrize('height, width', [(8, 18), (9, 16)])
def test_refuses_a_size_that_would_need_padding(height, width):
    with pytest.raises(ValueError, match=f'divisible by 8.*{height}x{width}.*never padded'):
        OccDataPreprocessor(size_divisor=8)(pseudo_collate([make_sample(height, width)]))


def test_refuses_mixed_sizes():
    batch = pseudo_collate([make_sample(8, 16), make_sample(8, 32)])
    with pytest.raises(ValueError, match=r'one size.*\(3, 8, 16\).*\(3, 8, 32\)'):
        OccDataPreprocessor()(batch)


def test_refuses_what_is_no_colour_image():
    with pytest.raises(ValueError, match=r'\(3, H, W\).*\(1, 8, 8\)'):
        OccDataPreprocessor()({'inputs': {'imgs': {'raw': [torch.zeros(1, 8, 8)]}}})


@pytest.mark.parametrize(
    'kwargs, words',
    [
        (dict(mean=(1, 2)), '3 values'),
        (dict(std=(1, 0, 1)), 'positive'),
        (dict(size_divisor=0), 'at least 1'),
    ],
)
def test_refuses_bad_settings(kwargs, words):
    with pytest.raises(ValueError, match=words):
        OccDataPreprocessor(**kwargs)
