"""Is a calibration right? LiDAR over the picture, as an image and as a number.

    python data_converters/record.py check-calibration recording rides/monday --out overlay.png
    python data_converters/record.py check-calibration corners --equirect 5188x1970 --elevation -46.7 90 \
        --lidar-corners lidar.txt --image-corners photo.txt --extrinsic extrinsic.txt --unit mm --out corners.png

`recording` draws one frame's points over its picture, coloured by range, and says whether depth edges lie on edges of
the pictures, and whether they would more with the camera turned by a little. `corners` projects corners of calibration
boards, picked in scans, and says by how many pixels they miss the same corners picked in the pictures.
"""

from __future__ import annotations

import argparse
import math
import re
import sys
from pathlib import Path

import numpy as np
import torch

if __package__ in (None, ''):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from data_converters.corner_files import paired_corners, read_corners, read_transform
from data_converters.corner_pose import fitted_pose
from data_converters.edge_agreement import Agreement, edge_agreement
from projects.OneOcc.core.formats.atomic_files import write_png, write_text
from projects.OneOcc.core.formats.recording import Frame, Recording, RecordingError
from projects.OneOcc.core.geometry import (
    EquirectCamera,
    OmniCamera,
    View,
    camera_from_dict,
    read_calibration,
    transform_points,
)

UNITS = {'m': 1.0, 'cm': 0.01, 'mm': 0.001}
SCORED_FRAMES = 24
TOLD_PX = 3.0  # corners are picked by hand
TOLD_GAIN = 0.03  # less has been seen of calibrations that are exact


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(prog='check_calibration.py', description='LiDAR over the picture, and a number.')
    add_arguments(parser)
    return parser.parse_args(arguments)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The two ways to check, as subcommands of `parser`; `run` takes what it parses."""
    commands = parser.add_subparsers(dest='check', required=True)
    ride = commands.add_parser('recording', help='a frame of a recording')
    ride.add_argument('recording', type=Path, metavar='RECORDING', help='folder with a recording.json')
    ride.add_argument('--camera', help='default: the only one, or the first with pictures')
    ride.add_argument('--lidar', help='default: the only one, or the first with sweeps')
    ride.add_argument('--frame', help='id of the frame to draw (default: the middle one)')
    ride.add_argument('--out', type=Path, required=True, metavar='PNG')
    corners = commands.add_parser('corners', help='corners of calibration boards, picked in scans and in pictures')
    lens = corners.add_mutually_exclusive_group(required=True)
    lens.add_argument('--calibration', type=Path, metavar='FILE', help='any file that read_calibration knows')
    lens.add_argument('--equirect', metavar='WxH', help='size of an equirectangular picture')
    corners.add_argument('--camera', help='which camera of the calibration file')
    corners.add_argument('--size', metavar='WxH', help='image size, where the calibration file does not state it')
    corners.add_argument('--elevation', type=float, nargs=2, default=(-90.0, 90.0), metavar=('LOW', 'HIGH'))
    corners.add_argument('--lidar-corners', type=Path, required=True, metavar='FILE')
    corners.add_argument('--image-corners', type=Path, required=True, metavar='FILE')
    corners.add_argument('--extrinsic', type=Path, required=True, metavar='FILE', help='4x4, cam_from_lidar')
    corners.add_argument('--unit', choices=sorted(UNITS), default='m', help='of corners and extrinsic (default: m)')
    corners.add_argument(
        '--fit-out', type=Path, metavar='FILE', help='write the 4x4 that the corners themselves ask for, metres'
    )
    corners.add_argument('--image', type=Path, metavar='FILE', help='a picture to draw its corners into')
    corners.add_argument('--image-name', metavar='NAME', help='what the corner file calls it (default: its own name)')
    corners.add_argument('--out', type=Path, metavar='PNG')


def overlay(image: np.ndarray, pixels: np.ndarray, reach: np.ndarray, farthest: float = 25.0) -> np.ndarray:
    """The picture (H, W, 3) with points at pixels (N, 2), coloured by range from red (near) to blue."""
    import matplotlib

    drawn = (image * 0.6).astype(np.uint8)
    colours = (matplotlib.colormaps['turbo_r'](np.clip(reach / farthest, 0, 1))[:, :3] * 255).astype(np.uint8)
    far_first = np.argsort(-reach)
    column, row = np.floor(pixels[far_first]).astype(int).T
    height, width = image.shape[:2]
    size = max(1, round(width / 1000))
    for dy in range(size):
        for dx in range(size):
            drawn[(row + dy).clip(0, height - 1), (column + dx).clip(0, width - 1)] = colours[far_first]
    return drawn


def check_recording(
    recording: Recording, camera: str | None, lidar: str | None, frame: str | None
) -> tuple[np.ndarray, Agreement]:
    """The overlay (H, W, 3) uint8 of one frame, and the agreement of up to 24 frames of a recording.

    Raises:
        RecordingError: no such camera, LiDAR or frame, or no frame with both.
    """
    camera = camera or _first_used(recording, recording.cameras, 'camera')
    lidar = lidar or _first_used(recording, recording.lidars, 'lidar')
    for name, known, kind in ((camera, recording.cameras, 'camera'), (lidar, recording.lidars, 'lidar')):
        if name not in known:
            raise RecordingError(f'{recording.root}: expected a {kind} among {sorted(known)}, got {name!r}')
    both = [f for f in recording.frames if {camera, lidar} <= set(f.files)]
    if not both:
        raise RecordingError(f'{recording.root}: expected frames with {camera} and {lidar}, got none')
    chosen = both[len(both) // 2]
    if frame is not None:
        named = [f for f in both if f.id == frame]
        if not named:
            raise RecordingError(f'{recording.root}: expected a frame with {camera} and {lidar}, got {frame!r}')
        chosen = named[0]
    view = View(camera_from_dict(recording.cameras[camera], recording.root), recording.cameras[camera]['cam_from_body'])
    lidar_from_body = np.asarray(recording.lidars[lidar])
    few = both[:: max(1, len(both) // SCORED_FRAMES)][:SCORED_FRAMES]
    scans = [recording.read_lidar(f, lidar)['points'].astype(np.float64) for f in few]
    images = [recording.read_image(f, camera) for f in few]
    agreement = edge_agreement(view, scans, images, lidar_from_body)
    return _draw(recording, chosen, camera, lidar, view, lidar_from_body), agreement


def _draw(
    recording: Recording, frame: Frame, camera: str, lidar: str, view: View, lidar_from_body: np.ndarray
) -> np.ndarray:
    """The frame's picture (H, W, 3) uint8 with its sweep; `lidar_from_body` (4, 4)."""
    points = torch.from_numpy(recording.read_lidar(frame, lidar)['points'].astype(np.float64))
    in_camera = transform_points(view.cam_from_ego @ np.linalg.inv(lidar_from_body), points)
    pixels, valid = view.camera.project(in_camera)
    return overlay(recording.read_image(frame, camera), pixels[valid].numpy(), in_camera[valid].norm(dim=-1).numpy())


