"""The text of an OCamCalib file as numbers by section, whatever hand laid it out."""

from __future__ import annotations

import codecs
import re

Numbers = tuple[float, ...]

_KEYS = {
    'direct': r'direct|\bss\b',
    'inverse': r'inverse|\binvpol\b',
    'center': r'cent(er|re)',
    'affine': r'affine',
    'size': r'size|resolution',
}
_OPTIONAL = ('inverse',)
_COUNTS = {'center': (2,), 'affine': (3, 4), 'size': (2,)}
_COMMENT = re.compile(r'#|%|//')


def parse_sections(content: bytes) -> tuple[dict[str, Numbers], dict[str, Numbers]]:
    """Find the sections of a calibration file by the words of the comment lines above them.

    Any order of sections, any number of blank and comment lines, comments behind numbers, numbers
    over several lines or separated by commas, polynomials with or without the count of their
    coefficients, UTF-8 or UTF-16 with or without byte order mark, any line end. Where a heading
    names its numbers in another order ("width" and "height", "column" and "row", "e", "d", "c") or
    counts pixels from 1, that is obeyed.

    Returns:
        ``direct``, ``inverse`` (may be missing), ``center`` (row, column), ``affine`` (c, d, e) and
        ``size`` (height, width); and all other sections by the last comment line above them.

    Raises:
        ValueError: a section is missing, there twice, or not of as many numbers as it should be.
    """
    sections: dict[str, Numbers] = {}
    extras: dict[str, Numbers] = {}
    for titles, values in _blocks(_decode(content)):
        key, title = _recognise(titles, values)
        if key is None or (key in sections and key not in ('direct', 'inverse')):
            extras[title] = values
        elif key in sections:
            raise ValueError(f'expected one {key} polynomial, got two')
        else:
            sections[key] = _READERS[key](key, title.lower(), values)
    missing = [key for key in _KEYS if key not in sections and key not in _OPTIONAL]
    if missing:
        raise ValueError(f'expected sections {", ".join(_KEYS)}, missing {", ".join(missing)}')
    return sections, extras


def _decode(content: bytes) -> str:
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode('utf-16', errors='replace')
    return content.decode('utf-8-sig', errors='replace')


def _blocks(text: str) -> list[tuple[list[str], Numbers]]:
    """The comment lines above each run of numbers, and the numbers."""
    blocks: list[tuple[list[str], list[float]]] = []
    for number, line in enumerate(text.splitlines(), 1):
        data, *comment = _COMMENT.split(line.strip(), maxsplit=1)
        if data:
            if not blocks:
                raise ValueError(f'line {number}: expected a comment line first, got {data[:40]!r}')
            blocks[-1][1].extend(_floats(data, number))
        elif comment:
            if not blocks or blocks[-1][1]:
                blocks.append(([], []))
            blocks[-1][0].append(comment[0].lstrip('#%/ ').strip())
    return [(titles, tuple(values)) for titles, values in blocks if values]


def _floats(data: str, line: int) -> list[float]:
    try:
        # A comma may end a number but not stand inside one: 1,5 could be one number or two.
        return [float(token.rstrip(',;')) for token in data.split() if token.strip(',;')]
    except ValueError:
        raise ValueError(f'line {line}: expected numbers, got {data[:40]!r}') from None


def _recognise(titles: list[str], values: Numbers) -> tuple[str | None, str]:
    """The section that the nearest telling comment line names, and that line; one that fits the numbers first."""
    named = [
        (key, title)
        for title in reversed(titles)
        for key, pattern in _KEYS.items()
        if re.search(pattern, title.lower())
    ]
    fitting = [(key, title) for key, title in named if len(values) in _COUNTS.get(key, range(3, 100))]
    return next(iter(fitting + named), (None, titles[-1]))


def _polynomial(key: str, title: str, values: Numbers) -> Numbers:
    count, rest = values[0], values[1:]
    # Without a count the first number is a coefficient, some hundreds of pixels with a fraction.
    if not (count.is_integer() and count >= 0):
        return _at_least_two(key, values)
    if count != len(rest):
        raise ValueError(f'{key} polynomial: it announces {count:g} coefficients, but {len(rest)} follow')
    return _at_least_two(key, rest)


def _at_least_two(key: str, coefficients: Numbers) -> Numbers:
    if len(coefficients) < 2:
        raise ValueError(f'{key} polynomial: expected at least 2 coefficients, got {len(coefficients)}')
    return coefficients


def _center(key: str, title: str, values: Numbers) -> Numbers:
    first, second = _count(key, values, 2)
    if re.search(r'from 1\b|1-based', title):
        first, second = first - 1, second - 1
    return (second, first) if _comes_first(title, r'col', r'row') else (first, second)


def _affine(key: str, title: str, values: Numbers) -> Numbers:
    if len(values) == 4 and values[3] == 1:
        values = values[:3]  # the whole matrix (c, d; e, 1)
    values = _count(key, values, 3)
    letters = re.findall(r'\b[cde]\b', title)
    if sorted(letters) == ['c', 'd', 'e']:
        values = tuple(values[letters.index(letter)] for letter in 'cde')
    return values


def _size(key: str, title: str, values: Numbers) -> Numbers:
    first, second = _count(key, values, 2)
    return (second, first) if _comes_first(title, r'width', r'height') else (first, second)


def _count(key: str, values: Numbers, count: int) -> Numbers:
    if len(values) != count:
        raise ValueError(f'{key}: expected {count} numbers, got {len(values)}')
    return values


def _comes_first(title: str, one: str, other: str) -> bool:
    found, usual = re.search(one, title), re.search(other, title)
    return bool(found and usual and found.start() < usual.start())


_READERS = {'direct': _polynomial, 'inverse': _polynomial, 'center': _center, 'affine': _affine, 'size': _size}
