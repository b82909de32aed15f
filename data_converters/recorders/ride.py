"""One writer for all sources: aligned in time, moved by the poses, levelled, smoothed, written whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Union

import numpy as np

from data_converters.recorders.ego_motion import ego_poses, level_from_world, up_from_accelerations
from data_converters.recorders.frame_plan import PlannedFrame, plan_frames
from data_converters.recorders.ground import GroundPlane, find_ground
from data_converters.recorders.pictures import Picture
from data_converters.recorders.point_fields import Cloud
from data_converters.recorders.pose_track import PoseTrack, RideError
from data_converters.recorders.rig import Rig
from projects.OneOcc.core.formats.labels import UNKNOWN
from projects.OneOcc.core.formats.paths import check_name
from projects.OneOcc.core.formats.recording import Frame, Recording

Payload = Union[Picture, Cloud]
GROUND_SWEEPS = 12


class RideSource(Protocol):
    """Where messages come from: bags, or a folder."""

    name: str
    notes: list[str]

    def times(self, sensor: str) -> np.ndarray:
        """(N,) seconds of all messages of a sensor, its offset added."""

    def mount(self, sensor: str) -> np.ndarray:
        """sensor_from_body (4, 4)."""

    def track(self) -> PoseTrack:
        """world_from_body over time."""

    def read(self, wanted: Mapping[str, set[int]]) -> Iterator[tuple[str, int, Payload]]:
        """(sensor, number, picture or cloud) of the wanted messages, in any order."""

    def accelerations(self) -> tuple[np.ndarray, np.ndarray]:
        """Times (N,) and accelerations (N, 3) in the body's axes."""


@dataclass
class RideReport:
    """What became of a ride, for people to read."""

    frames: int = 0
    key_frames: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    ground: GroundPlane | None = None

    def lines(self) -> list[str]:
        """One line a fact."""
        told = [f'{self.frames} frames, {self.key_frames} of them with an image']
        told += [f'{count} {what}' for what, count in self.counts.items() if count]
        return told + [f'note: {note}' for note in dict.fromkeys(self.notes)]


def write_ride(
    source: RideSource,
    rig: Rig,
    out: Path,
    every: float = 0.5,
    on_message: Callable[[int, int], Any] = lambda done, total: None,
) -> RideReport:
    """Write a recording to the new folder `out`.

    Args:
        every: Least time between two frames with an image, seconds.
        on_message: Called with the messages written so far and their number.

    Raises:
        RideError, RecordingError: What keeps the ride from becoming a recording; nothing is left in `out` then.
        OSError: Trouble with the disk.
    """
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RideError(f'{out}: expected a new or empty folder, got one with content')
    name = check_name(rig.name or out.resolve().name, f'{rig.path}: name')
    if not rig.cameras:
        raise RideError(f'{rig.path}: cameras: expected at least one (labels belong to its images), got none')
    report = RideReport(notes=source.notes)
    writer = _Writer(source, rig, report)
    frames = writer.frames(every)
    partial = out.resolve().parent / f'.{out.resolve().name}.{os.getpid()}.tmp'
    shutil.rmtree(partial, ignore_errors=True)
    try:
        recording = writer.recording(partial, name, frames)
        writer.fill(recording, frames, on_message)
        recording.write()
        recording.validate()
        if out.exists():
            out.rmdir()
        os.replace(partial, out)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return report


