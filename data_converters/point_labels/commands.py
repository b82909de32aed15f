"""What the subcommands of record.py do that change labels of points."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from tqdm import tqdm

from data_converters.point_labels.mask_files import (
    MaskError,
    class_map_of,
    find_masks,
    label_image,
    read_masks,
)
from data_converters.point_labels.mask_votes import VoteSettings, vote
from data_converters.point_labels.moving_points import MotionSettings, in_box, moving_points, read_tracks
from data_converters.point_labels.point_labeler import export_labels, import_labels
from data_converters.point_labels.sweep_labels import label_change, replace_labels
from projects.OneOcc.core.formats.labels import UNKNOWN
from projects.OneOcc.core.formats.recording import Frame, Recording, RecordingError
from projects.OneOcc.core.geometry import camera_from_dict


def label_points(args: argparse.Namespace) -> None:
    """Label all sweeps from masks."""
    recording = Recording.read(args.recording)
    _need_lidar(recording)
    if not args.window >= 0:
        raise ValueError(f'--window: expected seconds from 0 on, got {args.window}')
    name = args.camera or next(iter(recording.cameras))
    if name not in recording.cameras:
        raise ValueError(f'--camera: expected one of {sorted(recording.cameras)}, got {name!r}')
    if not args.masks.is_dir():
        raise FileNotFoundError(f'{args.masks}: no such folder')
    class_map = class_map_of(_class_names(args.classes), recording.classes, str(args.classes))
    mount = recording.cameras[name]
    camera = camera_from_dict(mount, recording.root)
    size = camera.width, camera.height
    files = {frame.id: find_masks(args.masks, frame.id, args.format) for frame in recording.frames}
    if not any(files.values()):
        raise MaskError(
            f'{args.masks}: expected masks ({args.format}) of frames such as {recording.frames[0].id}, got none of '
            f'{len(recording.frames)} frames'
        )
    unknown: dict[str, int] = {}
    for path in filter(None, files.values()):  # all is read once before a label is changed
        for mask in read_masks(path, args.format, size).names:
            if mask not in class_map:
                unknown[mask] = unknown.get(mask, 0) + 1
    if unknown:
        told = ', '.join(f'{mask} ({count})' for mask, count in sorted(unknown.items()))
        print(f'note: masks of other names stay unlabelled: {told}; --classes maps them', file=sys.stderr)

    def label_of(frame: Frame) -> np.ndarray | None:
        """(H, W) uint8 labels of a frame by its masks, see `label_image`; None for a frame without a file."""
        path = files[frame.id]
        return None if path is None else label_image(read_masks(path, args.format, size), class_map, args.rule, size)

    settings = VoteSettings(window_s=args.window, cell_deg=0.0 if args.no_depth_test else VoteSettings().cell_deg)
    changed = labelled = total = 0
    details = dict(format=args.format, rule=args.rule, window_s=args.window, depth_test=not args.no_depth_test)
    with label_change(recording, 'label-points', **details) as entry:
        for frame, lidar, labels in tqdm(
            vote(recording, camera, mount['cam_from_body'], label_of, settings),
            unit='sweep',
            desc='label points',
            disable=args.quiet,
        ):
            changed += replace_labels(recording, frame, lidar, label=labels)
            labelled += int((labels != UNKNOWN).sum())
            total += len(labels)
        entry.update(images=sum(path is not None for path in files.values()), labelled=labelled, points=total)
    print(
        f'{recording.root}: {labelled} of {total} points labelled ({100 * labelled / max(total, 1):.1f} %), '
        f'{changed} changed'
    )


def find_moving(args: argparse.Namespace) -> None:
    """Mark moving points."""
    recording = Recording.read(args.recording)
    _need_lidar(recording)
    if not (args.classes or args.tracks or args.free_space):
        raise ValueError('find-moving: expected --classes, --tracks or --free-space, got none of them')
    wrong = sorted(set(args.classes) - set(recording.classes))
    if wrong:
        raise ValueError(f'--classes: expected some of {list(recording.classes)}, got {wrong[0]!r}')
    numbers = [recording.classes.index(name) + 1 for name in args.classes]
    boxes = read_tracks(args.tracks, recording) if args.tracks else {}
    by_motion = {
        lidar: moving_points(recording, lidar, MotionSettings()) for lidar in recording.lidars if args.free_space
    }
    marked = total = 0
    with label_change(recording, 'find-moving', classes=args.classes, free_space=args.free_space) as entry:
        for index, frame in enumerate(recording.frames):
            for lidar in set(recording.lidars) & set(frame.files):
                sweep = recording.read_lidar(frame, lidar)
                dynamic = np.isin(sweep['label'], numbers) | (sweep['dynamic'] if args.keep else False)
                label = sweep['label'].copy()
                if lidar in by_motion:
                    dynamic |= by_motion[lidar][index]
                if frame.id in boxes:
                    world_from_lidar = frame.world_from_body @ np.linalg.inv(recording.lidars[lidar])
                    world = sweep['points'] @ world_from_lidar[:3, :3].T + world_from_lidar[:3, 3]
                    for box in boxes[frame.id]:
                        inside = in_box(world, box)
                        dynamic |= inside
                        if 'class' in box:
                            label[inside] = recording.classes.index(box['class']) + 1
                replace_labels(recording, frame, lidar, label, dynamic)
                marked, total = marked + int(dynamic.sum()), total + len(dynamic)
        entry.update(moving=marked, points=total)
    print(f'{recording.root}: {marked} of {total} points move ({100 * marked / max(total, 1):.2f} %)')


def export_recording(args: argparse.Namespace) -> None:
    """Write the layout of point_labeler."""
    recording = Recording.read(args.recording)
    _need_lidar(recording)
    lidar = args.lidar or next(iter(recording.lidars))
    if lidar not in recording.lidars:
        raise ValueError(f'--lidar: expected one of {sorted(recording.lidars)}, got {lidar!r}')
    count = export_labels(recording, lidar, args.out)
    print(f'{args.out}: {count} sweeps of {lidar}; edit labels/ there, then import-labels takes back what changed')


def import_recording(args: argparse.Namespace) -> None:
    """Take labels back."""
    recording = Recording.read(args.recording)
    report = import_labels(recording, args.source, args.force)
    points = sum(report.changed.values())
    print(f'{recording.root}: {points} points of {len(report.changed)} sweeps changed')
    for frame, count in report.conflicts.items():
        print(f'  frame {frame}: {count} points had changed on both sides; the labels by hand won', file=sys.stderr)


HANDLERS = {
    'label-points': label_points,
    'find-moving': find_moving,
    'export-labels': export_recording,
    'import-labels': import_recording,
}


def _need_lidar(recording: Recording) -> None:
    if not recording.lidars:
        raise RecordingError(
            f'{recording.root / "recording.json"}: expected a lidar whose points are labelled, got none'
        )


def _class_names(path: Path | None) -> dict[str, str] | None:
    if path is None:
        return None
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding='utf-8-sig'))
    except yaml.YAMLError as error:
        raise MaskError(f'{path}: expected YAML: {" ".join(str(error).split())}') from error
    if not isinstance(content, dict):
        raise MaskError(f'{path}: expected NAME: CLASS in every line, got {type(content).__name__}')
    return {str(name): str(target) for name, target in content.items()}
