"""The inferencer: the same answer as the test pipeline, whatever it is given, and files that others can read."""

import json

import numpy as np
import pytest
import torch
from mmdet3d.registry import DATASETS
from PIL import Image
from plyfile import PlyData

from projects.OneOcc.core.formats.occupancy import load_occupancy
from projects.OneOcc.core.geometry import EquirectCamera, View
from projects.OneOcc.oneocc.apis import OccInferencer, ResultWriter, inference_model, init_model, list_models
from projects.OneOcc.oneocc.apis.frames import Frame
from projects.OneOcc.oneocc.apis.mounts import mount
from projects.OneOcc.oneocc.engine import CheckpointError
from projects.OneOcc.oneocc.engine.usage_error import UsageError
from tests.scripts import load_script


@pytest.fixture(scope='session')
def result(inferencer, photo):
    return inferencer(photo, height_m=1.0)[0]


def dataset_of(card, root, monkeypatch):
    monkeypatch.setenv('ONEOCC_DATA', str(root / 'data'))
    settings = card.config.test_dataloader.dataset.copy()
    settings.data_root = str(root / 'data/quadsim-mini')
    return DATASETS.build(settings)


def test_a_frame_of_the_set_is_answered_as_the_test_answers_it(inferencer, card, published_root, monkeypatch):
    """The slow twin: the data set's own pipeline and the model's own predict."""
    dataset = dataset_of(card, published_root, monkeypatch)
    for index in range(len(dataset)):
        packed, info = dataset[index], dataset.get_data_info(index)
        batch = dict(inputs={'imgs': {v: [i] for v, i in packed['inputs']['imgs'].items()}})
        batch['data_samples'] = [packed['data_samples']]
        data = inferencer.model.data_preprocessor(batch)
        with torch.no_grad():
            expected = inferencer.model.predict(data['inputs'], data['data_samples'])[0].pred_occ.numpy()
        image = np.array(Image.open(info['img_paths']['raw']).convert('RGB'))
        frame = Frame('a', image, info['cameras']['raw'])
        for view, tensor in inferencer.input_maker(frame).inputs['imgs'].items():
            assert torch.equal(tensor, packed['inputs']['imgs'][view])
        (found,) = inferencer._batch([frame])
        np.testing.assert_array_equal(found.labels, expected)
        assert not found.mismatches


def test_a_result_says_what_is_known(result, inferencer):
    assert result.labels.shape == result.probability.shape == result.unknown.shape == (16, 16, 4)
    assert result.labels.dtype == np.uint8 and result.labels.max() <= 6
    assert result.probability.dtype == np.float32 and 1 / 7 <= result.probability.min() <= result.probability.max() <= 1
    assert (result.known == 255).sum() == result.unknown.sum() > 0
    assert result.model == 'small' and result.classes == inferencer.classes
    assert any('learned from' in text for text in result.mismatches)
    assert any('1.00 m above the ground' in text for text in result.mismatches)
    json.dumps(result.summary())


def test_batches_change_nothing(inferencer, photo):
    images = [np.roll(photo, step, axis=1) for step in range(3)]
    single = inferencer(images)
    for many in (inferencer(images, batch_size=2), inferencer(images, batch_size=8)):
        assert [r.id for r in many] == [r.id for r in single]
        for a, b in zip(many, single):
            assert (a.labels == b.labels).mean() > 0.999
            np.testing.assert_allclose(a.probability, b.probability, atol=1e-4)


def test_heading_turns_the_world(inferencer, photo):
    """A photo whose middle looks to the right, and is said to, is the same photo."""
    plain = inferencer(photo, height_m=0.6)[0]
    turned = inferencer(np.roll(photo, 32, axis=1), height_m=0.6, heading_deg=90)[0]
    (a, _), (b, _) = plain.inputs['raw'], turned.inputs['raw']
    assert np.abs(a.astype(int) - b).max() <= 2


def test_a_band_leaves_black_what_it_does_not_see(inferencer, photo):
    found = inferencer(photo[24:40], elevations_deg=(-22.5, 22.5))[0]
    assert any('of what it looks at is black' in text for text in found.mismatches)
    assert found.unknown.sum() > 0


