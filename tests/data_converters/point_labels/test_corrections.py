"""Labels out to point_labeler and back, boxes of voxels, moving things: only what was changed changes."""

import json

import numpy as np
import pytest
from PIL import Image

from data_converters import label_recordings, record
from data_converters.point_labels.point_labeler import decode, encode
from projects.OneOcc.core.formats.npz_archives import read_npz
from projects.OneOcc.core.formats.recording import Recording
from projects.OneOcc.core.geometry import CartesianGrid
from tests.core.formats.rides import make_ride

GRID = '16,16,4,0.8,-6.4,-6.4,-1.2'


@pytest.fixture()
def ride(tmp_path):
    return make_ride(tmp_path / 'a', 'a')


def labels_of(root):
    ride = Recording.read(root)
    return [ride.read_lidar(frame, 'lidar')['label'] for frame in ride.frames]


def edit(folder, number, change):
    path = folder / f'labels/{number:06d}.label'
    ids = np.fromfile(path, '<u4')
    change(ids)
    ids.tofile(path)


def test_labels_go_out_and_only_what_changed_comes_back(ride, tmp_path, capsys):
    out = tmp_path / 'edit'
    assert record.main(['export-labels', str(ride.root), '--out', str(out)]) == 0
    before = labels_of(ride.root)
    points = np.fromfile(out / 'velodyne/000001.bin', '<f4').reshape(-1, 4)
    assert np.array_equal(points[:, :3], ride.read_lidar(ride.frames[1], 'lidar')['points'])
    assert np.loadtxt(out / 'poses.txt').shape == (3, 12) and (out / 'labels.xml').read_text().count('<label>') == 5
    files = {path: path.read_bytes() for path in ride.root.rglob('*') if path.is_file()}
    assert record.main(['import-labels', str(ride.root), '--source', str(out)]) == 0
    assert {path: path.read_bytes() for path in ride.root.rglob('*') if path.is_file()} == files

    edit(out, 1, lambda ids: ids.__setitem__(slice(0, 5), [0, 101, 2 + (7 << 16), 2, 1]))
    assert record.main(['import-labels', str(ride.root), '--source', str(out)]) == 0
    after = labels_of(ride.root)
    assert after[1][:5].tolist() == [255, 1, 2, 2, 1] and np.array_equal(after[1][5:], before[1][5:])
    assert np.array_equal(after[0], before[0]) and np.array_equal(after[2], before[2])
    ride = Recording.read(ride.root)
    assert ride.read_lidar(ride.frames[1], 'lidar')['dynamic'].nonzero()[0].tolist() == [1]
    assert ride.meta['label_history'][0]['what'] == 'import-labels' and 'unfinished' not in ride.meta
    assert 'points of 1 sweeps changed' in capsys.readouterr().out


def test_changes_on_both_sides_are_named(ride, tmp_path, capsys):
    out = tmp_path / 'edit'
    record.main(['export-labels', str(ride.root), '--out', str(out)])
    edit(out, 0, lambda ids: ids.__setitem__(0, 2 if ids[0] != 2 else 1))
    path = ride.root / ride.frames[0].files['lidar']
    arrays = read_npz(path, ('points', 'intensity', 'label', 'dynamic'))
    arrays['label'][0] = 255
    np.savez(path, **arrays)
    assert record.main(['import-labels', str(ride.root), '--source', str(out)]) == 2
    assert 'got 1 points of frame 000000 changed on both' in capsys.readouterr().err
    assert labels_of(ride.root)[0][0] == 255
    assert record.main(['import-labels', str(ride.root), '--source', str(out), '--force']) == 0
    assert labels_of(ride.root)[0][0] in (1, 2)


@pytest.mark.parametrize(
    'damage, words',
    [
        (lambda f: (f / 'labels/000001.label').unlink(), 'is missing'),
        (lambda f: (f / 'labels/000001.label').write_bytes(b'1234'), 'labels of 4 bytes'),
        (lambda f: edit(f, 1, lambda ids: ids.__setitem__(0, 77)), 'expected ids 0..2'),
        (lambda f: (f / 'export.json').write_text('{"recording": "b"}'), "recording: expected 'a', got 'b'"),
    ],
)
def test_damaged_exports_change_nothing(ride, tmp_path, damage, words, capsys):
    out = tmp_path / 'edit'
    record.main(['export-labels', str(ride.root), '--out', str(out)])
    before = labels_of(ride.root)
    damage(out)
    assert record.main(['import-labels', str(ride.root), '--source', str(out)]) == 2
    assert words in capsys.readouterr().err
    assert all(map(np.array_equal, before, labels_of(ride.root)))


def test_ids_say_class_and_motion():
    label, dynamic = np.array([1, 2, 255, 255]), np.array([0, 1, 0, 1], bool)
    back = decode(encode(label, dynamic), 2, 'x')
    assert np.array_equal(back[0], label) and np.array_equal(back[1], dynamic)


def label(ride, out):
    return label_recordings.main([str(ride.root), '--grid', GRID, '--splits', 'train=a', '--out', str(out), '--quiet'])


