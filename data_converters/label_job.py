"""Label one recording, as a job that any worker can do."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from data_converters.ground_truth import label_sequence
from data_converters.sequence_summaries import summary_path
from data_converters.voxel_edits import EDITS_FILE
from data_converters.voxelize import VoxelizeSettings
from projects.OneOcc.core.formats.atomic_files import write_json
from projects.OneOcc.core.formats.recording import Recording
from projects.OneOcc.core.geometry import CartesianGrid


def label_one(
    folder: Path, out: Path, grids: tuple[CartesianGrid, ...], settings: VoxelizeSettings, digest: str, on_frame: Any
) -> None:
    """Label one recording, then mark it as done."""
    recording = Recording.read(folder)
    summary = label_sequence(recording, out, grids, settings, on_frame)
    write_json(summary_path(out, recording.name), dict(summary, made_from=digest))


def recording_digest(recording: Recording) -> str:
    """Digest of recording.json, voxel_edits.json and the sizes of the sensor files: what changed is labelled anew."""
    digest = hashlib.sha256((recording.root / 'recording.json').read_bytes())
    edits = recording.root / EDITS_FILE
    digest.update(edits.read_bytes() if edits.is_file() else b'')
    for frame in recording.frames:
        for file in sorted(frame.files.values()):
            digest.update(f'{file} {(recording.root / file).stat().st_size}\n'.encode())
    return digest.hexdigest()[:16]
