"""One function a format: what its file says, as the camera that we have for it.

Every one of these toolboxes counts pixels from the centre of the first one; ours begins at its corner, so half a pixel
is added to each principal point here. Camera frames are x right, y down, z out of the lens in all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .cameras import camera_from_dict, camera_models
from .ocamcalib import OCamCalib, camera_parameters
from .omni_camera import OmniCamera
from .plane_camera import DoubleSphereCamera, ExtendedUnifiedCamera, PinholeCamera, UnifiedCamera
from .taylor_camera import TaylorCamera

Entry = Mapping[str, Any]
Size = tuple[int, int] | None


def _pixel(u: float, v: float) -> tuple[float, float]:
    return float(u) + 0.5, float(v) + 0.5


def _whole_size(stated: Sequence[Any] | None, given: Size, what: str) -> tuple[int, int]:
    """The image's (width, height): as the file states it, and as it is given, which must agree."""
    if stated is None and given is None:
        raise ValueError(f'{what} does not state the image size: expected size=(width, height), got none')
    width, height = (int(n) for n in (stated if stated is not None else given))  # type: ignore[union-attr]
    if stated is not None and given is not None and (width, height) != tuple(given):
        raise ValueError(f'expected a calibration of {given[0]}x{given[1]} images, got one of {width}x{height}')
    return width, height


def kalibr(entry: Entry, size: Size, **options: Any) -> OmniCamera:
    """One camera of Kalibr's camchain: camera_model, intrinsics, distortion_model, distortion_coeffs, resolution."""
    width, height = _whole_size(entry.get('resolution'), size, 'this Kalibr entry')
    model, numbers = str(entry['camera_model']).lower(), [float(n) for n in entry['intrinsics']]
    bends = [float(n) for n in entry.get('distortion_coeffs') or ()]
    kind = str(entry.get('distortion_model', 'none')).lower()
    own, (fx, fy, u0, v0) = numbers[:-4], numbers[-4:]
    focal, center = (fx, fy), _pixel(u0, v0)
    if kind in ('equidistant', 'equi') and model == 'pinhole':
        return TaylorCamera.from_kannala_brandt(focal, center, bends, width, height, **options)
    if kind not in ('radtan', 'none', 'plumb_bob'):
        raise ValueError(f"distortion_model: expected 'radtan', 'equidistant' or 'none', got {kind!r}")
    lens: dict[str, Any] = dict(distortion=bends if kind != 'none' else (), **options)
    if model == 'pinhole':
        return PinholeCamera(focal, center, width, height, **lens)
    if model in ('omni', 'unified', 'mei'):
        return UnifiedCamera(focal, center, width, height, xi=own[0], **lens)
    if model in ('ds', 'double_sphere'):
        return DoubleSphereCamera(focal, center, width, height, xi=own[0], alpha=own[1], **lens)
    if model == 'eucm':
        return ExtendedUnifiedCamera(focal, center, width, height, alpha=own[0], beta=own[1], **lens)
    raise ValueError(f"camera_model: expected 'pinhole', 'omni', 'ds' or 'eucm', got {model!r}")


def camodocal(entry: Entry, size: Size, **options: Any) -> OmniCamera:
    """camodocal's YAML, which KITTI-360 (MEI), VINS and LF-VIO (scaramuzza) write: model_type, image_width, ..."""
    width, height = _whole_size((entry['image_width'], entry['image_height']), size, 'this file')
    model = str(entry['model_type']).upper()
    if model == 'SCARAMUZZA':
        return _scaramuzza(entry, width, height, **options)
    numbers = {name: float(value) for name, value in entry['projection_parameters'].items()}
    bends = {name: float(value) for name, value in (entry.get('distortion_parameters') or {}).items()}
    radial = [bends.get(name, 0.0) for name in ('k1', 'k2', 'p1', 'p2')]
    if model == 'MEI':
        focal, center = (numbers['gamma1'], numbers['gamma2']), _pixel(numbers['u0'], numbers['v0'])
        xi = float(entry['mirror_parameters']['xi'])
        return UnifiedCamera(focal, center, width, height, xi=xi, distortion=radial, **options)
    if model == 'KANNALA_BRANDT':
        focal, center = (numbers['mu'], numbers['mv']), _pixel(numbers['u0'], numbers['v0'])
        fisheye = [numbers[name] for name in ('k2', 'k3', 'k4', 'k5')]
        return TaylorCamera.from_kannala_brandt(focal, center, fisheye, width, height, **options)
    if model == 'PINHOLE':
        focal, center = (numbers['fx'], numbers['fy']), _pixel(numbers['cx'], numbers['cy'])
        return PinholeCamera(focal, center, width, height, distortion=radial, **options)
    raise ValueError(f"model_type: expected 'MEI', 'KANNALA_BRANDT', 'PINHOLE' or 'scaramuzza', got {model!r}")


def _scaramuzza(entry: Entry, width: int, height: int, **options: Any) -> OmniCamera:
    direct = _numbered(entry['poly_parameters'])
    inverse = _numbered(entry.get('inv_poly_parameters') or {})
    affine = entry['affine_parameters']
    stretch = ((float(affine['ac']), float(affine['ad'])), (float(affine['ae']), 1.0))
    center = (float(affine['cx']), float(affine['cy']))
    return _taylor(direct, inverse, center, stretch, (width, height), **options)


