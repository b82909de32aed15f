"""OCamCalib calibration files (``calib_results.txt`` of Scaramuzza's toolbox), in and out.

The file's own conventions: pixels are (row, column) with integer centres; its frame is x down the
image, y right, z INTO the lens, p_ocam = (y_cam, x_cam, -z_cam); the direct polynomial gives z of
the ray (x, y, z(rho)), the inverse one rho as a function of the elevation atan2(z, hypot(x, y)) in
that frame. ``camera_parameters`` is the one place where all of this becomes ours: u = column + 0.5,
v = row + 0.5, x right, y down, z out of the lens.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from . import polynomials
from .ocamcalib_text import parse_sections

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class OCamCalib:
    """A calibration in the file's own conventions (see the module's first lines).

    Attributes:
        direct: z(rho) in pixels, ascending; the constant term is negative.
        inverse: rho(elevation) in pixels, ascending; empty where the file has none.
        center: (row, column), integer pixel centres.
        affine: (c, d, e): row = c x + d y, column = e x + y.
        height: image rows.
        width: image columns.
        extras: further sections by title, e.g. ``{'ROI max min radius': (600.0, 235.0)}``.
    """

    direct: tuple[float, ...]
    inverse: tuple[float, ...]
    center: tuple[float, float]
    affine: tuple[float, float, float]
    height: int
    width: int
    extras: dict[str, tuple[float, ...]] = field(default_factory=dict)

    @property
    def radius_range(self) -> tuple[float, float] | None:
        """(inner, outer) radius in pixels where the file carries a region-of-interest section."""
        for title, values in self.extras.items():
            words = title.lower().split()
            if 'roi' in words and 'radius' in words and len(values) == 2:
                return min(values), max(values)
        return None


def read_ocamcalib(path: str | Path, order: str = 'ascending') -> OCamCalib:
    """Read a calibration file; sections are found by the words of their comment lines.

    Whatever order, comments, line ends and encoding it has, see ``parse_sections``. Polynomials of
    other conventions are brought to the toolbox's where the two of them prove it, with a warning: a
    direct polynomial with z out of the lens, an inverse one in MATLAB's order or of that other frame.

    Args:
        path: the text file.
        order: ``'ascending'`` (the toolbox's C format, constant term first) or ``'descending'``
            (MATLAB's polyval order) for both polynomials.

    Raises:
        ValueError: the file is not a calibration; the message starts with its name.
    """
    path = Path(path)
    if order not in ('ascending', 'descending'):
        raise ValueError(f"order: expected 'ascending' or 'descending', got {order!r}")
    try:
        sections, extras = parse_sections(path.read_bytes())
        step = 1 if order == 'ascending' else -1
        calib = OCamCalib(
            direct=sections['direct'][::step],
            inverse=sections.get('inverse', ())[::step],
            center=sections['center'],
            affine=sections['affine'],
            height=_whole(sections['size'][0]),
            width=_whole(sections['size'][1]),
            extras=extras,
        )
        _check_sane(calib)
        calib = _in_the_toolbox_frame(calib, str(path))
    except ValueError as error:
        raise ValueError(f'{path}: not a usable OCamCalib calibration: {error}') from error
    return calib


def write_ocamcalib(path: str | Path, calib: OCamCalib) -> None:
    """Write a calibration that ``read_ocamcalib`` and the toolbox's C code read back exactly."""
    _check_sane(calib)
    if calib.direct[0] > 0:
        raise ValueError(f'direct polynomial: expected a negative constant term, got {calib.direct[0]:g}')
    rows = [
        (
            'polynomial coefficients for the DIRECT mapping function (ocam_model.ss in MATLAB). '
            'These are used by cam2world',
            (len(calib.direct), *calib.direct),
        ),
        (
            'polynomial coefficients for the inverse mapping function (ocam_model.invpol in MATLAB). '
            'These are used by world2cam',
            (len(calib.inverse), *calib.inverse) if calib.inverse else (),
        ),
        ('center: "row" and "column", starting from 0 (C convention)', calib.center),
        ('affine parameters "c", "d", "e"', calib.affine),
        ('image size: "height" and "width"', (calib.height, calib.width)),
        *calib.extras.items(),
    ]
    text = '\n'.join(f'#{title}\n\n{" ".join(repr(n) for n in values)}\n' for title, values in rows if values)
    Path(path).write_text(text, encoding='utf-8')


def disagreement_px(calib: OCamCalib, radius_range: tuple[float, float]) -> float:
    """Largest |inverse(elevation of the direct polynomial's ray at rho) - rho| over the annulus.

    Infinite where there is no inverse polynomial.
    """
    if not calib.inverse:
        return math.inf
    rho = np.linspace(max(radius_range[0], 1e-6), radius_range[1], 2048)
    elevation = np.arctan2(polynomials.evaluate(calib.direct, rho), rho)
    return float(np.abs(polynomials.evaluate(calib.inverse, elevation) - rho).max())


def refit_inverse(
    calib: OCamCalib,
    radius_range: tuple[float, float],
    tolerance_px: float = 0.002,
    max_degree: int = 20,
) -> tuple[tuple[float, ...], float]:
    """Fit the inverse polynomial anew from the direct one over the annulus.

    Returns:
        The inverse coefficients (file convention) and their largest error in pixels.

    Raises:
        ValueError: the direct polynomial does not give one radius per elevation.
    """
    inner, outer = radius_range
    # A little beyond the rim, where the lens lets us, so that the fit crosses the outer radius instead of ending there.
    rho = np.linspace(inner, 1.01 * outer, 4096)
    elevation = np.arctan2(polynomials.evaluate(calib.direct, rho), rho)
    falling = np.flatnonzero(np.diff(elevation) <= 0)
    if falling.size:
        turn = rho[falling[0]]
        if turn <= outer:
            raise ValueError(
                'expected a direct polynomial whose elevation rises with the radius over '
                f'{inner:g}..{outer:g} px, it turns at {turn:.1f} px'
            )
        rho, elevation = rho[: falling[0]], elevation[: falling[0]]
    coefficients, error = polynomials.fit(elevation, rho, max_degree, tolerance_px)
    return coefficients, error


def camera_parameters(
    calib: OCamCalib,
    radius_range: tuple[float, float] | None = None,
    refit: bool | None = None,
    tolerance_px: float = 0.5,
    source: str = 'calibration',
    masked: bool = False,
) -> dict:
    """Convert to the arguments of ``TaylorCamera``: our frame, our pixels, our elevation.

    The inverse polynomial projects. Where it is missing, contradicts the direct one by more than
    the tolerance or folds, it is fitted anew from the direct one, and a warning says by how many
    pixels the two disagree.

    Args:
        calib: the file's content.
        radius_range: annulus in pixels; default: the file's ROI section, else the circle around
            the centre that the image just holds, with a warning: an annular lens is blind in its
            centre, and no polynomial tells.
        refit: True fits the inverse polynomial anew in any case, False insists on the file's.
        tolerance_px: largest accepted disagreement between the two polynomials in the annulus.
        source: what warnings call the calibration.
        masked: a mask says which pixels see the world, so no warning about the centre.

    Raises:
        ValueError: the direct polynomial is not monotone over the annulus, no polynomial follows
            it, or the two contradict each other and ``refit`` is False.
    """
    row, column = calib.center
    if radius_range is None:
        inscribed = min(column + 0.5, row + 0.5, calib.width - column - 0.5, calib.height - row - 0.5)
        radius_range = calib.radius_range or (0.0, inscribed)
        if calib.radius_range is None and not masked:
            warn_of_blind_centre(source, (column + 0.5, row + 0.5), inscribed)
    inverse = _projecting_polynomial(calib, radius_range, refit, tolerance_px, source)
    c, d, e = calib.affine
    return dict(
        coefficients=_other_frame(inverse),
        principal_point=(column + 0.5, row + 0.5),
        affine=((1.0, e), (d, c)),
        width=calib.width,
        height=calib.height,
        radius_range=radius_range,
        direct=tuple(-a for a in calib.direct),
    )


def warn_of_blind_centre(source: str, center: tuple[float, float], radius: float) -> None:
    """Say which pixels are taken as seen where nobody said which are."""
    _logger.warning(
        '%s: it has no annulus radii, so every pixel within %.1f px of (%.1f, %.1f) counts as seeing the world. A '
        'panoramic annular lens is blind in its centre: give radius_range=(inner, outer) in pixels, or a mask image',
        source,
        radius,
        *center,
    )


def _projecting_polynomial(
    calib: OCamCalib, radius_range: tuple[float, float], refit: bool | None, tolerance_px: float, source: str
) -> tuple[float, ...]:
    """The inverse polynomial in the file's convention: its own, or one fitted to the direct one."""
    disagreement = disagreement_px(calib, radius_range)
    over = f'over radii {radius_range[0]:g}..{radius_range[1]:g} px'
    trouble = None
    if not calib.inverse:
        trouble = 'it has no inverse polynomial'
    elif not disagreement <= tolerance_px:
        trouble = f'direct and inverse polynomial disagree by {disagreement:.2f} px {over}'
    elif _folds(calib, radius_range):
        trouble = f'the inverse polynomial is not monotone {over}, though it is within {disagreement:.2f} px there'
    if refit is False and trouble is not None:
        raise ValueError(
            f'{trouble}, expected at most {tolerance_px:g} px; refit=True trusts the direct one, '
            'a narrower radius_range leaves bad radii out'
        )
    if not refit and trouble is None:
        return calib.inverse
    inverse, error = refit_inverse(calib, radius_range)
    allowed = max(tolerance_px, 0.01 * radius_range[1])
    if not error <= allowed:
        raise ValueError(
            f'{trouble or "a new inverse polynomial was asked for"}, and no polynomial follows the direct one '
            f'{over}: the best is off by {error:.2f} px, expected at most {allowed:.2f} px'
        )
    if trouble is None:
        _logger.info('inverse polynomial refitted: degree %d, max error %.4f px', len(inverse) - 1, error)
        return inverse
    gross = not math.isinf(disagreement) and disagreement > 0.02 * radius_range[1]
    _logger.warning(
        '%s: %s. The direct one is trusted, and its inverse fitted anew: degree %d, max error %.4f px%s',
        source,
        trouble,
        len(inverse) - 1,
        error,
        '. So much is no rounding: a number of the file is probably mistyped, look at overlays first' if gross else '',
    )
    return inverse


def _folds(calib: OCamCalib, radius_range: tuple[float, float]) -> bool:
    try:
        polynomials.monotone_band(_other_frame(calib.inverse), radius_range)
    except ValueError:
        return True
    return False


def _other_frame(inverse: tuple[float, ...]) -> tuple[float, ...]:
    """rho(elevation) with the sign of the elevation changed: z out of the lens instead of into it."""
    return tuple(a * (-1) ** i for i, a in enumerate(inverse))


def _in_the_toolbox_frame(calib: OCamCalib, source: str) -> OCamCalib:
    """The same lens in the toolbox's conventions, where the two polynomials prove which others it has."""
    row, column = calib.center
    radius = calib.radius_range or (0.0, min(column, row, calib.width - column, calib.height - row))
    if calib.direct[0] < 0 and disagreement_px(calib, radius) <= 0.05 * radius[1]:
        return calib
    direct = calib.direct if calib.direct[0] < 0 else tuple(-a for a in calib.direct)
    readings = {'': calib.inverse, "in MATLAB's order": calib.inverse[::-1]}
    readings |= {f'{name} with z out of the lens'.strip(): _other_frame(inv) for name, inv in readings.items()}
    candidates = {name: replace(calib, direct=direct, inverse=inverse) for name, inverse in readings.items()}
    best = min(candidates, key=lambda name: disagreement_px(candidates[name], radius)) if calib.inverse else ''
    if not calib.inverse or disagreement_px(candidates[best], radius) <= 0.01 * radius[1]:
        turned = ['its direct polynomial has z out of the lens'] * (direct != calib.direct)
        turned += [f'its inverse polynomial is {best}'] * bool(best)
        if turned:
            _logger.warning("%s: %s; read as the toolbox's", source, ' and '.join(turned))
        return candidates[best]
    if calib.direct[0] > 0:
        raise ValueError(
            f'direct polynomial: expected a negative constant term, got {calib.direct[0]:g}, and neither sign agrees '
            'with the inverse polynomial'
        )
    return calib


def _whole(number: float) -> int:
    if not number.is_integer():
        raise ValueError(f'size: expected whole pixels, got {number:g}')
    return int(number)


def _check_sane(calib: OCamCalib) -> None:
    numbers = (*calib.direct, *calib.inverse, *calib.center, *calib.affine)
    if not all(math.isfinite(n) for n in numbers):
        raise ValueError('expected finite numbers, got NaN or infinity')
    if calib.height <= 0 or calib.width <= 0:
        raise ValueError(f'expected a positive image size, got {calib.width}x{calib.height}')
    row, column = calib.center
    if not (0 <= row < calib.height and 0 <= column < calib.width):
        raise ValueError(
            f'expected the centre inside the {calib.width}x{calib.height} image, got row {row:g}, column {column:g}'
        )
    if abs(calib.direct[0]) < abs(calib.direct[-1]) or abs(calib.direct[0]) < 1:
        raise ValueError(
            'direct polynomial: the constant term (about minus the focal length in '
            f"pixels) is {calib.direct[0]:g}: coefficients in MATLAB's order need "
            "order='descending'"
        )
    c, d, e = calib.affine
    if not (0.5 < c < 2.0 and abs(d) < 0.5 and abs(e) < 0.5):
        raise ValueError(f'affine: expected c near 1 and d, e near 0, got {c:g} {d:g} {e:g}')
