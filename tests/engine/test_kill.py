"""SIGKILL at any moment leaves a run that can be resumed."""

from tests.engine.programs import report_of


def test_killed_training_always_has_a_loadable_checkpoint(tmp_path):
    reached = report_of('kill_target', tmp_path / 'run', 6)['reached']
    assert len(reached) == 6
    assert all(later > earlier for earlier, later in zip(reached, reached[1:])), (
        'every resumed training goes on from where the last one was killed'
    )