def py_ocamcalib(entry: Entry, size: Size, **options: Any) -> OmniCamera:
    """py-OCamCalib's JSON; z out of the lens, centre as (column, row), its inverse polynomial in polyval's order."""
    width, height = _whole_size(None, size, 'py-OCamCalib')
    direct = tuple(-float(n) for n in entry['taylor_coefficient'])
    # radius by angle from the axis; ours takes the elevation into the lens, angle - pi/2
    of_angle = [float(n) for n in entry.get('inverse_poly') or ()][::-1]
    shifted = np.polynomial.Polynomial(of_angle)(np.polynomial.Polynomial((np.pi / 2, 1.0))) if of_angle else None
    inverse = () if shifted is None else tuple(float(n) for n in shifted.coef)
    (c, d), (e, one) = entry['stretch_matrix']
    center = tuple(float(n) for n in entry['distortion_center'])
    return _taylor(direct, inverse, center, ((c, d), (e, one)), (width, height), **options)


def _taylor(
    direct: tuple[float, ...],
    inverse: tuple[float, ...],
    center: Sequence[float],
    stretch: Sequence[Sequence[float]],
    size: tuple[int, int],
    radius_range: Sequence[float] | None = None,
    mask: Any = None,
    source: str = 'calibration',
    **options: Any,
) -> TaylorCamera:
    """A Taylor lens whose stretch is ((c, d), (e, 1)) on (column, row), polynomials as OCamCalib's."""
    annulus = None if radius_range is None else (float(radius_range[0]), float(radius_range[1]))
    calib = OCamCalib(direct, inverse, (center[1], center[0]), (1.0, 0.0, 0.0), size[1], size[0])
    parameters = camera_parameters(calib, annulus, source=source, masked=mask is not None)
    (a, b), (c, d) = stretch
    affine = ((float(a), float(b)), (float(c), float(d)))
    return TaylorCamera(**{**parameters, 'affine': affine}, mask=mask, **options)


def _numbered(entry: Entry) -> tuple[float, ...]:
    """p0, p1, ... as a tuple without the zeros at its end."""
    values = [float(entry[f'p{i}']) for i in range(len(entry))]
    while len(values) > 2 and values[-1] == 0:
        values.pop()
    return tuple(values)


def opencv(entry: Entry, size: Size, model: str | None = None, **options: Any) -> OmniCamera:
    """ROS camera_info and OpenCV's FileStorage: a camera matrix, coefficients, perhaps xi or a model's name."""
    matrix = _matrix(_any_of(entry, 'camera_matrix', 'cameramatrix', 'k', 'intrinsic_matrix', 'intrinsics'))
    bends = _any_of(entry, 'distortion_coefficients', 'dist_coeffs', 'distcoeffs', 'd', 'distortion', default=())
    bends = [float(n) for n in np.ravel(_data(bends))]
    width, height = (_any_of(entry, name, default=None) for name in ('image_width', 'image_height'))
    width = _any_of(entry, 'width', default=None) if width is None else width
    height = _any_of(entry, 'height', default=None) if height is None else height
    stated = None if width is None or height is None else (width, height)
    width, height = _whole_size(stated, size, 'this file')
    focal, center, skew = (matrix[0, 0], matrix[1, 1]), _pixel(matrix[0, 2], matrix[1, 2]), float(matrix[0, 1])
    kind = model or str(_any_of(entry, 'distortion_model', 'camera_model', default='')).lower()
    xi = _any_of(entry, 'xi', default=None)
    if xi is not None:
        (xi,) = np.ravel(_data(xi)).astype(float)
        return UnifiedCamera(focal, center, width, height, xi=xi, distortion=bends, skew=skew, **options)
    if kind in ('equidistant', 'fisheye', 'kannala_brandt') or _any_of(entry, 'fisheye_model', default=0):
        return TaylorCamera.from_kannala_brandt(focal, center, bends, width, height, skew=skew, **options)
    if kind == '' and len(bends) == 4:
        raise ValueError(
            'four coefficients are k1 k2 p1 p2 of a perspective lens or k1..k4 of a fisheye, and the file does not say '
            "which: expected model='pinhole' or model='fisheye', got none"
        )
    if kind not in ('', 'plumb_bob', 'rational_polynomial', 'pinhole', 'radtan', 'none', 'perspective'):
        raise ValueError(
            f"distortion_model: expected 'plumb_bob', 'rational_polynomial' or 'equidistant', got {kind!r}"
        )
    return PinholeCamera(focal, center, width, height, distortion=bends, skew=skew, **options)


