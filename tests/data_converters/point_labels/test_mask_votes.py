"""Points take the label of the pixels that they are seen in; hidden ones take none; votes add up over frames."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from data_converters import record
from data_converters.point_labels.mask_files import label_image
from data_converters.point_labels.mask_votes import VoteSettings, visible, vote
from data_converters.point_labels.moving_points import moving_points
from data_converters.synthetic.capture.protocols import QUADSIM_MINI
from projects.OneOcc.core.formats.recording import Recording
from projects.OneOcc.core.geometry import EquirectCamera, camera_from_dict
from tests.core.formats.rides import make_ride
from tests.data_converters.point_labels.sam_like import record_with_semantics, sam_like


def test_a_ride_is_labelled_from_label_images(tmp_path, capsys):
    """The floor lies below the horizon, the wall above it: half the image each."""
    ride = make_ride(
        tmp_path / 'a', 'a', edit=lambda index, scan: dict(scan, label=np.full(len(scan['label']), 255, np.uint8))
    )
    (tmp_path / 'masks').mkdir()
    image = np.full((8, 16), 2, np.uint8)
    image[4:] = 1
    for frame in ride.frames[:2]:
        Image.fromarray(image).save(tmp_path / f'masks/{frame.id}.png')
    (tmp_path / 'map.yaml').write_text(f'1: {ride.classes[0]}\n2: {ride.classes[1]}\n')
    words = ['label-points', str(ride.root), '--masks', str(tmp_path / 'masks'), '--format', 'labels', '--quiet']
    words.append('--no-depth-test')  # sixteen pixels around are too few for one
    assert record.main([*words, '--classes', str(tmp_path / 'map.yaml'), '--window', '0', '--rule', 'first']) == 0
    for frame in ride.frames:
        sweep = Recording.read(ride.root).read_lidar(frame, 'lidar')
        up = sweep['points'][:, 2] > 0
        if frame.id == '000002':
            assert (sweep['label'] == 255).all()
        else:
            assert (sweep['label'][up] == 2).all() and (sweep['label'][~up] == 1).all()
    assert record.main([*words, '--classes', str(tmp_path / 'map.yaml'), '--rule', 'first']) == 0
    assert (ride.read_lidar(ride.frames[2], 'lidar')['label'] != 255).mean() > 0.3  # from the other frames' images
    capsys.readouterr()
    assert record.main(words) == 0
    assert 'masks of other names stay unlabelled: 1 (2), 2 (2)' in capsys.readouterr().err
    Image.fromarray(image[:4]).save(tmp_path / 'masks/000000.png')
    assert record.main(words) == 2
    assert 'expected masks of 16x8 as their camera, got 16x4' in capsys.readouterr().err
    assert 'unfinished' not in Recording.read(ride.root).meta


def test_what_stands_behind_is_hidden():
    camera = EquirectCamera(360, 180)
    pixels = np.array([[10.2, 90.5], [10.4, 90.5], [10.6, 90.5], [50.5, 90.5]])
    ranges, valid = np.array([3.0, 3.4, 8.0, 8.0]), np.array([True, True, True, True])
    assert visible(pixels, ranges, valid, camera, VoteSettings()).tolist() == [True, True, False, True]
    assert visible(pixels, ranges, valid, camera, VoteSettings(cell_deg=0)).all()


def agreement(ride, semantics, rule, settings):
    """Share of right labels among the labelled points, and share of the labelled ones."""
    camera = camera_from_dict(ride.cameras['raw'], ride.root)
    class_map = {name: index + 1 for index, name in enumerate(ride.classes)}
    rng, size = np.random.default_rng(0), (camera.width, camera.height)
    images = {
        key: label_image(sam_like(value, ride.classes, rng), class_map, rule, size) for key, value in semantics.items()
    }
    right = told = total = 0
    for frame, lidar, labels in vote(
        ride, camera, ride.cameras['raw']['cam_from_body'], lambda f: images.get(f.id), settings
    ):
        truth = ride.read_lidar(frame, lidar)['label']
        known = (labels != 255) & (truth != 255)
        right, told, total = right + (labels == truth)[known].sum(), told + known.sum(), total + len(truth)
    return right / told, told / total


@pytest.mark.slow
def test_agreement_with_the_twin(tmp_path, capsys):
    """Masks as a segmenter makes them: QuadOcc's rule, and ours; moving points by free space."""
    ride, semantics = record_with_semantics(replace(QUADSIM_MINI, image_size=(320, 240)), 1, tmp_path)
    quadocc = agreement(ride, semantics, 'first', VoteSettings(window_s=0, cell_deg=0))
    ours = agreement(ride, semantics, 'best', VoteSettings())
    found = [
        (seen, ride.read_lidar(frame, 'lidar')['dynamic'])
        for frame, seen in zip(ride.frames, moving_points(ride, 'lidar'))
    ]
    hit = sum((seen & true).sum() for seen, true in found)
    precision, recall = hit / sum(seen.sum() for seen, _ in found), hit / sum(true.sum() for _, true in found)
    with capsys.disabled():
        print(
            f'\nfirst mask, own frame: {quadocc[0]:.1%} of {quadocc[1]:.1%} right; best, votes: {ours[0]:.1%} of '
            f'{ours[1]:.1%}'
        )
        print(f'moving by free space: precision {precision:.1%}, recall {recall:.1%}')
    assert ours[0] > quadocc[0] + 0.05 and ours[0] > 0.93 and ours[1] > 0.7
    assert precision > 0.9 and recall > 0.6
