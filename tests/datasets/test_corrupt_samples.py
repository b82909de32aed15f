"""Bad files: one clear error each; named, counted, replaced and bounded while training."""

import logging
import multiprocessing
import struct
import zipfile
import zlib

import numpy as np
import pytest
from mmengine.logging import MMLogger

from projects.OneOcc.oneocc.datasets import CorruptSampleError, QuadOccDataset, TooManyCorruptSamplesError
from tests.tiny_dataset import GRID, write_tiny_dataset

PIPELINE = [
    dict(type='LoadPanorama'),
    dict(type='LoadOccupancy'),
    dict(type='LoadLiDARPoints'),
    dict(type='PackOccInputs', keys=('imgs', 'points', 'gt_occ')),
]
RAW, LABELS, LIDAR = ('recordings/seq00/raw/{}.png', 'occupancy/seq00/{}.npz', 'recordings/seq00/lidar/{}.npz')


def truncate(path):
    path.write_bytes(path.read_bytes()[: len(path.read_bytes()) // 2])


def write_image(size, mode='RGB'):
    def write(path):
        from PIL import Image

        Image.new(mode, size).save(path)

    return write


def rewrite(**changes):
    def change(path):
        content = dict(np.load(path))
        for key, value in changes.items():
            content[key] = value(content[key]) if callable(value) else value
        np.savez(path, **{key: value for key, value in content.items() if value is not None})

    return change


def put(index, value):
    def change(array):
        array = array.copy()
        array[index] = value
        return array

    return change


def folder(path):
    path.unlink()
    path.mkdir()


def write_png_header(width, height):
    def chunk(kind, data):
        return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))

    def write(path):
        header = struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
        pixels = chunk(b'IDAT', zlib.compress(b''))
        path.write_bytes(b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header) + pixels + chunk(b'IEND', b''))

    return write


def declare(name, shape):
    """An array whose header asks for more memory than any machine has."""

    def write(path):
        content = dict(np.load(path))
        with zipfile.ZipFile(path, 'w') as archive:
            for key, value in content.items():
                with archive.open(f'{key}.npy', 'w') as member:
                    header = dict(
                        np.lib.format.header_data_from_array_1_0(value), **({'shape': shape} if key == name else {})
                    )
                    np.lib.format.write_array_header_1_0(member, header)
                    member.write(np.ascontiguousarray(value).tobytes())

    return write


def encrypt(path):
    """Marks every member of the archive as encrypted, which zipfile answers with a RuntimeError."""
    content = bytearray(path.read_bytes())
    for signature, flags in ((b'PK\x03\x04', 6), (b'PK\x01\x02', 8)):
        at = content.find(signature)
        while at >= 0:
            content[at + flags] |= 1
            at = content.find(signature, at + 1)
    path.write_bytes(content)


