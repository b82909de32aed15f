"""All frames of a set by sequence, also those that a dataset leaves out: past frames are read from here."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from ...core.geometry.ego_motion import past_frames


class SequenceFrames:
    """The entries of an info file, packed, so that worker processes share their memory.

    Args:
        entries: of the file; frames of a sequence are put in the order of their times.
    """

    def __init__(self, entries: Sequence[dict]) -> None:
        blobs = [np.frombuffer(json.dumps(entry).encode(), np.uint8) for entry in entries]
        self._ends = np.cumsum([0, *(len(blob) for blob in blobs)])
        self._bytes = np.concatenate(blobs)
        by_sequence: dict[str, list[int]] = defaultdict(list)
        for number, entry in enumerate(entries):
            by_sequence[entry['sequence']].append(number)
        self._order = {
            sequence: sorted(numbers, key=lambda n: (entries[n]['time'], n))
            for sequence, numbers in by_sequence.items()
        }
        self._place = {
            entries[number]['sample_id']: (sequence, place)
            for sequence, numbers in self._order.items()
            for place, number in enumerate(numbers)
        }

    def previous(self, sample_id: str, offsets: Sequence[int]) -> list[dict]:
        """The entries so many frames away in the sequence; the frame's own where the sequence has none there."""
        sequence, place = self._place[sample_id]
        order = self._order[sequence]
        return [self._entry(order[index]) for index in past_frames(place, offsets, len(order))[1:]]

    def _entry(self, number: int) -> dict:
        return json.loads(self._bytes[self._ends[number] : self._ends[number + 1]].tobytes())
