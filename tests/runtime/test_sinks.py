"""Writers, read back by libraries of other people: mcap, rosbags, protobuf."""

from __future__ import annotations

import errno
import io
import json
from types import SimpleNamespace

import numpy as np
import pytest

from projects.OneOcc.runtime import OccRuntime, sinks
from projects.OneOcc.runtime.foxglove_sink import CELL, FoxgloveSink
from projects.OneOcc.runtime.ros2_messages import GRID, POINT, POINT_CLOUD
from projects.OneOcc.runtime.rosbag_sink import RosbagSink
from projects.OneOcc.runtime.sight import OCCUPIED
from projects.OneOcc.runtime.sinks import LineSink, SinkError
from projects.OneOcc.runtime.sources import bag_frames, open_source
from projects.OneOcc.runtime.traversability import traversability
from tests.runtime.toy_bundle import CLASSES, COLOURS, image, scene, write_toy_bundle
from tests.runtime.toy_bundle import GRID as PLACE

STAMPS = (1_700_000_000.25, 1_700_000_000.35, 1_699_999_999.0)  # the last one back in time


@pytest.fixture(scope='module')
def result(tmp_path_factory):
    return OccRuntime(write_toy_bundle(tmp_path_factory.mktemp('toy')))(image())


def test_a_bag_is_read_back_by_rosbags(result, tmp_path):
    from rosbags.highlevel import AnyReader

    sink = RosbagSink(tmp_path / 'bags', frame_id='ego')
    for stamp in STAMPS:
        sink.write(result, stamp)
    assert not list((tmp_path / 'bags').glob('part*'))  # nothing half-written under its final name
    sink.close()
    assert [path.name for path in (tmp_path / 'bags').iterdir()] == ['part_0000']
    with AnyReader([tmp_path / 'bags/part_0000']) as reader:
        found = [(c.msgtype, t, reader.deserialize(raw, c.msgtype)) for c, t, raw in reader.messages()]
    clouds = [message for kind, _, message in found if kind == POINT_CLOUD]
    grids = [message for kind, _, message in found if kind == GRID]
    stamps = sorted(m.header.stamp.sec + m.header.stamp.nanosec * 1e-9 for m in clouds)
    assert np.allclose(stamps, sorted(STAMPS), atol=1e-6, rtol=0)
    cloud, grid = clouds[0], grids[0]
    points = np.frombuffer(cloud.data.tobytes(), POINT)
    assert [(f.name, f.offset, f.datatype) for f in cloud.fields][-2:] == [('label', 12, 2), ('prob', 13, 7)]
    assert cloud.header.frame_id == 'ego' and cloud.point_step == POINT.itemsize == 17
    assert np.allclose(np.stack([points['x'], points['y'], points['z']], 1), result.points)
    assert np.array_equal(points['label'], scene()[scene() > 0])
    assert np.allclose(points['prob'], result.probability[scene() > 0])
    cost = result.traversability().cost
    assert (grid.info.width, grid.info.height) == cost.shape and grid.info.resolution == 0.5
    assert np.array_equal(np.asarray(grid.data).reshape(cost.shape[::-1]).T, cost)
    assert grid.info.origin.position.x == PLACE['origin'][0]


def test_a_bag_is_read_back_by_mcap(result, tmp_path):
    from mcap.reader import make_reader

    sink = RosbagSink(tmp_path)
    sink.write(result, STAMPS[0])
    sink.close()
    with open(tmp_path / 'part_0000/part_0000.mcap', 'rb') as file:
        found = [
            (channel.topic, schema.name, message.log_time)
            for schema, channel, message in make_reader(file).iter_messages()
        ]
    time = round(STAMPS[0] * 1e9)
    assert sorted(found) == [('/occupancy/grid', GRID, time), ('/occupancy/points', POINT_CLOUD, time)]


def test_foxglove_files_are_read_back_by_mcap_in_z_y_x_order(result, tmp_path):
    from mcap.reader import make_reader
    from mcap_protobuf.decoder import DecoderFactory

    sink = FoxgloveSink(tmp_path, cubes=True)
    sink.write(result, STAMPS[0])
    sink.close()
    with open(tmp_path / 'part_0000.mcap', 'rb') as file:
        found = {
            channel.topic: (message.log_time, proto)
            for _, channel, message, proto in make_reader(
                file, decoder_factories=[DecoderFactory()]
            ).iter_decoded_messages()
        }
    time, voxels = found['/occupancy/voxels']
    assert time == round(STAMPS[0] * 1e9)
    data = np.frombuffer(voxels.data, np.uint8)
    field = next(field for field in voxels.fields if field.name == 'label')
    for x, y, z in np.argwhere(scene() > 0):  # by the formula of Foxglove's own schema
        at = z * voxels.slice_stride + y * voxels.row_stride + x * voxels.cell_stride
        assert data[at + field.offset] == scene()[x, y, z]
        colour = data[at : at + 4].tolist()
        assert colour == [*COLOURS[scene()[x, y, z] - 1], 255]
    cells = data.view(CELL).reshape(-1, voxels.row_count, voxels.column_count)
    assert cells.shape == scene().shape[::-1]
    assert (voxels.pose.position.x, voxels.pose.position.y, voxels.pose.position.z) == tuple(PLACE['origin'])
    assert voxels.cell_size.z == 0.5
    cubes = {entity.id: entity.cubes for entity in found['/occupancy/cubes'][1].entities}
    assert {name: len(cubes[name]) for name in CLASSES} == {'vehicle': 2, 'road': 48, 'building': 18}
    first = cubes['vehicle'][0].pose.position
    assert (first.x, first.y, first.z) == pytest.approx((0.25, 1.25, -0.25))