class _Writer:
    def __init__(self, source: RideSource, rig: Rig, report: RideReport) -> None:
        self.source, self.rig, self.report = source, rig, report
        self.track = source.track()
        self.mounts = {sensor: source.mount(sensor) for sensor in (*rig.cameras, *rig.lidars)}
        self.level = np.eye(4)
        self.up_error_deg: float | None = None

    def frames(self, every: float) -> list[PlannedFrame]:
        """Frames whose pose is known; what has none is counted."""
        times = {sensor: self.source.times(sensor) for sensor in self.mounts}
        empty = [sensor for sensor, at in times.items() if not len(at)]
        if empty:
            raise RideError(f'{self.source.name}: {empty[0]}: expected messages, got none')
        known = {}
        for sensor, at in times.items():
            there = self.track.at(at)[1]
            known[sensor] = np.where(there, at, np.nan)
            self.report.counts[f'messages of {sensor} without a pose (of {len(at)})'] = int((~there).sum())
        camera = next(iter(self.rig.cameras))
        if not np.isfinite(known[camera]).any():
            first = times[camera]
            raise RideError(
                f'{self.source.name}: expected poses at the times of the images, {first.min():.3f} to '
                f'{first.max():.3f} s, got poses from {self.track.times[0]:.3f} to {self.track.times[-1]:.3f} s: '
                'no frame has one; a clock that differs is mended by time_offset in rig.yaml'
            )
        images = {camera: known[camera] for camera in self.rig.cameras}
        frames, left_out = plan_frames(images, {lidar: known[lidar] for lidar in self.rig.lidars}, every)
        for camera, count in left_out.items():
            self.report.counts[f'images of {camera} left out (at most one in {every:g} s, or no partner)'] = count
        return frames

    def recording(self, root: Path, name: str, frames: list[PlannedFrame]) -> Recording:
        """The recording with its poses, without files."""
        self._find_up(frames)
        cameras = {}
        for camera, entry in self.rig.cameras.items():
            cameras[camera] = dict(self.rig.camera(camera), cam_from_body=self.mounts[camera])
            if 'mask' in entry.options:
                cameras[camera]['mask'] = self._bring_mask(root, camera, str(entry.options['mask']))
        recording = Recording(
            root,
            name,
            self.rig.classes,
            cameras,
            {lidar: self.mounts[lidar] for lidar in self.rig.lidars},
            self._meta(),
            intensity_max={
                lidar: float(entry.options['intensity_max'])
                for lidar, entry in self.rig.lidars.items()
                if 'intensity_max' in entry.options
            },
        )
        times = np.array([frame.time for frame in frames])
        track = PoseTrack.from_matrices(
            self.track.times, self.level @ self.track.matrices(), self.source.name, self.track.max_gap
        )
        bodies, _ = track.at(times)
        egos = ego_poses(track, times, self.rig.cutoff_hz)
        recording.frames = [
            Frame(f'{index:06d}', frame.time, ego, body)
            for index, (frame, ego, body) in enumerate(zip(frames, egos, bodies))
        ]
        self.report.frames = len(frames)
        self.report.key_frames = sum(bool(set(frame.sensors) & set(self.rig.cameras)) for frame in frames)
        return recording

    def fill(self, recording: Recording, frames: list[PlannedFrame], on_message: Callable[[int, int], Any]) -> None:
        """Write the sensor files of all frames."""
        at = {(sensor, number): index for index, frame in enumerate(frames) for sensor, number in frame.sensors.items()}
        wanted: dict[str, set[int]] = {sensor: set() for sensor in self.mounts}
        for sensor, number in at:
            wanted[sensor].add(number)
        times = {sensor: self.source.times(sensor) for sensor in self.rig.lidars}
        levels: list[np.ndarray] = []
        for done, (sensor, number, payload) in enumerate(self.source.read(wanted), 1):
            frame = recording.frames[at[sensor, number]]
            if isinstance(payload, Picture):
                self._write_picture(recording, frame, sensor, payload)
            else:
                moved = self._moved(payload, sensor, float(times[sensor][number]), frame)
                self._write_cloud(recording, frame, sensor, moved)
                if len(levels) < GROUND_SWEEPS:
                    body_from_lidar = np.linalg.inv(self.mounts[sensor])
                    ego_from_lidar = np.linalg.inv(frame.world_from_ego) @ frame.world_from_body @ body_from_lidar
                    levels.append(moved.points @ ego_from_lidar[:3, :3].T + ego_from_lidar[:3, 3])
            on_message(done, len(at))
        self._tell_ground(recording, levels)

    def _meta(self) -> dict[str, Any]:
        ego: dict[str, Any] = dict(cutoff_hz=self.rig.cutoff_hz, gravity=self.rig.gravity)
        if self.up_error_deg is not None:
            ego['gravity_error_deg'] = round(self.up_error_deg, 3)
        return dict(self.rig.meta, source=Path(self.source.name).name or self.source.name, ego=ego)

    def _bring_mask(self, root: Path, camera: str, file: str) -> str:
        source = self.rig.folder / file
        if not source.is_file():
            raise RideError(f'{self.rig.path}: cameras: {camera}: mask: expected an image, got no file {source}')
        name = f'masks/{camera}{source.suffix.lower()}'
        (root / 'masks').mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, root / name)
        return name

    def _find_up(self, frames: list[PlannedFrame]) -> None:
        if self.rig.gravity == 'imu':
            times, felt = self.source.accelerations()
            poses, known = self.track.at(times)
            up, self.up_error_deg = up_from_accelerations(poses[known], felt[known])
            self.level = level_from_world(up)
        elif self.rig.gravity == 'ground':
            self.level = level_from_world(self._up_of_ground(frames))

    def _up_of_ground(self, frames: list[PlannedFrame]) -> np.ndarray:
        """Mean normal of the ground below the sweeps, in the world; the body's z axis says which side is up."""
        lidar = next(iter(self.rig.lidars), None)
        if lidar is None:
            raise RideError(f'{self.rig.path}: ego: gravity: ground: expected a lidar in the rig, got none')
        numbers = [frame.sensors[lidar] for frame in frames if lidar in frame.sensors]
        chosen = set(numbers[:: max(1, len(numbers) // GROUND_SWEEPS)])
        times, normals = self.source.times(lidar), []
        for _, number, cloud in self.source.read({lidar: chosen}):
            assert isinstance(cloud, Cloud)
            body_from_lidar = np.linalg.inv(self.mounts[lidar])
            plane = find_ground(cloud.points @ body_from_lidar[:3, :3].T)
            if plane is not None and plane.upward:
                world_from_body = self.track.at(times[[number]])[0][0]
                normals.append(world_from_body[:3, :3] @ plane.normal)
        if len(normals) < max(1, len(chosen) // 2):
            raise RideError(
                f'{self.source.name}: gravity: ground: expected the ground below {lidar} in most of {len(chosen)} '
                'sweeps, got '
                f'it in {len(normals)}; use gravity: imu, or odometry'
            )
        up = np.mean(normals, axis=0)
        angles = np.degrees(np.arccos(np.clip(np.array(normals) @ up / np.linalg.norm(up), -1, 1)))
        self.up_error_deg = float(np.sqrt(np.mean(angles**2)) / np.sqrt(len(normals)))
        return up

    def _moved(self, cloud: Cloud, sensor: str, time: float, frame: Frame) -> Cloud:
        """The points as the LiDAR would have seen them at the time of the frame, by the body's poses.

        Every point has its own time where the driver tells it (deskewing), else that of its message.
        """
        after = np.zeros(len(cloud.points)) if cloud.time is None else cloud.time
        cloud.time = None if cloud.time is None else after + time - frame.time
        body_from_lidar = np.linalg.inv(self.mounts[sensor])
        # a millisecond moves a running robot by less than a centimetre
        bins, which = np.unique(np.round((after + time) * 1e3), return_inverse=True)
        world_from_lidar = self.level @ self.track.at(bins * 1e-3)[0] @ body_from_lidar
        lidar_from_bins = self.mounts[sensor] @ np.linalg.inv(frame.world_from_body) @ world_from_lidar
        turned = np.einsum('nij,nj->ni', lidar_from_bins[which, :3, :3], cloud.points)
        padding = ~cloud.points.any(axis=1)
        cloud.points = np.where(padding[:, None], 0.0, turned + lidar_from_bins[which, :3, 3])
        return cloud

    def _write_picture(self, recording: Recording, frame: Frame, camera: str, picture: Picture) -> None:
        model = recording.cameras[camera]
        if picture.size != (model['width'], model['height']):
            raise RideError(
                f'{self.source.name}: {camera}: expected images of {model["width"]}x{model["height"]} as the '
                'calibration '
                f'states, got {picture.size[0]}x{picture.size[1]}'
            )
        if picture.jpeg is not None:
            recording.keep_image(frame, camera, picture.jpeg, 'jpg')
        elif picture.rgb is not None:
            recording.write_image(frame, camera, picture.rgb)

    def _write_cloud(self, recording: Recording, frame: Frame, lidar: str, cloud: Cloud) -> None:
        counts = self.report.counts
        key = f'points of {lidar} that were NaN or infinite'
        counts[key] = counts.get(key, 0) + cloud.broken
        padding = int((~cloud.points.any(axis=1)).sum())
        key = f'points of {lidar} at (0, 0, 0), padding of its driver'
        counts[key] = counts.get(key, 0) + padding
        self.report.notes.extend(f'{lidar}: {note}' for note in cloud.notes)
        far = np.abs(cloud.points).max(axis=1, initial=0) < 1e5
        cloud = cloud.chosen(far)
        largest = recording.intensity_max.get(lidar)
        labels, dynamic = self._labels(cloud, lidar)
        scan: dict[str, np.ndarray] = dict(
            points=cloud.points.astype(np.float32),
            intensity=_intensity(cloud, lidar, largest, self.rig),
            label=labels,
            dynamic=dynamic,
        )
        if cloud.time is not None:
            scan['time'] = cloud.time.astype(np.float32)
        if cloud.ring is not None:
            scan['ring'] = np.clip(cloud.ring, 0, 65535).astype(np.uint16)
        recording.write_lidar(frame, lidar, scan)

    def _labels(self, cloud: Cloud, lidar: str) -> tuple[np.ndarray, np.ndarray]:
        """Labels (N,) uint8 and dynamic (N,) bool from raw ids by the rig's `label_map`."""
        none = np.zeros(len(cloud.points), bool)
        if self.rig.geometry_only:
            return np.ones(len(cloud.points), np.uint8), none
        label_map = self.rig.lidars[lidar].options.get('label_map')
        if cloud.label is None or label_map is None:
            return np.full(len(cloud.points), UNKNOWN, np.uint8), none
        ids = cloud.label.astype(np.int64) & 0xFFFF  # the upper half counts instances
        labels, dynamic = np.full(len(ids), UNKNOWN, np.uint8), none
        for raw, target in label_map.items():
            name = str(target)
            chosen = ids == int(raw)
            if name.startswith('moving '):
                name, dynamic = name.removeprefix('moving '), dynamic | chosen
            if name in self.rig.classes:
                labels[chosen] = self.rig.classes.index(name) + 1
            elif name != 'unlabelled':
                raise RideError(
                    f'{self.rig.path}: lidars: {lidar}: label_map: {raw}: expected one of '
                    f'{list(self.rig.classes)}, perhaps '
                    f'after "moving ", or unlabelled, got {name!r}'
                )
        return labels, dynamic

    def _tell_ground(self, recording: Recording, clouds: list[np.ndarray]) -> None:
        planes = [find_ground(points[side * points[:, 2] < 0]) for points in clouds for side in (1, -1)]
        found = [plane for plane in planes if plane is not None and plane.upward]
        above = [plane for plane in planes if plane is not None and not plane.upward]
        sizes = [sum(plane.count for plane in side) for side in (found, above)]
        if sizes[1] > 2 * sizes[0] and len(above) >= len(clouds) / 2:
            self.report.notes.append(
                'the largest level plane lies ABOVE the sensor: does the LiDAR hang upside down? Then its mount is '
                'wrong (turn '
                'it by 180 degrees about x: rpy_deg [180, 0, 0]); below a ceiling all is well'
            )
        elif found and len(found) >= len(clouds) / 2:
            self.report.ground = sorted(found, key=lambda plane: plane.height)[len(found) // 2]
            recording.meta['ground_height_m'] = round(self.report.ground.height, 3)
        elif clouds:
            self.report.notes.append('no ground was found below the sensor: check the mounts before labels are made')


def _intensity(cloud: Cloud, lidar: str, largest: float | None, rig: Rig) -> np.ndarray:
    """Intensity (N,) as the file had it, 0 where there is none; refuses a scale that nobody states."""
    if cloud.intensity is None:
        return np.zeros(len(cloud.points), np.float32)
    values = np.asarray(cloud.intensity)
    if largest is None and values.dtype.kind == 'f' and values.size and np.nanmax(values) > 1.001:
        raise RideError(
            f'{rig.path}: lidars: {lidar}: expected intensity_max (what an intensity of 1 is), as values reach '
            f'{np.nanmax(values):g}; 255 for most drivers'
        )
    if largest is not None:
        return np.clip(np.nan_to_num(values.astype(np.float32), posinf=0), 0, largest)
    if values.dtype.kind in 'iu' and values.dtype not in (np.uint8, np.uint16):
        raise RideError(f'{rig.path}: lidars: {lidar}: expected intensity_max for intensities of type {values.dtype}')
    return values
