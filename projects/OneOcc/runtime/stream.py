"""A stream that goes on: the newest frame wins, what fails is counted and told, what is old says how old it is."""

from __future__ import annotations

import queue
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from .occ_runtime import OccResult, OccRuntime
from .sinks import Sink, SinkError
from .sources import FrameError, Source, SourceError, SourceFrame

JUMP_S = 10.0  # a longer step forward between two frames counts as a jump, as does any step back
_POLL_S = 0.05


@dataclass
class StreamCounts:
    """What became of the frames.

    Attributes:
        read: frames that the source gave. done: frames with a result. written: results that the sink took.
        dropped: frames that a newer one replaced before their turn.
        refused: frames of another size, or that could not be decoded.
        unsent: results that a newer one replaced while the sink was busy.
        unwritten: results that the sink could not write.
        stalls: times that no frame came for too long.
        jumps: steps back in time, or far forward.
        reopened: times that the source was opened again.
    """

    read: int = 0
    done: int = 0
    written: int = 0
    dropped: int = 0
    refused: int = 0
    unsent: int = 0
    unwritten: int = 0
    stalls: int = 0
    jumps: int = 0
    reopened: int = 0

    def __str__(self) -> str:
        return ', '.join(f'{name} {value}' for name, value in asdict(self).items() if value or name in ('read', 'done'))


@dataclass(frozen=True)
class LastGood:
    """The newest result, the time of its image, and how many seconds ago it was made."""

    result: OccResult
    stamp: float
    age_s: float


def say(text: str) -> None:
    """To the standard error: the standard output may be the sink."""
    print(text, file=sys.stderr, flush=True)


class Slot:
    """Holds one thing. A newer one replaces it, or waits until it is taken."""

    def __init__(self, newest: bool) -> None:
        self.newest, self._changed = newest, threading.Condition()
        self._held: list[Any] = []
        self.closed = False

    def put(self, thing: Any) -> int:
        """Put it there; how many things it replaced. On a closed slot nothing happens."""
        with self._changed:
            while self._held and not self.newest and not self.closed:
                self._changed.wait(_POLL_S)
            replaced = len(self._held)
            self._held[:] = [] if self.closed else [thing]
            self._changed.notify_all()
            return replaced

    def take(self, timeout: float) -> Any:
        """The thing; raises `queue.Empty` when none comes in time, or none can come."""
        with self._changed:
            end = time.monotonic() + timeout
            while not self._held:
                left = end - time.monotonic()
                if self.closed or left <= 0:
                    raise queue.Empty
                self._changed.wait(min(left, _POLL_S))
            thing = self._held.pop()
            self._changed.notify_all()
            return thing

    def close(self) -> None:
        """No more things will come; one that is there can be taken."""
        with self._changed:
            self.closed = True
            self._changed.notify_all()


