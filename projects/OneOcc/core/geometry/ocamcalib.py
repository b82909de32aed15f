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
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from . import polynomials

_logger = logging.getLogger(__name__)
_SECTIONS = ('direct', 'inverse', 'center', 'affine', 'size')


@dataclass(frozen=True)
class OCamCalib:
    """A calibration in the file's own conventions (see the module's first lines).

    Attributes:
        direct: z(rho) in pixels, ascending; the constant term is negative.
        inverse: rho(elevation) in pixels, ascending.
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
        text = path.read_text(encoding='utf-8-sig', errors='replace')
        sections = _named_sections(_split_sections(text))
        step = 1 if order == 'ascending' else -1
        height, width = (int(n) for n in _numbers(sections, 'size', 2))
        calib = OCamCalib(
            direct=_polynomial(sections, 'direct')[::step],
            inverse=_polynomial(sections, 'inverse')[::step],
            center=_numbers(sections, 'center', 2),
            affine=_numbers(sections, 'affine', 3),
            height=height,
            width=width,
            extras={k: v for k, v in sections.items() if k not in _SECTIONS},
        )
        _check_sane(calib)
    except ValueError as error:
        raise ValueError(f'{path}: not a usable OCamCalib calibration: {error}') from error
    return calib


def write_ocamcalib(path: str | Path, calib: OCamCalib) -> None:
    """Write a calibration that ``read_ocamcalib`` and the toolbox's C code read back exactly."""
    _check_sane(calib)
    rows = [
        (
            'polynomial coefficients for the DIRECT mapping function (ocam_model.ss in MATLAB). '
            'These are used by cam2world',
            (len(calib.direct), *calib.direct),
        ),
        (
            'polynomial coefficients for the inverse mapping function (ocam_model.invpol in MATLAB). '
            'These are used by world2cam',
            (len(calib.inverse), *calib.inverse),
        ),
        ('center: "row" and "column", starting from 0 (C convention)', calib.center),
        ('affine parameters "c", "d", "e"', calib.affine),
        ('image size: "height" and "width"', (calib.height, calib.width)),
        *calib.extras.items(),
    ]
    text = '\n'.join(f'#{title}\n\n{" ".join(repr(n) for n in values)}\n' for title, values in rows)
    Path(path).write_text(text, encoding='utf-8')


def disagreement_px(calib: OCamCalib, radius_range: tuple[float, float]) -> float:
    """Largest |inverse(elevation of the direct polynomial's ray at rho) - rho| over the annulus."""
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
    rho = np.linspace(radius_range[0], radius_range[1], 4096)
    elevation = np.arctan2(polynomials.evaluate(calib.direct, rho), rho)
    if (np.diff(elevation) <= 0).any():
        turn = rho[int(np.argmin(np.diff(elevation)))]
        raise ValueError(
            'expected a direct polynomial whose elevation rises with the radius over '
            f'{radius_range[0]:g}..{radius_range[1]:g} px, it turns at {turn:.1f} px'
        )
    return polynomials.fit(elevation, rho, max_degree, tolerance_px)


def camera_parameters(
    calib: OCamCalib,
    radius_range: tuple[float, float] | None = None,
    refit: bool = False,
    tolerance_px: float = 0.5,
) -> dict:
    """Convert to the arguments of ``TaylorCamera``: our frame, our pixels, our elevation.

    Args:
        calib: the file's content.
        radius_range: annulus in pixels; default: the file's ROI section, else the circle around
            the centre that the image just holds.
        refit: fit the inverse polynomial anew from the direct one.
        tolerance_px: largest accepted disagreement between the two polynomials in the annulus.

    Raises:
        ValueError: the two polynomials contradict each other and no refit was asked for.
    """
    row, column = calib.center
    if radius_range is None:
        inscribed = min(column + 0.5, row + 0.5, calib.width - column - 0.5, calib.height - row - 0.5)
        radius_range = calib.radius_range or (0.0, inscribed)
    inverse = calib.inverse
    if refit:
        inverse, error = refit_inverse(calib, radius_range)
        _logger.info('inverse polynomial refitted: degree %d, max error %.4f px', len(inverse) - 1, error)
    else:
        error = disagreement_px(calib, radius_range)
    if not error <= tolerance_px:
        raise ValueError(
            f'direct and inverse polynomial disagree by {error:.2f} px over radii '
            f'{radius_range[0]:g}..{radius_range[1]:g} px, expected at most {tolerance_px:g} px; '
            'refit=True trusts the direct one, a narrower radius_range leaves bad radii out'
        )
    c, d, e = calib.affine
    return dict(
        coefficients=tuple(a * (-1) ** i for i, a in enumerate(inverse)),
        principal_point=(column + 0.5, row + 0.5),
        affine=((1.0, e), (d, c)),
        width=calib.width,
        height=calib.height,
        radius_range=radius_range,
        direct=tuple(-a for a in calib.direct),
    )


def _split_sections(text: str) -> list[tuple[str, list[float]]]:
    sections: list[tuple[str, list[float]]] = []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if line.startswith('#'):
            sections.append((line.lstrip('# ').strip(), []))
        elif line:
            if not sections:
                raise ValueError(f'line {number}: expected a comment line first, got {line[:40]!r}')
            try:
                sections[-1][1].extend(float(token) for token in line.split())
            except ValueError:
                raise ValueError(f'line {number}: expected numbers, got {line[:40]!r}') from None
    return [(title, values) for title, values in sections if values]


def _named_sections(sections: list[tuple[str, list[float]]]) -> dict[str, tuple[float, ...]]:
    named: dict[str, tuple[float, ...]] = {}
    for title, values in sections:
        lowered = title.lower().replace('centre', 'center')
        key = next((k for k in _SECTIONS if k in lowered and k not in named), title)
        named[key] = tuple(values)
    missing = [k for k in _SECTIONS if k not in named]
    if missing:
        raise ValueError(f'expected sections {", ".join(_SECTIONS)}, missing {", ".join(missing)}')
    return named


def _numbers(sections: dict[str, tuple[float, ...]], key: str, count: int) -> tuple[float, ...]:
    if len(sections[key]) != count:
        raise ValueError(f'{key}: expected {count} numbers, got {len(sections[key])}')
    return sections[key]


def _polynomial(sections: dict[str, tuple[float, ...]], key: str) -> tuple[float, ...]:
    count, *coefficients = sections[key]
    if count != len(coefficients) or len(coefficients) < 2:
        raise ValueError(f'{key} polynomial: it announces {count:g} coefficients, but {len(coefficients)} follow')
    return tuple(coefficients)


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
    if calib.direct[0] > 0:
        raise ValueError(
            f'direct polynomial: expected a negative constant term, got '
            f'{calib.direct[0]:g}: the file was written with z out of the lens'
        )
    c, d, e = calib.affine
    if not (0.5 < c < 2.0 and abs(d) < 0.5 and abs(e) < 0.5):
        raise ValueError(f'affine: expected c near 1 and d, e near 0, got {c:g} {d:g} {e:g}')
