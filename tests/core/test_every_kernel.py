"""No kernel is compiled in a way of its own: a folder that cannot be written must stop none of them."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_numba_is_asked_in_one_place():
    for folder in ('projects', 'data_converters'):
        for path in (ROOT / folder).rglob('*.py'):
            if path.name != 'compiled_kernels.py':
                text = path.read_text()
                assert 'njit' not in text and 'numba.jit' not in text, f'{path}: compile it by compile_kernel'
