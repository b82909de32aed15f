"""The compiled-code cache knows all files that kernels are made of."""

import math

from data_converters.synthetic.tracing import jit, raycast, shapes
from data_converters.synthetic.tracing.jit import kernel


def test_entry_kernels_carry_the_stamp_of_all_files():
    assert raycast.trace_all._cache._cache_file._source_stamp == jit.sources_stamp()
    assert shapes.hit_solid._cache._cache_file._source_stamp == jit.sources_stamp()


def test_the_stamp_changes_with_a_file_that_an_entry_kernel_calls(tmp_path, monkeypatch):
    for name, text in (('a.py', '@kernel\n'), ('b.py', 'nothing compiled\n')):
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(jit, '__file__', str(tmp_path / 'tracing/jit.py'))
    before = jit.sources_stamp()
    (tmp_path / 'b.py').write_text('still nothing compiled\n')
    assert jit.sources_stamp() == before
    (tmp_path / 'a.py').write_text('@kernel  # changed\n')
    assert jit.sources_stamp() != before


def test_the_stamp_changes_with_a_tuple_that_kernels_read(tmp_path, monkeypatch):
    (tmp_path / 'light.py').write_text('class Light(NamedTuple):\n    sun: float\n')
    monkeypatch.setattr(jit, '__file__', str(tmp_path / 'tracing/jit.py'))
    before = jit.sources_stamp()
    (tmp_path / 'light.py').write_text('class Light(NamedTuple):\n    fog: float\n')
    assert jit.sources_stamp() != before


@kernel
def _layer(x, k):
    return math.floor(x) + k


@kernel
def _three_layers(x):
    return _layer(x, 41) + _layer(x, 42) + _layer(x, 43)


def test_a_kernel_is_compiled_once_whatever_constants_it_is_called_with():
    assert _three_layers(1.5) == 3 + 41 + 42 + 43
    assert len(_layer.signatures) <= 1  # none where the caller came from the cache of an earlier run
