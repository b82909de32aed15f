"""A ride out of a folder: images, point files, a trajectory, as `ride.py` wants it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from data_converters.recorders.lidar_odometry import odometry
from data_converters.recorders.pictures import Picture
from data_converters.recorders.point_fields import Cloud
from data_converters.recorders.point_files import POINT_SUFFIXES, read_points
from data_converters.recorders.pose_files import read_pose_file
from data_converters.recorders.pose_track import PoseTrack, RideError
from data_converters.recorders.ride import Payload
from data_converters.recorders.rig import Rig, SensorEntry
from projects.OneOcc.core.formats.images import ImageError, read_rgb

IMAGE_SUFFIXES = ('.png', '.jpg', '.jpeg', '.bmp', '.webp')
TIMES_FILE = 'times.txt'


class FolderSource:
    """Files and poses of a folder.

    The time of a file is, in this order: its row in a times.txt beside its folder or in it (seconds, one a row); the
    number that its name is (at least 12 digits: nanoseconds; with a decimal point: seconds); its number in the
    sequence at `rate_hz`.

    Args:
        rate_hz: Files a second, for names that are no times.

    Raises:
        RideError: A folder of the rig is missing or empty, or nothing tells its times.
    """

    def __init__(self, folder: Path, rig: Rig, rate_hz: float | None = None) -> None:
        self.name = str(folder)
        self.notes: list[str] = []
        self._folder, self._rig, self._rate = folder, rig, rate_hz
        self._entries: dict[str, SensorEntry] = {**rig.cameras, **rig.lidars}
        if not folder.is_dir():
            raise FileNotFoundError(f'{folder}: no such folder')
        self._files = {
            name: sensor_files(folder / entry.source, POINT_SUFFIXES if name in rig.lidars else IMAGE_SUFFIXES)
            for name, entry in self._entries.items()
        }
        self._times = {name: self._file_times(files) for name, files in self._files.items()}

    def times(self, sensor: str) -> np.ndarray:
        """(N,) seconds."""
        return self._times[sensor] + self._entries[sensor].time_offset

    def mount(self, sensor: str) -> np.ndarray:
        """sensor_from_body (4, 4)."""
        mount = self._entries[sensor].mount
        if mount is None:
            raise RideError(f'{self._rig.path}: {sensor}: expected a mount in numbers for a folder, got tf')
        return mount

    def track(self) -> PoseTrack:
        """world_from_body over time, from the trajectory file or, without one, from the LiDAR."""
        pose = self._rig.pose
        if pose.topic is not None or pose.tf is not None:
            raise RideError(f'{self._rig.path}: pose: expected `file: PATH` or nothing for a folder, got a topic or tf')
        if pose.child_from_body is None:
            raise RideError(f'{self._rig.path}: pose: child_from_body: expected numbers for a folder, got tf')
        track = self._lidar_track() if pose.file is None else self._file_track(pose.file)
        matrices = pose.world_from_poses @ track.matrices() @ (np.eye(4) if pose.file is None else pose.child_from_body)
        return PoseTrack.from_matrices(track.times + pose.time_offset, matrices, f'{self.name}: poses', pose.max_gap)

    def read(self, wanted: Mapping[str, set[int]]) -> Iterator[tuple[str, int, Payload]]:
        """Pictures and clouds, sensor by sensor."""
        for name, numbers in wanted.items():
            for number in sorted(numbers):
                path = self._files[name][number]
                yield name, number, self._cloud(name, number) if name in self._rig.lidars else self._picture(name, path)

    def accelerations(self) -> tuple[np.ndarray, np.ndarray]:
        """A folder has none."""
        raise RideError(f'{self._rig.path}: ego: gravity: imu: expected a bag, got a folder; use ground or odometry')

    def _cloud(self, name: str, number: int) -> Cloud:
        path = self._files[name][number]
        cloud = read_points(path, float(self._times[name][number]))
        labels = self._rig.lidars[name].options.get('labels')
        if labels is not None:
            file = self._folder / str(labels) / f'{path.stem}.label'
            if file.is_file():
                ids = np.fromfile(file, '<u4')
                if len(ids) != len(cloud.points) + cloud.broken:
                    raise RideError(
                        f'{file}: expected {len(cloud.points) + cloud.broken} labels as {path} has points, got '
                        f'{len(ids)}'
                    )
                if cloud.broken:
                    raise RideError(f'{path}: expected finite points beside labels, got {cloud.broken} broken ones')
                cloud.label = ids
            else:
                self.notes.append(f'{name}: sweeps without a label file stay unlabelled')
        return cloud

    def _picture(self, name: str, path: Path) -> Picture:
        options = self._rig.cameras[name].options
        try:
            rgb = read_rgb(path, bit_depth=options.get('bit_depth'), orientation='ignore')
        except ImageError as error:
            raise RideError(str(error)) from error
        size = rgb.shape[1], rgb.shape[0]
        if path.suffix.lower() in ('.jpg', '.jpeg'):
            return Picture(None, path.read_bytes(), size)
        return Picture(rgb, None, size)

    def _file_times(self, files: list[Path]) -> np.ndarray:
        home = files[0].parent
        for path in (home / TIMES_FILE, home.parent / TIMES_FILE):
            if path.is_file():
                return self._listed_times(path, files)
        stems = [path.stem for path in files]
        times = np.array([_time_of(stem) for stem in stems])
        if np.isfinite(times).all():
            return times
        if self._rate is None:
            raise RideError(
                f'{home}: expected times: a {TIMES_FILE} with one a row, or names that are times (nanoseconds, or '
                'seconds '
                f'with a decimal point), got {stems[0]!r}; --rate HZ counts them instead'
            )
        return np.array([_number_of(stem, index) for index, stem in enumerate(stems)]) / self._rate

    def _listed_times(self, path: Path, files: list[Path]) -> np.ndarray:
        try:
            rows = np.array([float(line) for line in path.read_text().split()])
        except ValueError as error:
            raise RideError(f'{path}: expected one time in seconds a row: {error}') from error
        numbers = _row_numbers([file.stem for file in files], len(rows))
        if not len(rows) or max(numbers) >= len(rows):
            raise RideError(
                f'{path}: expected a time for each of {len(files)} files of {files[0].parent}, got {len(rows)} rows'
            )
        return rows[numbers]

    def _file_track(self, file: str) -> PoseTrack:
        pose = self._rig.pose
        path = self._folder / file
        times, poses = read_pose_file(path, pose.format)
        if times is not None:
            return PoseTrack.from_rows(poses, str(path), pose.max_gap)
        name = next(iter(self._rig.lidars or self._rig.cameras))
        numbers = np.array(_row_numbers([path.stem for path in self._files[name]], len(poses)))
        there = numbers < len(poses)
        if not there.any():
            raise RideError(
                f'{path}: expected poses of the files of {name}, numbers {numbers[0]} to {numbers[-1]}, got '
                f'{len(poses)} rows'
            )
        return PoseTrack.from_matrices(self._times[name][there], poses[numbers[there]], str(path), pose.max_gap)

    def _lidar_track(self) -> PoseTrack:
        name = next(iter(self._rig.lidars), None)
        if name is None:
            raise RideError(
                f'{self._rig.path}: pose: expected `file: PATH`, or a lidar to find the poses with, got neither'
            )
        clouds = (self._cloud(name, number) for number in range(len(self._files[name])))
        poses, note = odometry(clouds, self.mount(name))
        self.notes.append(note)
        return PoseTrack.from_matrices(
            self.times(name), poses, f'{self.name}: odometry of {name}', self._rig.pose.max_gap
        )


def sensor_files(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """Files of a sensor in the order of their names.

    Raises:
        RideError: No such folder, or none of them in it.
    """
    if not folder.is_dir():
        raise RideError(f'{folder}: expected a folder with {", ".join(suffixes)} files, got no such folder')
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in suffixes)
    if not files:
        raise RideError(f'{folder}: expected {", ".join(suffixes)} files, got none')
    return files


def _time_of(stem: str) -> float:
    """Seconds that a file's name says, NaN if it says none."""
    if stem.isdigit():
        return int(stem) * 1e-9 if len(stem) >= 12 else np.nan
    try:
        return float(stem) if '.' in stem else np.nan
    except ValueError:
        return np.nan


def _number_of(stem: str, index: int) -> int:
    return int(stem) if stem.isdigit() and len(stem) < 12 else index


def _row_numbers(stems: list[str], rows: int) -> list[int]:
    """Row of each file in a list: the number that its name is, or its place in the sequence."""
    if all(stem.isdigit() and len(stem) < 12 for stem in stems) and rows != len(stems):
        return [int(stem) for stem in stems]
    return list(range(len(stems)))