def test_voxel_edits_hold_in_every_frame_and_survive_a_rerun(ride, tmp_path, capsys):
    assert label(ride, tmp_path / 'set') == 0
    grid = CartesianGrid((16, 16, 4), 0.8, (-6.4, -6.4, -1.2))

    def volumes():
        return [np.load(tmp_path / f'set/occupancy/a/{frame.id}.npz')['labels'] for frame in ride.frames]

    before = volumes()
    box = [0.0, 4.0, -0.4, 3.0, 6.0, 1.0]
    edits = [
        dict(box_m=box, label=ride.classes[0], was=[ride.classes[1]], note='no wall'),
        dict(box_m=box, label='empty', frames=['000001']),
    ]
    (ride.root / 'voxel_edits.json').write_text(json.dumps(edits))
    assert label(ride, tmp_path / 'set') == 0
    assert 'changed since it was labelled' in capsys.readouterr().err
    for frame, old, new in zip(ride.frames, before, volumes()):
        centers = grid.centers().numpy() @ frame.world_from_ego[:3, :3].T + frame.world_from_ego[:3, 3]
        inside = ((centers >= box[:3]) & (centers <= box[3:])).all(axis=-1)
        assert inside.any() and np.array_equal(old[~inside], new[~inside])
        expected = 0 if frame.id == '000001' else np.where(old[inside] == 2, 1, old[inside])
        assert (new[inside] == expected).all()
    edited = volumes()
    for path in (tmp_path / 'set/sequences').iterdir():
        path.unlink()
    assert label(ride, tmp_path / 'set') == 0
    assert all(map(np.array_equal, edited, volumes()))


@pytest.mark.parametrize(
    'edit, words',
    [
        ({'box_m': [0, 0, 0, 1, 1, 1], 'label': 'wal'}, 'expected one of'),
        ({'box_m': [0, 0, 0, 0, 1, 1], 'label': 'empty'}, 'lower corner first'),
        ({'box_m': [0, 0, 0, 1, 1, 1], 'label': 'empty', 'frames': ['9']}, 'expected ids of frames'),
        ({'label': 'empty'}, 'expected box_m and label'),
    ],
)
def test_edits_that_cannot_be_are_named_before_anything_is_made(ride, edit, words, tmp_path, capsys):
    (ride.root / 'voxel_edits.json').write_text(json.dumps([edit]))
    assert label(ride, tmp_path / 'set') == 2
    told = capsys.readouterr().err
    assert 'voxel_edits.json: edit 0' in told and words in told and not (tmp_path / 'set').exists()


def test_a_change_that_was_interrupted_keeps_labels_from_being_made(ride, tmp_path, capsys):
    ride.meta['unfinished'] = 'label-points'
    ride.write()
    assert label(ride, tmp_path / 'set') == 2
    assert 'a change by label-points that was interrupted' in capsys.readouterr().err


def test_points_move_by_class_and_by_track(ride, tmp_path, capsys):
    assert record.main(['find-moving', str(ride.root), '--classes', ride.classes[1]]) == 0
    for frame in ride.frames:
        sweep = ride.read_lidar(frame, 'lidar')
        assert np.array_equal(sweep['dynamic'], sweep['label'] == 2)
    box = dict(frame='000001', center_m=[2.0, 0.0, -0.6], size_m=[2, 2, 1], yaw=0.3, **{'class': ride.classes[1]})
    (tmp_path / 'tracks.json').write_text(json.dumps([box]))
    assert record.main(['find-moving', str(ride.root), '--tracks', str(tmp_path / 'tracks.json')]) == 0
    sweeps = [ride.read_lidar(frame, 'lidar') for frame in ride.frames]
    assert not sweeps[0]['dynamic'].any() and sweeps[1]['dynamic'].any()
    assert (sweeps[1]['label'][sweeps[1]['dynamic']] == 2).all()
    (tmp_path / 'tracks.json').write_text(json.dumps([dict(box, frame='x')]))
    assert record.main(['find-moving', str(ride.root), '--tracks', str(tmp_path / 'tracks.json')]) == 2
    assert 'expected the id of a frame' in capsys.readouterr().err
    assert record.main(['find-moving', str(ride.root)]) == 2


def test_masks_of_another_size_change_nothing(ride, tmp_path, capsys):
    """The second mask is wrong: nothing is labelled by the first."""
    masks = tmp_path / 'masks'
    masks.mkdir()
    for name, size in (('000000', (16, 8)), ('000001', (32, 16))):
        Image.new('L', size, 1).save(masks / f'{name}.png')
    (tmp_path / 'classes.yaml').write_text('1: road\n')
    before = {path: path.read_bytes() for path in ride.root.rglob('*') if path.is_file()}
    words = ['label-points', str(ride.root), '--masks', str(masks), '--format', 'labels', '--quiet']
    assert record.main([*words, '--classes', str(tmp_path / 'classes.yaml')]) == 2
    told = capsys.readouterr().err
    assert 'masks/000001.png: expected masks of 16x8 as their camera, got 32x16' in told and told.count('\n') == 1
    assert {path: path.read_bytes() for path in ride.root.rglob('*') if path.is_file()} == before
    assert record.main([*words[:3], str(tmp_path), *words[4:]]) == 2
    assert 'expected masks (labels) of frames such as 000000, got none of 3 frames' in capsys.readouterr().err
