"""Calibration files as plain dicts: JSON, YAML, and the YAML dialect of OpenCV's FileStorage."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np


class CalibrationError(ValueError):
    """A calibration file that cannot be read; the message names the file, what was expected and what it has."""


def parse_calibration(path: str | Path) -> dict[str, Any] | None:
    """The content of a JSON or YAML file as a dict, of which OpenCV's matrices are arrays; None for any other text.

    Raises:
        FileNotFoundError: no such file.
        CalibrationError: the file begins as JSON or YAML and is broken, or is no text.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such calibration file')
    content = path.read_bytes()
    if b'\0' in content[:4096] and not content.startswith((b'\xff\xfe', b'\xfe\xff')):
        raise CalibrationError(f'{path}: expected a calibration file of text, got a binary file')
    text = content.decode('utf-16' if content.startswith((b'\xff\xfe', b'\xfe\xff')) else 'utf-8-sig', errors='replace')
    stripped = text.lstrip()
    if stripped.startswith(('{', '[')):
        try:
            found = json.loads(stripped)
        except ValueError as error:
            raise CalibrationError(f'{path}: not JSON: {error}') from error
    elif re.match(r'%YAML|---', stripped) or re.search(r'^\s*[A-Za-z_]\w*\s*:(\s|$)', text, re.MULTILINE):
        found = _parse_yaml(stripped, path)
    elif re.search(r'^\s*(intrinsic|camera matrix)', text, re.IGNORECASE | re.MULTILINE):
        found = _parse_matrices(text)
    else:
        return None
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    if not isinstance(found, dict):
        raise CalibrationError(f'{path}: expected an object with the calibration, got {type(found).__name__}')
    return found


def _parse_yaml(text: str, path: Path) -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        """Safe YAML and OpenCV's matrices."""

    def matrix(loader: yaml.SafeLoader, node: yaml.MappingNode) -> np.ndarray:
        """A node of rows, cols and data as (rows, cols) float64."""
        entry = loader.construct_mapping(node, deep=True)
        return np.array(entry['data'], dtype=np.float64).reshape(entry['rows'], entry['cols'])

    Loader.add_constructor('tag:yaml.org,2002:opencv-matrix', matrix)
    # "%YAML:1.0" is OpenCV's own; "key:value" without a blank is what its readers accept, and no YAML.
    body = re.sub(r'^%YAML.*$', '', text, count=1, flags=re.MULTILINE)
    body = re.sub(r'^(\s*\w+):(?=[^\s:/])', r'\1: ', body, flags=re.MULTILINE)
    try:
        documents = [found for found in yaml.load_all(body.lstrip(), Loader) if found is not None]
    except (yaml.YAMLError, KeyError, ValueError, TypeError) as error:
        brief = ' '.join(str(error).split())[:200]
        raise CalibrationError(f'{path}: not YAML: {brief}') from error
    return documents[0] if len(documents) == 1 else documents


def _parse_matrices(text: str) -> dict[str, Any]:
    """Blocks of numbers below a word: `intrinsic` (3 x 3), `distortion`, ..."""
    blocks: dict[str, list[float]] = {}
    name = ''
    for line in text.splitlines():
        words = line.replace(',', ' ').split()
        try:
            blocks.setdefault(name, []).extend(float(word) for word in words)
        except ValueError:
            name = line.strip(' :=').lower()
    found: dict[str, Any] = {name: np.array(values) for name, values in blocks.items() if values}
    for name, matrix in found.items():
        if name.startswith(('intrinsic', 'camera matrix')) and matrix.size == 9:
            return dict(camera_matrix=matrix.reshape(3, 3), distortion_coefficients=_first(found, 'distortion'))
    return found


def _first(found: dict[str, Any], begin: str) -> Any:
    return next((value for name, value in found.items() if name.startswith(begin)), np.zeros(0))