def corner_errors(
    camera: OmniCamera, cam_from_lidar: np.ndarray, corners: np.ndarray, picked: np.ndarray
) -> np.ndarray:
    """Pixels (N,) by which corners (N, 3) in metres miss where they were picked (N, 2); NaN where none is seen.

    Picked pixels are whole numbers, counted from 0: the centre of the first one is (0.5, 0.5).
    """
    pixels, valid = camera.project(transform_points(cam_from_lidar, torch.from_numpy(corners)))
    off = pixels.numpy() - picked - 0.5
    if camera.periodic:
        off[:, 0] = (off[:, 0] + camera.width / 2) % camera.width - camera.width / 2
    return np.where(valid.numpy(), np.linalg.norm(off, axis=1), np.nan)


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r'(\d+)x(\d+)', text)
    if not found:
        raise ValueError(f'expected a size as WIDTHxHEIGHT, got {text!r}')
    return int(found[1]), int(found[2])


def _lens(args: argparse.Namespace) -> OmniCamera:
    if args.equirect is not None:
        low, high = (math.radians(angle) for angle in args.elevation)
        return EquirectCamera(*_size(args.equirect), low, high)
    return read_calibration(args.calibration, args.camera, None if args.size is None else _size(args.size))


def run_corners(args: argparse.Namespace) -> str:
    """Errors of picked corners as a sentence; draws them where a picture is given.

    Raises:
        OSError, ValueError: what is wrong with the files.
    """
    camera, unit = _lens(args), UNITS[args.unit]
    scans = {name: rows * unit for name, rows in read_corners(args.lidar_corners, 3).items()}
    pictures = read_corners(args.image_corners, 2)
    try:
        corners, picked, names = paired_corners(scans, pictures)
    except ValueError as error:
        raise ValueError(f'{args.lidar_corners}, {args.image_corners}: {error}') from error
    pose = read_transform(args.extrinsic, unit)
    errors = corner_errors(camera, pose, corners, picked)
    seen = errors[np.isfinite(errors)]
    fit = fitted_pose(camera, pose, corners, picked)
    if args.fit_out is not None and fit is not None:
        write_text(args.fit_out, '\n'.join(' '.join(f'{n:.9g}' for n in row) for row in fit) + '\n')
    advice = '' if fit is None else _advice(errors, corner_errors(camera, fit, corners, picked), names)
    if not seen.size:
        raise ValueError(f'{args.extrinsic}: none of the {len(errors)} corners falls into the picture{advice}')
    if args.out is not None:
        if args.image is None:
            raise ValueError('--out: expected a picture to draw into as well, --image, got none')
        _draw_corners(args, camera, pose, corners, picked, names)
    return (
        f'{len(seen)} of {len(errors)} corners in the picture; they miss by {np.median(seen):.2f} px (median), '
        f'{np.percentile(seen, 90):.2f} px (nine of ten), {seen.max():.2f} px (all){advice}'
    )