def test_foxglove_live_starts_serves_and_stops(result):
    sink = FoxgloveSink(None, port=0)
    assert sink.server.port > 0
    sink.write(result, 1.0)  # nobody reads, and nobody waits
    with pytest.raises(SinkError, match='expected to listen'):
        FoxgloveSink(None, port=sink.server.port)
    sink.close()


@pytest.mark.parametrize('make', [RosbagSink, FoxgloveSink])
def test_a_full_disk_ends_the_file_whole_and_later_results_are_written(make, result, tmp_path, monkeypatch):
    sink = make(tmp_path)
    sink.write(result, 1.0)
    monkeypatch.setattr(sinks.shutil, 'disk_usage', lambda _: SimpleNamespace(free=1000))
    with pytest.raises(SinkError, match='disk is full') as error:
        sink.write(result, 2.0)
    assert '\n' not in str(error.value)
    assert len(list(tmp_path.glob('part_0000*'))) == 1 and not list(tmp_path.glob('.part*'))
    monkeypatch.undo()
    sink.write(result, 3.0)
    sink.close()
    assert sorted(path.name[:9] for path in tmp_path.iterdir()) == ['part_0000', 'part_0001']


def test_a_disk_that_fails_at_the_end_leaves_nothing_in_halves(result, tmp_path, monkeypatch):
    sink = RosbagSink(tmp_path)
    sink.write(result, 1.0)

    def fail() -> None:
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(sink._writer, 'close', fail)
    with pytest.raises(SinkError, match='was removed'):
        sink.close()
    assert not list(tmp_path.iterdir())


def test_parts_end_by_size(result, tmp_path):
    sink = RosbagSink(tmp_path, part_bytes=1)
    for stamp in STAMPS:
        sink.write(result, stamp)
    sink.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ['part_0000', 'part_0001', 'part_0002']


def test_lines_say_what_is_there(result):
    file = io.StringIO()
    LineSink(file).write(result, 4.5)
    line = json.loads(file.getvalue())
    assert line['stamp'] == 4.5 and line['occupied'] == (result.state == OCCUPIED).sum()
    assert line['classes'] == {'vehicle': 2, 'road': 48, 'building': 18}
    with pytest.raises(SinkError, match='standard output'):
        LineSink(open('/dev/full', 'w')).write(result, 0.0)


@pytest.mark.parametrize('encoding, channels', [('rgb8', 3), ('bgr8', 3), ('mono8', 1), ('bgra8', 4)])
def test_images_of_a_bag_come_back_with_their_stamps(encoding, channels, tmp_path):
    from rosbags.rosbag2 import StoragePlugin, Writer
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS2_HUMBLE)
    types = store.types
    pixels = np.random.default_rng(0).integers(0, 256, (4, 5, channels), np.uint8)
    head = types['std_msgs/msg/Header'](types['builtin_interfaces/msg/Time'](12, 500_000_000), 'camera')
    padded = np.pad(pixels.reshape(4, -1), ((0, 0), (0, 3)))
    message = types['sensor_msgs/msg/Image'](head, 4, 5, encoding, 0, padded.shape[1], padded.reshape(-1))
    with Writer(tmp_path / 'bag', version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection('/image', 'sensor_msgs/msg/Image', typestore=store)
        writer.write(connection, 1, store.serialize_cdr(message, 'sensor_msgs/msg/Image'))
    (frame,) = bag_frames(tmp_path / 'bag', None)
    expected = np.repeat(pixels, 3, 2) if channels == 1 else pixels[..., :3]
    assert frame.stamp == 12.5
    assert np.array_equal(frame.images, expected[..., ::-1] if encoding.startswith('bgr') else expected)
    assert open_source('bag', str(tmp_path / 'bag'), ['raw']).live is False


def test_ground_has_height_class_and_clearance(result):
    layers = result.traversability(needed_clearance=1.0)
    assert layers.height[2, 2] == pytest.approx(-0.5) and layers.label[2, 2] == 2
    assert layers.clearance[3, 3] == pytest.approx(1.5) and layers.cost[3, 3] == 0
    assert (layers.cost[7] == 100).all() and layers.clearance[7, 0] == 0  # the wall
    assert (layers.cost[4:6, 5] == 100).all()  # the vehicle


def test_what_is_not_seen_is_neither_free_nor_blocked():
    labels = np.zeros((2, 1, 4), np.uint8)
    labels[..., 0] = 1
    states = np.full(labels.shape, 255, np.uint8)
    states[..., 0] = OCCUPIED
    states[0, :, 1:] = 0
    layers = traversability(labels, states, [1], 0.0, 0.5, 1.0)
    assert layers.cost[:, 0].tolist() == [0, -1] and layers.clearance[:, 0].tolist() == [1.5, 0]
    nothing = traversability(np.zeros_like(labels), states * 0 + 255, [1], 0.0, 0.5)
    assert (nothing.cost == -1).all() and np.isnan(nothing.height).all()
