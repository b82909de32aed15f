"""The compiled-code cache knows all files that kernels are made of."""

from data_converters.synthetic.tracing import jit, raycast, shapes


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
