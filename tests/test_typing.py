"""How much of the tree says what goes in and out: arguments with a type, arrays and tensors with a shape."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ('projects/OneOcc', 'data_converters')
Function = ast.FunctionDef | ast.AsyncFunctionDef
# (B, C, H, W), (N, 3), (..., 2), (4, 4), (count,), S x (B, 2)
SHAPE = re.compile(r'\((?:[^()\s,]+(?: [*+/-] [^()\s,]+)?,\s*)+(?:[^()\s,]+(?: [*+/-] [^()\s,]+)?)?\)|\(\.\.\.\)')
ARRAY = re.compile(r'\b(Tensor|ndarray|ArrayLike)\b')
# the entries of a state dict have no one shape
STATE_DICT = re.compile(r'(dict|Mapping)\[str, (torch\.)?Tensor\]')


def functions(path: Path) -> Iterator[tuple[Function, str]]:
    """Every function of a file with its name and place; declarations of overloads left out."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, Function) and not any(ast.unparse(d).endswith('overload') for d in node.decorator_list):
            yield node, f'{path.relative_to(ROOT)}:{node.lineno} {node.name}'


def arguments(function: Function) -> list[ast.arg]:
    """All arguments but self and cls."""
    own = function.args
    every = [*own.posonlyargs, *own.args, *own.kwonlyargs, *(a for a in (own.vararg, own.kwarg) if a)]
    return [a for a in every if a.arg not in ('self', 'cls')]


def takes_or_gives_arrays(function: Function) -> bool:
    """Does the signature name an array or a tensor?"""
    types = [a.annotation for a in arguments(function)] + [function.returns]
    return any(ARRAY.search(STATE_DICT.sub('', ast.unparse(t))) for t in types if t is not None)


def names_a_shape(function: Function, source: str) -> bool:
    """Does the docstring, or a comment beside an argument, hold a shape? A constructor's is checked in its class."""
    signature = source.splitlines()[function.lineno - 1 : function.body[0].lineno - 1]
    comments = ' '.join(line.partition('#')[2] for line in signature)
    return SHAPE.search(f'{ast.get_docstring(function) or ""} {comments}') is not None


@pytest.fixture(scope='module')
def tree() -> list[tuple[Function, str, str]]:
    """(function, place, source of its file) of the whole tree."""
    paths = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob('*.py'))]
    return [(node, place, path.read_text()) for path in paths for node, place in functions(path)]


def test_nineteen_of_twenty_arguments_have_a_type(tree):
    typed = [(argument.annotation is not None, place) for node, place, _ in tree for argument in arguments(node)]
    share = sum(good for good, _ in typed) / len(typed)
    assert share >= 0.95, f'{share:.1%}; without: {sorted({place for good, place in typed if not good})}'


def test_nine_of_ten_functions_on_arrays_name_shapes(tree):
    named = [
        (names_a_shape(node, source), place)
        for node, place, source in tree
        if takes_or_gives_arrays(node) and node.name != '__init__'
    ]
    share = sum(good for good, _ in named) / len(named)
    assert share >= 0.9, f'{share:.1%}; without: {[place for good, place in named if not good]}'


@pytest.mark.parametrize(
    'text',
    [
        '(B, C, H, W)',
        '(N, 3) metres',
        'out (N,)',
        '(..., 2)',
        '(C+1, C+1)',
        '(R*PHI, Z)',
        '(1 + rays, N, 3)',
        'x (...)',
    ],
)
def test_a_shape_is_recognised(text):
    assert SHAPE.search(text)


@pytest.mark.parametrize('text', ['(see the text)', 'radians (not degrees)', 'f(x)', '(m)', 'a, b', '()'])
def test_prose_is_no_shape(text):
    assert not SHAPE.search(text)