def cam_params(entry: Entry, size: Size, **options: Any) -> OmniCamera:
    """The sample description of depth tools: cam_params with fx fy cx cy, and xi k1 k2 p1 p2 of a MEI camera."""
    lens = {name: value for name, value in entry['cam_params'].items()}
    stated = (lens['width'], lens['height']) if {'width', 'height'} <= set(lens) else None
    width, height = _whole_size(stated, size, 'this description')
    focal, center = (lens['fx'], lens['fy']), _pixel(lens['cx'], lens['cy'])
    bends = [float(lens.get(name, 0)) for name in ('k1', 'k2', 'p1', 'p2')]
    kind = str(lens.get('camera_model', 'pinhole')).upper()
    if kind == 'MEI':
        return UnifiedCamera(focal, center, width, height, xi=float(lens['xi']), distortion=bends, **options)
    if kind in ('OPENCV_FISHEYE', 'KANNALA_BRANDT', 'FISHEYE624'):
        bends = [float(lens.get(f'k{i}', 0)) for i in (1, 2, 3, 4)]
        return TaylorCamera.from_kannala_brandt(focal, center, bends, width, height, **options)
    if kind in ('PINHOLE', 'OPENCV'):
        return PinholeCamera(focal, center, width, height, distortion=bends, **options)
    raise ValueError(f"camera_model: expected 'MEI', 'OPENCV_FISHEYE' or 'PINHOLE', got {kind!r}")


def basalt(entry: Entry, size: Size, **options: Any) -> OmniCamera:
    """One camera of Basalt's calibration: camera_type ds, kb4, eucm or pinhole, its intrinsics and resolution."""
    width, height = _whole_size(entry.get('resolution'), size, 'this Basalt entry')
    kind, lens = str(entry['camera_type']), entry['intrinsics']
    focal, center = (lens['fx'], lens['fy']), _pixel(lens['cx'], lens['cy'])
    if kind == 'kb4':
        bends = [float(lens[f'k{i}']) for i in (1, 2, 3, 4)]
        return TaylorCamera.from_kannala_brandt(focal, center, bends, width, height, **options)
    if kind == 'ds':
        return DoubleSphereCamera(focal, center, width, height, xi=lens['xi'], alpha=lens['alpha'], **options)
    if kind == 'eucm':
        return ExtendedUnifiedCamera(focal, center, width, height, alpha=lens['alpha'], beta=lens['beta'], **options)
    if kind == 'pinhole':
        return PinholeCamera(focal, center, width, height, **options)
    raise ValueError(f"camera_type: expected 'ds', 'kb4', 'eucm' or 'pinhole', got {kind!r}")


def own(entry: Entry, size: Size, **options: Any) -> OmniCamera:
    """What `to_dict` of a camera wrote."""
    camera = camera_from_dict({**entry, **options})
    _whole_size((camera.width, camera.height), size, 'this file')
    return camera


def cameras_in(content: Entry) -> dict[str, tuple[Callable[..., OmniCamera], Entry]]:
    """The cameras of a parsed file by name, each with the function that reads its entry."""
    keys = {str(key).lower() for key in content}
    found = _several(content)
    if found:
        return found
    if content.get('model') in camera_models():
        return {'camera': (own, content)}
    name = str(content.get('camera_name') or 'camera')
    if 'model_type' in keys:
        return {name: (camodocal, content)}
    if 'taylor_coefficient' in keys:
        return {name: (py_ocamcalib, content)}
    if 'cam_params' in keys:
        return {name: (cam_params, content)}
    if 'camera_model' in keys and 'intrinsics' in keys:
        return {name: (kalibr, content)}
    if keys & {'camera_matrix', 'cameramatrix', 'k', 'intrinsic_matrix'}:
        return {name: (opencv, content)}
    return {}


def _several(content: Entry) -> dict[str, tuple[Callable[..., OmniCamera], Entry]]:
    """Cameras of a file that holds one entry for each: Kalibr's camchain, Basalt's list."""
    chain = {
        str(key): (kalibr, value)
        for key, value in content.items()
        if isinstance(value, Mapping) and {'camera_model', 'intrinsics'} <= set(value)
    }
    if chain:
        return chain
    value = content.get('value0', content)
    if not isinstance(value, Mapping) or not isinstance(value.get('intrinsics'), list):
        return {}
    lenses = value['intrinsics']
    if not lenses or not all(isinstance(lens, Mapping) and 'camera_type' in lens for lens in lenses):
        return {}
    sizes = value.get('resolution') or [None] * len(lenses)
    return {f'cam{i}': (basalt, dict(lens, resolution=sizes[i])) for i, lens in enumerate(lenses)}


_MISSING: Any = object()


def _any_of(entry: Entry, *names: str, default: Any = _MISSING) -> Any:
    lowered = {str(key).lower(): value for key, value in entry.items()}
    for name in names:
        if name in lowered:
            return lowered[name]
    if default is _MISSING:
        raise KeyError(names[0])
    return default


def _data(value: Any) -> Any:
    return value['data'] if isinstance(value, Mapping) else value


def _matrix(value: Any) -> np.ndarray:
    """(3, 3) float64 camera matrix of nine numbers, row by row."""
    numbers = np.asarray(_data(value), dtype=np.float64)
    if numbers.size != 9:
        raise ValueError(f'camera matrix: expected 9 numbers, got {numbers.size}')
    return numbers.reshape(3, 3)