class Stream:
    """Frames from a source through a runtime into a sink, in three threads that never wait for a slower one.

    Args:
        runtime: what makes results; anything that is called with images and a stamp.
        source, sink: see there.
        newest: the newest frame wins, and so does the newest result. False hands on every one: the source then waits.
        pace: hand recorded frames on no faster than their stamps.
        stall_after: seconds without a frame after which the watchdog speaks.
        reopen: how many times in a row a live source that died is opened again.
        tell: gets one sentence about whatever goes wrong, once for each wording in a row.
    """

    def __init__(
        self,
        runtime: OccRuntime | Callable[..., OccResult],
        source: Source,
        sink: Sink,
        newest: bool = True,
        pace: bool = False,
        stall_after: float = 2.0,
        reopen: int = 5,
        tell: Callable[[str], None] = say,
    ) -> None:
        self.runtime, self.source, self.sink = runtime, source, sink
        self.newest, self.pace, self.stall_after, self.reopen = newest, pace, stall_after, reopen
        self.counts = StreamCounts()
        self._tell, self._told = tell, ''
        self._frames, self._results = Slot(newest), Slot(newest)
        self._stop = threading.Event()
        self._last: tuple[OccResult, float, float] | None = None

    def last_good(self) -> LastGood | None:
        """The newest result with its age; None before the first."""
        last = self._last
        return None if last is None else LastGood(last[0], last[1], time.monotonic() - last[2])

    def stop(self) -> None:
        """Ask the stream to end after the frame in hand."""
        self._stop.set()

    def run(self, max_frames: int | None = None, patience: float = 5.0) -> StreamCounts:
        """Run until the source ends, `stop` is called or `max_frames` have results.

        Args:
            patience: seconds that the sink is given, at the end, to write and close.
        """
        reader = threading.Thread(target=self._read, name='source', daemon=True)
        writer = threading.Thread(target=self._write, name='sink', daemon=True)
        for thread in (reader, writer):
            thread.start()
        try:
            self._work(max_frames)
        finally:
            self.stop()
            self._frames.close()
            self._results.close()
            writer.join(patience)
            if writer.is_alive():
                self._say(f'sink: expected it to end within {patience:g} s, but it does not read; left to itself')
        return self.counts

    def _work(self, max_frames: int | None) -> None:
        stalled = False
        while not self._stop.is_set() and (max_frames is None or self.counts.done < max_frames):
            try:
                frame = self._frames.take(self.stall_after)
            except queue.Empty:
                if self._frames.closed:
                    return
                if not stalled and not self._stop.is_set():
                    stalled = True
                    self._tell_stall()
                continue
            stalled = False
            try:
                result = self.runtime(frame.images, frame.stamp)
            except ValueError as error:  # another size, another type: the next may fit again
                self.counts.refused += 1
                self._say(str(error))
                continue
            self._last = (result, frame.stamp, time.monotonic())
            self.counts.done += 1
            self.counts.unsent += self._results.put((result, frame.stamp))

    def _tell_stall(self) -> None:
        self.counts.stalls += 1
        last = self.last_good()
        known = 'there is no result yet' if last is None else f'the last result is {last.age_s:.1f} s old'
        self._say(f'{self.source.name}: no frame for {self.stall_after:g} s; {known}')

    def _read(self) -> None:
        failed = 0
        while not self._stop.is_set():
            before = self.counts.read
            try:
                self._read_once()
                break
            except Exception as error:  # whatever a driver raises, the stream must be told that it is over
                kind = '' if isinstance(error, (SourceError, OSError)) else f'{type(error).__name__}: '
                failed = 1 if self.counts.read > before else failed + 1
                self._say(
                    f'{self.source.name}: {kind}{error}'.replace(
                        f'{self.source.name}: {self.source.name}', self.source.name
                    )
                )
                if not self.source.live or failed > self.reopen:
                    break
                self.counts.reopened += 1
                self._stop.wait(min(0.1 * 2**failed, 5.0))
        self._frames.close()

    def _read_once(self) -> None:
        started: tuple[float, float] | None = None
        previous: float | None = None
        for frame in self.source.frames():
            if self._stop.is_set():
                return
            if isinstance(frame, FrameError):
                self.counts.refused += 1
                self._say(str(frame))
                continue
            self.counts.read += 1
            if previous is not None and not 0 <= frame.stamp - previous <= JUMP_S:
                self.counts.jumps += 1
                self._say(f'{self.source.name}: time jumps by {frame.stamp - previous:+.3f} s')
                started = None
            previous = frame.stamp
            if self.pace:
                started = started or (frame.stamp, time.monotonic())
                self._stop.wait(max(0.0, frame.stamp - started[0] - (time.monotonic() - started[1])))
            self.counts.dropped += self._frames.put(frame)

    def _write(self) -> None:
        while True:
            try:
                result, stamp = self._results.take(1.0)
            except queue.Empty:
                if self._results.closed:
                    break
                continue
            try:
                self.sink.write(result, stamp)
                self.counts.written += 1
            except Exception as error:
                self.counts.unwritten += 1
                self._say(str(error) if isinstance(error, SinkError) else f'sink: {type(error).__name__}: {error}')
        try:
            self.sink.close()
        except Exception as error:
            self._say(f'sink: {error}')

    def _say(self, text: str) -> None:
        if text != self._told:
            self._told = text
            self._tell(text)


__all__ = ['LastGood', 'SourceFrame', 'Stream', 'StreamCounts']
