"""A stream that goes on: newest wins, stalls, deaths, jumps, other sizes, sinks that fail or do not take anything."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from PIL import Image

from projects.OneOcc.core.formats.atomic_files import write_json
from projects.OneOcc.runtime import OccRuntime
from projects.OneOcc.runtime.sinks import SinkError
from projects.OneOcc.runtime.sources import FrameError, Source, SourceError, SourceFrame, open_source
from projects.OneOcc.runtime.stream import Stream
from tests.runtime.toy_bundle import SIZE, image, write_toy_bundle
from tests.scripts import load_script


class Kept:
    """A sink that keeps stamps; `act(stamp)` may raise or wait."""

    def __init__(self, act: Callable[[float], None] = lambda stamp: None) -> None:
        self.stamps: list[float] = []
        self.closed, self.act = 0, act

    def write(self, result, stamp: float) -> None:
        self.act(stamp)
        self.stamps.append(stamp)

    def close(self) -> None:
        self.closed += 1


@pytest.fixture(scope='module')
def runtime(tmp_path_factory):
    return OccRuntime(write_toy_bundle(tmp_path_factory.mktemp('toy')), threads=1)


def frames(number: int, start: float = 100.0) -> list[SourceFrame]:
    return [SourceFrame(start + 0.1 * i, image(i % 50)) for i in range(number)]


def source(make: Callable[[], Iterator], live: bool = False) -> Source:
    return Source('ride', make, live)


def run(runtime, given, sink=None, live=False, **options):
    """Counts, sink and what was told."""
    sink, told = sink or Kept(), []
    make = given if callable(given) else lambda: iter(given)
    stream = Stream(runtime, source(make, live), sink, tell=told.append, **options)
    return stream.run(patience=1.0), sink, told, stream


def test_every_frame_goes_through_with_its_own_stamp(runtime):
    counts, sink, told, stream = run(runtime, frames(20), newest=False)
    assert sink.stamps == [frame.stamp for frame in frames(20)]
    assert (counts.read, counts.done, counts.written, counts.dropped, counts.unsent) == (20, 20, 20, 0, 0)
    assert sink.closed == 1 and not told
    last = stream.last_good()
    assert last.stamp == frames(20)[-1].stamp and 0 <= last.age_s < 5


def test_the_newest_frame_wins_and_the_others_are_counted(runtime):
    def slow(images, stamp):
        time.sleep(0.03)
        return runtime(images, stamp)

    def fast() -> Iterator[SourceFrame]:
        for frame in frames(40):
            yield frame
            time.sleep(0.004)

    counts, sink, _, _ = run(slow, fast)
    assert counts.read == 40 and counts.dropped > 10 and counts.done == 40 - counts.dropped
    assert sink.stamps[-1] == frames(40)[-1].stamp  # the last one always arrives
    assert sink.stamps == sorted(sink.stamps)


def test_a_sink_that_does_not_read_holds_nobody_up(runtime):
    never = threading.Event()
    counts, _, told, _ = run(runtime, lambda: (f for f in frames(30)), Kept(lambda stamp: never.wait(30)), pace=True)
    assert counts.read == 30 and counts.done + counts.dropped == 30 and counts.unsent > 0
    assert any('does not read' in line for line in told)
    never.set()


def test_a_slow_sink_slows_the_source_where_every_frame_counts(runtime):
    counts, sink, _, _ = run(runtime, frames(8), Kept(lambda stamp: time.sleep(0.02)), newest=False)
    assert sink.stamps == [frame.stamp for frame in frames(8)]
    assert counts.dropped == counts.unsent == 0


def test_a_stall_is_told_with_the_age_of_the_last_result(runtime):
    def stalls() -> Iterator[SourceFrame]:
        yield frames(1)[0]
        time.sleep(0.4)
        yield frames(2)[1]

    counts, sink, told, _ = run(runtime, stalls, stall_after=0.1)
    assert counts.stalls == 1 and counts.done == 2 and len(sink.stamps) == 2
    assert 'no frame for 0.1 s; the last result is 0.' in told[0]
    _, _, told, _ = run(runtime, lambda: iter(()), stall_after=0.05)
    assert told == []  # a source that is empty ends, and is no stall


def test_a_live_source_that_dies_is_opened_again_and_a_recorded_one_ends(runtime):
    opened = itertools.count()

    def dies() -> Iterator[SourceFrame]:
        if next(opened) < 2:
            yield frames(1)[0]
            raise SourceError('the cable is out')
        yield from frames(3)

    counts, sink, told, _ = run(runtime, dies, live=True)
    assert counts.reopened == 2 and counts.read == 5 and told[0] == 'ride: the cable is out'
    opened = itertools.count()
    counts, _, told, _ = run(runtime, dies, live=False)
    assert counts.reopened == 0 and counts.read == 1

    def dead() -> Iterator[SourceFrame]:
        raise ZeroDivisionError('of a driver')
        yield

    counts, _, told, _ = run(runtime, dead, live=True, reopen=1)
    assert counts.reopened == 1 and told == ['ride: ZeroDivisionError: of a driver']


def test_time_that_jumps_is_counted_and_stamps_stay_as_they_are(runtime):
    stamps = [5.0, 5.1, 3.0, 3.1, 900.0]
    counts, sink, told, _ = run(runtime, [SourceFrame(s, image()) for s in stamps], newest=False)
    assert sink.stamps == stamps and counts.jumps == 2
    assert told == ['ride: time jumps by -2.100 s', 'ride: time jumps by +896.900 s']


def test_frames_of_another_size_or_that_cannot_be_decoded_are_left_out(runtime):
    wrong = SourceFrame(100.05, np.zeros((3, 3, 3), np.uint8))
    given = [frames(1)[0], wrong, wrong, FrameError('b.png: cut off'), *frames(3)[1:]]
    counts, sink, told, _ = run(runtime, given, newest=False)
    assert counts.refused == 3 and counts.done == 3 and len(sink.stamps) == 3
    size, damaged = sorted(set(told), reverse=True)  # the two come from two threads
    assert 'expected uint8 (12, 16, 3)' in size and damaged == 'b.png: cut off'


def test_a_sink_that_fails_is_told_once_and_asked_again(runtime):
    full = threading.Event()
    full.set()

    def act(stamp: float) -> None:
        if 100.2 < stamp < 100.5:
            raise SinkError('out: the disk is full')

    counts, sink, told, _ = run(runtime, frames(10), Kept(act), newest=False)
    assert counts.unwritten == 2 and counts.written == 8 and told == ['out: the disk is full']
    assert sink.closed == 1


def test_stop_ends_a_stream_that_would_go_on_for_ever(runtime):
    def endless() -> Iterator[SourceFrame]:
        for i in itertools.count():
            yield SourceFrame(i / 10, image())

    stream = Stream(runtime, source(endless), Kept())
    threading.Timer(0.2, stream.stop).start()
    assert stream.run().done > 0
    assert Stream(runtime, source(endless), Kept()).run(max_frames=3).done == 3


def test_pace_follows_the_stamps(runtime):
    started = time.monotonic()
    counts, _, _, _ = run(runtime, frames(4), pace=True)
    assert time.monotonic() - started >= 0.28 and counts.read == 4


def resident_kb() -> int:
    with open('/proc/self/status') as file:
        return next(int(line.split()[1]) for line in file if line.startswith('VmRSS'))


@pytest.mark.parametrize('number', [400, pytest.param(20000, marks=pytest.mark.slow)])
def test_a_long_stream_does_not_grow(runtime, number):
    run(runtime, frames(100), newest=False)  # whatever is made once
    before, threads = resident_kb(), threading.active_count()
    ride = (SourceFrame(100 + 0.1 * i, image(i % 50)) for i in range(number))  # none of them is kept here
    counts, _, _, _ = run(runtime, lambda: ride, newest=False)
    assert counts.done == number and resident_kb() - before < 10_000
    assert threading.active_count() <= threads


@pytest.fixture
def ride(tmp_path):
    """A folder of images, and a recording of them."""
    folder = tmp_path / 'ride'
    folder.mkdir()
    for i in range(3):
        Image.fromarray(image(i)).save(folder / f'{i}.png')
    listed = [dict(id=str(i), time=50.0 + i, files=dict(raw=f'{i}.png')) for i in range(3)]
    listed.insert(1, dict(id='l', time=50.5, files=dict(lidar='l.npz')))
    write_json(folder / 'recording.json', dict(frames=listed))
    return folder


def test_folder_and_recording(ride):
    by_folder = list(open_source('folder', str(ride), ['raw'], rate=2.0).frames())
    by_recording = list(open_source('recording', str(ride), ['raw']).frames())
    assert [frame.stamp for frame in by_folder] == [0.0, 0.5, 1.0]
    assert [frame.stamp for frame in by_recording] == [50.0, 51.0, 52.0]
    for one, other in zip(by_folder, by_recording):
        assert np.array_equal(one.images, other.images['raw'])
    (ride / '1.png').write_bytes(b'no image')
    kinds = [type(frame) for frame in open_source('recording', str(ride), ['raw']).frames()]
    assert kinds == [SourceFrame, FrameError, SourceFrame]
    with pytest.raises(SourceError, match="images of .'front'.*got none"):
        list(open_source('recording', str(ride), ['front']).frames())
    with pytest.raises(SourceError, match='not there'):
        open_source('folder', str(ride / 'gone'), ['raw'])
    with pytest.raises(SourceError, match='got none'):
        open_source('folder', str(ride / '1.png'), ['raw'])


def test_a_video_comes_with_its_own_times(tmp_path):
    import cv2

    path = str(tmp_path / 'ride.avi')
    writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*'MJPG'), 10.0, (SIZE[1], SIZE[0]))
    for i in range(4):
        writer.write(image(60 * i))
    writer.release()
    found = list(open_source('video', path, ['raw']).frames())
    assert [frame.stamp for frame in found] == pytest.approx([0.0, 0.1, 0.2, 0.3])
    assert [round(float(frame.images.mean()), -1) for frame in found] == [0, 60, 120, 180]
    (tmp_path / 'text.avi').write_text('no video')
    with pytest.raises(SourceError, match='OpenCV can decode'):
        list(open_source('video', str(tmp_path / 'text.avi'), ['raw']).frames())


@pytest.mark.parametrize('out', ['mcap', 'foxglove-file', 'stdout'])
def test_the_command(out, ride, tmp_path, capsys):
    tool = load_script('tools/deploy/stream.py')
    bundle = str(write_toy_bundle(tmp_path / 'toy'))
    words = [str(ride), '--source', 'recording', '--bundle', bundle, '--out', out, '--folder', str(tmp_path / 'out')]
    assert tool.main(words) == 0
    shown = capsys.readouterr()
    assert 'read 3, done 3, written 3' in shown.err
    if out == 'stdout':
        assert [json.loads(line)['stamp'] for line in shown.out.splitlines()] == [50.0, 51.0, 52.0]
    else:
        assert [path.name[:9] for path in (tmp_path / 'out').iterdir()] == ['part_0000']


@pytest.mark.parametrize(
    'words, told',
    [
        (['gone', '--source', 'folder'], 'not there'),
        (['.', '--source', 'recording', '--out', 'mcap'], 'expected --folder'),
        (['.', '--source', 'recording', '--provider', 'tensorrt'], 'TensorrtExecutionProvider'),
    ],
)
def test_the_command_tells_in_one_sentence(words, told, tmp_path, capsys):
    bundle = str(write_toy_bundle(tmp_path / 'toy'))
    assert load_script('tools/deploy/stream.py').main([*words, '--bundle', bundle]) == 1
    shown = capsys.readouterr().err
    assert told in shown and len(shown.splitlines()) == 1


def test_a_source_without_a_frame_is_a_failure(tmp_path, capfd):
    bundle = str(write_toy_bundle(tmp_path / 'toy'))
    (tmp_path / 'film.mp4').write_bytes(b'no film')
    assert (
        load_script('tools/deploy/stream.py').main(
            [str(tmp_path / 'film.mp4'), '--source', 'video', '--bundle', bundle]
        )
        == 1
    )
    assert 'expected a video that OpenCV can decode' in (told := capfd.readouterr().err)
    assert told.splitlines()[-1].endswith('film.mp4: expected frames, got none')