DAMAGES = {
    'folder for an image': (RAW, folder, 'folder'),
    'huge image': (RAW, write_png_header(20992, 10496), 'far too many pixels|20992x10496'),
    'image larger than its calibration': (RAW, write_png_header(9000, 9000), r'64x32.*9000x9000'),
    'folder for labels': (LABELS, folder, 'occupancy'),
    'folder for a sweep': (LIDAR, folder, 'LiDAR'),
    'encrypted labels': (LABELS, encrypt, 'encrypted'),
    'labels of no memory': (LABELS, declare('labels', (1 << 20, 1 << 20, 1 << 10)), 'expected'),
    'sweep of no memory': (LIDAR, declare('points', (1 << 46, 3)), 'expected'),
    'voxel size of two': (LABELS, rewrite(voxel_size_m=np.zeros(2)), 'expected'),
    'one class': (LABELS, rewrite(classes=np.array('vehicle')), 'expected'),
    'one intensity': (LIDAR, rewrite(intensity=np.float32(1)), 'expected'),
    'text for points': (LIDAR, rewrite(points=np.full((200, 3), 'far')), 'expected'),
    'missing image': (RAW, lambda path: path.unlink(), 'missing'),
    'truncated image': (RAW, truncate, 'cannot be decoded'),
    'text for an image': (RAW, lambda path: path.write_text('no'), 'cannot be decoded'),
    'image of another size': (RAW, write_image((32, 32)), r'64x32.*32x32'),
    'image of 16 bit': (RAW, write_image((64, 32), 'I;16'), '8-bit'),
    'missing labels': (LABELS, lambda path: path.unlink(), 'missing'),
    'truncated labels': (LABELS, truncate, 'complete occupancy'),
    'text for labels': (LABELS, lambda path: path.write_text('no'), 'occupancy'),
    'labels of another grid': (LABELS, rewrite(labels=np.zeros((8, 8, 4), np.uint8)), r'\(16, 16, 4\).*\(8, 8, 4\)'),
    'another voxel size': (LABELS, rewrite(voxel_size_m=0.4), r'0\.8 m.*0\.4 m'),
    'another origin': (LABELS, rewrite(origin_m=np.zeros(3)), r'-6\.4.*\[0\.0, 0\.0, 0\.0\]'),
    'other classes': (LABELS, rewrite(classes=np.array(['cat'])), 'vehicle.*cat'),
    'label out of range': (LABELS, rewrite(labels=put((0, 0, 0), 7)), r'0\.\.6.*\[7\]'),
    'labels of another type': (LABELS, rewrite(labels=lambda labels: labels.astype(np.int32)), 'uint8.*int32'),
    'labels without classes': (LABELS, rewrite(classes=None), 'classes'),
    'pickled labels': (LABELS, rewrite(classes=np.array([{}], dtype=object)), 'pickle'),
    'missing sweep': (LIDAR, lambda path: path.unlink(), 'missing'),
    'truncated sweep': (LIDAR, truncate, 'complete LiDAR'),
    'a point that is not finite': (LIDAR, rewrite(points=put((3, 1), np.nan)), '1 of 200'),
    'points of another shape': (LIDAR, rewrite(points=np.zeros((200, 4))), r'\(N, 3\)'),
    'too few intensities': (LIDAR, rewrite(intensity=np.zeros(3)), r'\(200,\).*\(3,\)'),
}


@pytest.mark.parametrize('name', DAMAGES)
def test_test_mode_raises_one_error_that_names_the_file(quad_root, name):
    template, damage, words = DAMAGES[name]
    path = quad_root / template.format('000001')
    damage(path)
    dataset = QuadOccDataset('infos_train.json', str(quad_root), pipeline=PIPELINE, test_mode=True)
    assert dataset[0]['inputs']['points'].shape == (200, 4)
    with pytest.raises(CorruptSampleError, match=words) as raised:
        dataset[1]
    assert str(path) in str(raised.value)


@pytest.mark.parametrize('name', DAMAGES)
def test_training_stops_when_more_than_the_share_is_corrupt(quad_root, name):
    template, damage, words = DAMAGES[name]
    damage(quad_root / template.format('000001'))
    dataset = QuadOccDataset('infos_train.json', str(quad_root), pipeline=PIPELINE)
    with pytest.raises(TooManyCorruptSamplesError, match=r'1 of 3 .*more than .*1 %') as raised:
        dataset[1]
    assert '000001' in str(raised.value)


@pytest.mark.parametrize('name', DAMAGES)
def test_one_bad_file_of_many_is_replaced_named_and_counted(quad_root, name):
    template, damage, _ = DAMAGES[name]
    damage(quad_root / template.format('000001'))
    dataset = QuadOccDataset('infos_train.json', str(quad_root), pipeline=PIPELINE, max_corrupt_share=0.4)
    assert dataset[1]['data_samples'].sample_id == 'seq00/000002'
    assert len(dataset.corrupt) == 1