def test_people_of_mmdet3d_find_what_they_know(card, photo):
    model = init_model(card.config, str(card.folder / 'model.safetensors'))
    single, several = inference_model(model, photo), inference_model(model, [photo, photo])
    assert single.labels.shape == (16, 16, 4) and len(several) == 2
    assert list_models() == OccInferencer.list_models()


def test_names_lead_to_models(card, published_root, tmp_path, monkeypatch):
    monkeypatch.setenv('ONEOCC_DATA', str(published_root / 'data'))
    run = tmp_path / 'run'
    run.mkdir()
    (run / 'quad.py').write_text((card.folder / 'config.py').read_text())
    with pytest.raises(UsageError, match='run: expected a checkpoint of the training, got none'):
        OccInferencer(run)
    (run / 'best_miou_epoch_1.pth').write_bytes((published_root / 'quad.pth').read_bytes())
    assert OccInferencer(run).source.weights.name == 'best_miou_epoch_1.pth'
    with pytest.raises(UsageError, match='a config has no weights of its own'):
        OccInferencer(run / 'quad.py')
    with pytest.raises(UsageError, match='nowhere: expected a shipped model'):
        OccInferencer('nowhere')
    with pytest.raises(UsageError, match='none.pth: expected a checkpoint'):
        OccInferencer(run / 'quad.py', tmp_path / 'none.pth')
    state = torch.load(published_root / 'quad.pth', weights_only=True)
    state['state_dict'].pop(next(iter(state['state_dict'])))
    torch.save(state, tmp_path / 'less.pth')
    with pytest.raises(CheckpointError, match='less.pth: .*1 missing'):
        OccInferencer(run / 'quad.py', tmp_path / 'less.pth')


def test_shipped_models_are_listed_and_found(card):
    from projects.OneOcc.oneocc.apis.model_sources import find_model

    zoo = card.folder.parent
    assert list_models(zoo) == ['small'] and find_model('small', zoo=zoo).card is not None
    assert list_models(zoo / 'none') == []


@pytest.mark.parametrize(
    'wrong, words',
    [
        (dict(device='tpu-7'), "device: expected one of torch's"),
        (dict(precision='fp8'), 'precision: expected one of'),
        (dict(precision='fp16', device='cpu'), "expected 'fp32' or 'bf16' on a CPU"),
        (dict(lens='wide'), "lens: expected 'training' or 'own'"),
    ],
)
def test_settings_that_mean_nothing_are_refused(card, wrong, words):
    with pytest.raises(UsageError, match=words):
        OccInferencer(card.folder, **wrong)


def test_half_precision_is_close(card, photo, result):
    half = OccInferencer(card.folder, device='cpu', precision='bf16')(photo, height_m=1.0)[0]
    assert np.abs(half.probability - result.probability).mean() < 0.02


def test_an_own_lens_is_shown_as_it_is(card, photo):
    own = OccInferencer(card.folder, device='cpu', lens='own')
    lens = own.lens.views['raw']
    frame = Frame('a', np.zeros((lens.camera.height, lens.camera.width, 3), np.uint8), lens)
    assert own.input_maker(frame).stored['raw'][0] is frame.image


def test_everything_is_written_and_read_back(result, tmp_path):
    writer = ResultWriter(tmp_path, ('sheet', 'html', 'npz', 'ply', 'pcd', 'label'), 'small', 'gif')
    writer.add(result)
    writer.close()
    names = {path.name for path in tmp_path.iterdir()}
    stems = {f'array{suffix}' for suffix in ('.png', '.html', '.npz', '.ply', '.pcd', '.label', '.invalid')}
    assert names == stems | {'array_panorama.jpg', 'ride.json', 'ride.gif'}
    stored = load_occupancy(tmp_path / 'array.npz', result.grid, result.classes)
    np.testing.assert_array_equal(stored.labels, result.labels)
    with np.load(tmp_path / 'array.npz') as archive:
        np.testing.assert_allclose(archive['probability'], result.probability, atol=1e-3)
        np.testing.assert_array_equal(archive['unknown'], result.unknown)
    vertices = PlyData.read(tmp_path / 'array.ply')['vertex']
    cells = np.argwhere(result.labels > 0)
    centres = np.array(result.grid.origin) + (cells + 0.5) * result.grid.voxel_size
    np.testing.assert_allclose(np.stack([vertices[a] for a in 'xyz'], -1), centres, atol=1e-5)
    np.testing.assert_array_equal(vertices['label'], result.labels[tuple(cells.T)])
    assert Image.open(tmp_path / 'array.png').size[0] == 1536
    assert json.loads((tmp_path / 'ride.json').read_text())['frames'][0]['mismatches'] == list(result.mismatches)


