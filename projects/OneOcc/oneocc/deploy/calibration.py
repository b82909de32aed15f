"""Which cameras a bundle is made for, from whatever file holds a calibration."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...core import geometry
from ...core.formats.atomic_files import read_json
from ...core.formats.poses import rigid_pose
from ...core.geometry import OmniCamera, View, calibrated_cameras, camera_from_dict, resolve_calibration
from ..engine.usage_error import UsageError

# x right in the image is the robot's left: a lens that looks straight up, the top of its image forward
LENS_UP = ((0.0, 1.0, 0.0, 0.0), (-1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0), (0.0, 0.0, 0.0, 1.0))


def read_calibration(path: str | Path) -> dict[str, View]:
    """The views of a rig by camera name.

    Args:
        path: a recording's `recording.json` (the ego frame is then the body's), an `infos_*.json` (its first frame), or
            a JSON `{"cameras": {name: {"model": ..., "cam_from_ego": 4x4, ...}}}`, where `"calibration": FILE` may
            stand for model and parameters. Or the file of one camera that any toolbox wrote, whose lens is taken to
            look straight up with the top of the image forward, as camera 'raw'.

    Raises:
        UsageError: no such file, or one that holds no calibration; the message names it.
    """
    path = Path(path)
    if not path.is_file():
        raise UsageError(f'--calib: expected a calibration file, got {path}, which is not there')
    try:
        content = read_json(path) if path.suffix.lower() == '.json' else None
        entries = _cameras(content)
        if entries is None:
            return {'raw': View(_lens(path), np.array(LENS_UP))}
        return {name: _view(entry, path, name) for name, entry in entries.items()}
    except UsageError:
        raise
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        told = error if str(path) in str(error) else f'{path}: expected a calibration, but it cannot be read: {error}'
        raise UsageError(str(told)) from error


def _lens(path: Path) -> OmniCamera:
    names = calibrated_cameras(path)
    if len(names) > 1:
        raise UsageError(
            f'{path}: expected one camera, got {list(names)}: write {{"cameras": {{NAME: {{"calibration": '
            f'"{path.name}", "camera": "{names[0]}", "cam_from_ego": [4x4]}}}}}} beside it, and give that'
        )
    return geometry.read_calibration(path)


def _cameras(content: Any) -> Mapping[str, Any] | None:
    """The entries of a file of ours by camera name; None where another toolbox wrote it."""
    if not isinstance(content, dict):
        return None
    if 'data_list' in content:
        return content['data_list'][0]['cameras']
    if 'rig' in content:
        return content['rig']['cameras']
    found = content.get('cameras')
    return found if isinstance(found, dict) else None


def _view(entry: Mapping[str, Any], path: Path, name: str) -> View:
    keys = [key for key in ('cam_from_ego', 'cam_from_body') if key in entry]
    if not keys:
        raise UsageError(f'{path}: camera {name!r}: expected cam_from_ego (4, 4), got none')
    pose = rigid_pose(entry[keys[0]], f'{path}: camera {name!r}: {keys[0]}')
    lens = {key: value for key, value in entry.items() if key not in ('cam_from_ego', 'cam_from_body', 'image')}
    return View(camera_from_dict(resolve_calibration(lens, path.parent), path.parent), pose)