@pytest.mark.parametrize('error', [OSError(5, 'Input/output error', 'x.bin'), PermissionError(13, 'no'), MemoryError()])
def test_what_the_system_says_of_the_files_of_foreign_transforms_counts_too(quad_root, error):
    def load(results):
        if results['sample_id'].endswith('1'):
            raise error
        return results

    dataset = QuadOccDataset('infos_train.json', str(quad_root), pipeline=[load], max_corrupt_share=0.4)
    assert dataset[1]['sample_id'] == 'seq00/000002' and len(dataset.corrupt) == 1
    dataset = QuadOccDataset('infos_train.json', str(quad_root), pipeline=[load], test_mode=True)
    with pytest.raises(CorruptSampleError, match=f'infos_train.json.*seq00/000001.*{type(error).__name__}'):
        dataset[1]


def test_a_mistake_of_the_config_ends_the_training_with_its_sentence(quad_root):
    pipeline = [dict(type='LoadPanorama'), dict(type='LoadOccupancy', grid=dict(GRID, voxel_size=0.4))]
    dataset = QuadOccDataset('infos_train.json', str(quad_root), pipeline=pipeline)
    with pytest.raises(TooManyCorruptSamplesError, match=r'1 of 3 .*more than .*1 %.*0\.4 m.*0\.8 m'):
        dataset[0]


def ids(dataset, order):
    return [dataset[index]['data_samples'].sample_id[-2:] for index in order]


@pytest.fixture
def six_frames(tmp_path):
    root = write_tiny_dataset(tmp_path, frames=6, splits=('train',))
    for frame in ('000002', '000003'):
        truncate(root / LABELS.format(frame))
    return root


def test_a_corrupt_sample_is_replaced_by_the_same_one_in_any_order(six_frames):
    make = lambda: QuadOccDataset(  # noqa: E731
        'infos_train.json', str(six_frames), pipeline=PIPELINE, max_corrupt_share=0.4
    )
    assert ids(make(), range(6)) == ['00', '01', '04', '04', '04', '05']
    assert ids(make(), [3, 2, 3]) == ['04', '04', '04']


def test_a_corrupt_sample_is_named_once_and_counted_once(six_frames, caplog):
    dataset = QuadOccDataset('infos_train.json', str(six_frames), pipeline=PIPELINE, max_corrupt_share=0.4)
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            ids(dataset, range(6))
    logger.removeHandler(caplog.handler)
    messages = [record.getMessage() for record in caplog.records]
    assert len(dataset.corrupt) == len(messages) == 2
    assert '000002.npz' in messages[0] and '1 of 6' in messages[0]
    assert '000003.npz' in messages[1] and '2 of 6' in messages[1]


def test_a_set_of_nothing_but_corrupt_samples_says_so(tmp_path):
    root = write_tiny_dataset(tmp_path, frames=2, splits=('train',))
    for frame in ('000000', '000001'):
        truncate(root / RAW.format(frame))
    dataset = QuadOccDataset('infos_train.json', str(root), pipeline=PIPELINE, max_corrupt_share=1.0)
    with pytest.raises(CorruptSampleError, match='every one of the 2'):
        dataset[0]


def test_workers_count_together(tmp_path):
    root = write_tiny_dataset(tmp_path, frames=6, splits=('train',))
    for frame in ('000001', '000004'):
        truncate(root / LABELS.format(frame))
    dataset = QuadOccDataset('infos_train.json', str(root), pipeline=PIPELINE, max_corrupt_share=0.2)
    # One corrupt frame in a worker, one here; only their sum is above the limit.
    worker = multiprocessing.get_context('fork').Process(target=dataset.__getitem__, args=(1,))
    worker.start()
    worker.join()
    assert worker.exitcode == 0 and len(dataset.corrupt) == 1
    with pytest.raises(TooManyCorruptSamplesError, match='2 of 6'):
        dataset[4]


def test_errors_of_the_program_are_not_taken_for_corrupt_samples(quad_root):
    def broken(results):
        raise KeyError('a typo')

    dataset = QuadOccDataset('infos_train.json', str(quad_root), pipeline=[broken])
    with pytest.raises(KeyError, match='a typo'):
        dataset[0]