def _advice(errors: np.ndarray, fitted: np.ndarray, names: list[str]) -> str:
    """Whether the transform, the lens or single pictures are at fault, from what the best transform would leave.

    Args:
        errors, fitted: (N,) pixels by the given and by the best transform; not finite beyond the picture.
        names: N, of the pictures.
    """
    left = float(np.nanmedian(fitted)) if np.isfinite(fitted).any() else np.inf
    now = float(np.nanmedian(errors)) if np.isfinite(errors).any() else np.inf
    told = ''
    if now > left + TOLD_PX and now > 2 * left:
        told = (
            f'; with another transform these corners would miss by {left:.2f} px (median): the one given belongs to '
            'another lens or rig, and --fit-out writes the better one'
        )
    elif left > 2 * TOLD_PX:
        told = f'; no transform brings them below {left:.2f} px (median): another lens, or corners in another order'
    wrong = [name for name in dict.fromkeys(names) if _median_of(fitted, names, name) > max(4 * left, 4 * TOLD_PX)]
    if wrong and len(wrong) <= len(set(names)) // 2:
        told += f'; the corners in {", ".join(wrong)} do not belong to their scan or stand in another order'
    return told


def _median_of(errors: np.ndarray, names: list[str], name: str) -> float:
    """Median in pixels of the errors (N,) whose picture has this name; one beyond the picture counts as infinite."""
    own = errors[[other == name for other in names]]
    return float(np.median(np.where(np.isfinite(own), own, np.inf)))


def _draw_corners(
    args: argparse.Namespace,
    camera: OmniCamera,
    pose: np.ndarray,
    corners: np.ndarray,
    picked: np.ndarray,
    names: list[str],
) -> None:
    """Draw picked corners (N, 2) green, and corners (N, 3) of the LiDAR by the pose (4, 4) red."""
    import cv2

    from projects.OneOcc.core.formats.images import read_rgb

    image = np.ascontiguousarray(read_rgb(args.image, (camera.width, camera.height)))
    wanted = {args.image_name} if args.image_name else {args.image.name, args.image.stem}
    chosen = np.array([name in wanted for name in names])
    if not chosen.any():
        raise ValueError(f'{args.image}: expected --image-name to be one of {sorted(set(names))}, got none of them')
    pixels, valid = camera.project(transform_points(pose, torch.from_numpy(corners)))
    radius = max(4, image.shape[1] // 600)
    for at, colour, shown in (
        (picked + 0.5, (0, 255, 0), chosen),
        (pixels.numpy(), (255, 0, 0), chosen & valid.numpy()),
    ):
        for u, v in at[shown]:
            cv2.circle(image, (int(u), int(v)), radius, colour, max(1, radius // 3))
    write_png(args.out, image)


def run_recording(args: argparse.Namespace) -> str:
    """The overlay as a file, the agreement as a sentence.

    Raises:
        OSError, ValueError: what is wrong with the recording.
    """
    picture, found = check_recording(Recording.read(args.recording), args.camera, args.lidar, args.frame)
    write_png(args.out, picture)
    axis, turn, best = found.best_turn()
    said = f"{found.edges} depth edges; rank of the picture's gradient there {found.score:.3f} (chance: 0.5)"
    if best - found.score < max(TOLD_GAIN, 2 * found.noise):
        return f'{said}; no turn of the camera by up to 6 degrees betters it by {TOLD_GAIN}'
    return (
        f'{said}; with the camera turned by {turn:+.1f} degrees about {axis} it would be {best:.3f}: look at {args.out}'
    )


def _first_used(recording: Recording, sensors: dict, kind: str) -> str:
    for name in sensors:
        if any(name in frame.files for frame in recording.frames):
            return name
    raise RecordingError(f'{recording.root}: expected frames with a {kind}, got none')


def run(args: argparse.Namespace) -> None:
    """Check and print the sentence; raises as `run_recording` and `run_corners` do."""
    print(run_recording(args) if args.check == 'recording' else run_corners(args))


def main(arguments: list[str] | None = None) -> int:
    """Entry point; 0 = done, 2 = an error told in one sentence."""
    args = parse_args(arguments)
    try:
        run(args)
    except (ValueError, OSError) as error:
        print(f'check_calibration.py: error: {error}', file=sys.stderr)
        return 2
    return 0


if __name__ == '__main__':
    sys.exit(main())