def test_several_frames_get_an_index_and_one_page(result, tmp_path):
    from dataclasses import replace

    writer = ResultWriter(tmp_path, ('sheet', 'html'), 'small')
    for step in range(3):
        writer.add(replace(result, id=f'ride/{step}', time=step / 4))
    writer.close()
    index = (tmp_path / 'index.html').read_text()
    assert 'ride_1.html' in index and 'ride.html' in index and '3 frames' in index
    assert (tmp_path / 'ride.html').is_file()


def test_formats_that_do_not_exist_are_refused_before_anything_is_written(tmp_path):
    with pytest.raises(UsageError, match=r"got \['obj'\]"):
        ResultWriter(tmp_path / 'out', ('npz', 'obj'))
    with pytest.raises(UsageError, match="got 'avi'"):
        ResultWriter(tmp_path / 'out', video='avi')
    (tmp_path / 'file').touch()
    with pytest.raises(UsageError, match='file: expected a folder to write into, got a file'):
        ResultWriter(tmp_path / 'file/out')
    assert not (tmp_path / 'out').exists()


def test_the_panorama_is_level_whatever_the_camera(inferencer, photo):
    """A tilted photo, said to be tilted, has its horizon in the middle of the rows again."""
    level = View(EquirectCamera(128, 64), mount('level'))
    tilted = View(EquirectCamera(128, 64), mount('level', tilt_deg=20))
    from projects.OneOcc.oneocc.apis.lens_change import through_lens
    from projects.OneOcc.oneocc.apis.result import level_panorama

    seen_tilted = through_lens(photo, level, tilted).image
    a, _ = level_panorama(photo, level, 256)
    b, _ = level_panorama(seen_tilted, tilted, 256)
    assert np.abs(a.astype(int) - b).mean() < 2


TOOL = load_script('tools/infer.py')


def test_one_command(card, photo, tmp_path, capsys):
    Image.fromarray(photo).save(tmp_path / 'photo.png')
    arguments = [str(tmp_path / 'photo.png'), '--model', str(card.folder), '--out', str(tmp_path / 'out')]
    assert TOOL.main(arguments) == 0
    shown = capsys.readouterr().out
    assert 'assumed: the lens is 1.6 m above the ground' in shown and 'mind: the image sees elevations' in shown
    assert {path.suffix for path in (tmp_path / 'out').iterdir()} == {'.png', '.html', '.npz', '.jpg', '.json'}


@pytest.mark.parametrize(
    'make, words',
    [
        (lambda p: p.mkdir(), 'expected images'),
        (lambda p: Image.new('RGB', (30, 40)).save(p, 'PNG'), 'a portrait photo'),
        (lambda p: None, 'no such file'),
    ],
)
def test_bad_input_is_one_sentence_and_writes_nothing(card, tmp_path, capsys, make, words):
    make(tmp_path / 'in.png')
    out = tmp_path / 'out'
    assert TOOL.main([str(tmp_path / 'in.png'), '--model', str(card.folder), '--out', str(out)]) == 2
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert told.startswith('infer.py: error: ') and words in told
    assert not out.exists()


def test_without_a_model_it_says_how_to_get_one(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr('projects.OneOcc.oneocc.apis.list_models', lambda: [])
    assert TOOL.main([str(tmp_path)]) == 2
    assert '--model: expected one' in capsys.readouterr().err
    assert TOOL.main(['--list-models']) == 0
