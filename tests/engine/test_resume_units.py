"""Resuming with other batches, other lengths, after a validation: every count goes on in the new run's units."""

import pytest
import torch
from mmengine.optim import CosineAnnealingLR, LinearLR, MultiStepLR, OptimWrapper, ReduceOnPlateauLR

from projects.OneOcc.oneocc.engine import CheckpointError, read_checkpoint
from projects.OneOcc.oneocc.engine.plain_state import scheduler_states
from projects.OneOcc.oneocc.engine.run_units import RunUnits, position_now
from projects.OneOcc.oneocc.engine.schedule import ResumedSchedule
from tests.engine import toy
from tests.engine.runs import Interrupted, same, state_of, train
from tests.engine.test_resume import interrupted_then_resumed
from tests.engine.toy import toy_config

ONE_CYCLE = [
    dict(type='OneCycleLR', eta_max=0.02, total_steps=4, by_epoch=True, pct_start=0.2, convert_to_iter_based=True)
]


def rates(runner) -> list[float]:
    return runner.message_hub.get_scalar('train/lr').data[0].tolist()


def stopped_after(cfg, iterations: int):
    cfg = cfg.copy()
    cfg.custom_hooks = [*cfg.custom_hooks, dict(type='PullThePlug', after_iters=iterations)]
    with pytest.raises(Interrupted):
        train(cfg)


@pytest.mark.parametrize(('kind', 'batch_size'), [('cosine', 2), ('one cycle', 10), ('steps by epoch', 5)])
def test_other_batches_get_the_rates_of_a_run_that_always_had_them(tmp_path, kind, batch_size):
    schedule = {
        'cosine': [dict(type='CosineAnnealingLR', by_epoch=True, T_max=4, convert_to_iter_based=True)],
        'one cycle': ONE_CYCLE,
        'steps by epoch': [
            dict(type='LinearLR', by_epoch=False, start_factor=0.1, begin=0, end=3),
            dict(type='MultiStepLR', by_epoch=True, milestones=[1, 3], gamma=0.1),
        ],
    }[kind]
    other = {'train_dataloader.batch_size': batch_size, 'param_scheduler': schedule}
    expected = rates(train(toy_config(tmp_path / 'whole', **other)))
    stopped_after(toy_config(tmp_path / 'parts', param_scheduler=schedule), 7)
    resumed = train(toy_config(tmp_path / 'parts', resume=True, **other))
    assert rates(resumed)[6:] == pytest.approx(expected[len(expected) // 2 :], rel=1e-9)
    assert resumed.iter == len(expected)


def test_more_epochs_get_the_rates_of_the_longer_schedule(tmp_path):
    longer = {'train_cfg.max_epochs': 6, 'param_scheduler': [{**ONE_CYCLE[0], 'total_steps': 6}]}
    expected = rates(train(toy_config(tmp_path / 'whole', **longer)))
    train(toy_config(tmp_path / 'parts', param_scheduler=ONE_CYCLE))
    resumed = train(toy_config(tmp_path / 'parts', resume=True, **longer))
    assert rates(resumed)[12:] == pytest.approx(expected[12:], rel=1e-9)


def test_another_learning_rate_alone_is_the_checkpoints(tmp_path, caplog):
    stopped_after(toy_config(tmp_path), 6)
    cfg = toy_config(tmp_path, resume=True, log_level='INFO', **{'optim_wrapper.optimizer.weight_decay': 0.5})
    runner = train(cfg)
    assert runner.optim_wrapper.optimizer.param_groups[0]['weight_decay'] == 0.01
    log = '\n'.join(path.read_text() for path in tmp_path.glob('*/*.log'))
    assert 'goes on with its own weight_decay 0.01 (the config: 0.5)' in log


def plateau_config(work_dir, scores, monkeypatch, **changes):
    scores = iter(scores)
    monkeypatch.setattr(toy.ToyAccuracy, 'compute_metrics', lambda self, results: {'accuracy': next(scores)})
    cfg = toy_config(
        work_dir,
        **{
            'default_hooks.checkpoint.save_best': 'toy/accuracy',
            'default_hooks.checkpoint.rule': 'greater',
            'default_hooks.checkpoint.max_keep_ckpts': 9,
            **changes,
        },
    )
    cfg.param_scheduler = [
        dict(type='ReduceOnPlateauLR', monitor='toy/accuracy', rule='greater', patience=0, factor=0.5, by_epoch=True)
    ]
    cfg.custom_hooks += [dict(type='EarlyStoppingHook', monitor='toy/accuracy', rule='greater', patience=3)]
    return cfg


@pytest.mark.parametrize('epoch', [1, 2])
def test_a_validation_that_the_checkpoint_holds_is_not_taken_twice(tmp_path, monkeypatch, epoch):
    """Epochs 1 and 3 are new bests: their checkpoints are written after the validation, that of 2 before."""
    scores = [10.0, 5.0, 20.0, 7.0]
    whole = train(plateau_config(tmp_path, scores, monkeypatch))
    expected = state_of(whole)
    validated = [read_checkpoint(tmp_path / f'epoch_{n}.pth')['meta']['validated'] for n in (1, 2, 3, 4)]
    assert validated == [True, False, True, False]
    rest = scores[epoch if validated[epoch - 1] else epoch - 1 :]
    cfg = plateau_config(tmp_path, rest, monkeypatch, resume=True, load_from=str(tmp_path / f'epoch_{epoch}.pth'))
    resumed = train(cfg)
    assert same(expected, state_of(resumed))
    stopping = [next(h for h in run._hooks if type(h).__name__ == 'EarlyStoppingHook') for run in (whole, resumed)]
    assert [(hook.wait_count, hook.best_score) for hook in stopping] == [(1, 20.0)] * 2


def test_early_stopping_goes_on_counting(tmp_path, monkeypatch):
    scores = [10.0, 5.0, 5.0, 5.0, 5.0, 5.0]
    changes = {'train_cfg.max_epochs': 6}
    whole = train(plateau_config(tmp_path / 'whole', scores, monkeypatch, **changes))
    assert whole.epoch == 4
    stopped_after(plateau_config(tmp_path / 'parts', scores, monkeypatch, **changes), 9)
    resumed = train(plateau_config(tmp_path / 'parts', scores[2:], monkeypatch, resume=True, **changes))
    assert resumed.epoch == 4
    again = train(plateau_config(tmp_path / 'parts', scores[3:], monkeypatch, resume=True, **changes))
    assert again.epoch == 4, 'a run that stopped early stays stopped'


def test_averaged_weights_resume_to_the_last_bit(tmp_path):
    def cfg(name):
        cfg = toy_config(tmp_path / name)
        cfg.custom_hooks = [*cfg.custom_hooks, dict(type='EMAHook', momentum=0.1)]
        return cfg

    whole, parts = train(cfg('whole')), interrupted_then_resumed(cfg('parts'), 6)
    assert same(state_of(whole), state_of(parts))
    averages = [read_checkpoint(tmp_path / n / 'epoch_4.pth')['ema_state_dict'] for n in ('whole', 'parts')]
    assert same(dict(averages[0]), dict(averages[1]))
    plain = toy_config(tmp_path / 'parts', resume=True, **{'train_cfg.max_epochs': 5})
    with pytest.raises(CheckpointError, match='ema_state_dict: expected an EMAHook'):
        train(plain)


def test_a_best_of_another_metric_does_not_count(tmp_path):
    best = {'default_hooks.checkpoint.rule': 'greater', 'train_cfg.max_epochs': 2}
    train(toy_config(tmp_path, **best, **{'default_hooks.checkpoint.save_best': 'toy/samples'}))
    best['train_cfg.max_epochs'] = 3
    resumed = train(toy_config(tmp_path, resume=True, **best, **{'default_hooks.checkpoint.save_best': 'toy/accuracy'}))
    assert resumed.message_hub.get_info('best_metric') == 'toy/accuracy'
    assert list(tmp_path.glob('best_toy_accuracy_*.pth')), 'accuracies are above no number of samples'


def test_a_finished_run_with_fewer_epochs_is_refused(tmp_path):
    train(toy_config(tmp_path))
    with pytest.raises(CheckpointError, match='expected a checkpoint of at most 2 epochs, got one of 4'):
        train(toy_config(tmp_path, load_from=str(tmp_path / 'epoch_4.pth'), resume=True, **{'train_cfg.max_epochs': 2}))


class TestPosition:
    UNITS = RunUnits(batches_per_epoch=10, batch_size=2, processes=2, dataset_length=40, max_epochs=4, max_iters=40)

    def units(self, **changes):
        return RunUnits(**{**self.UNITS.to_dict(), **changes})

    def test_the_same_samples_on_fewer_processes_continue_within_an_epoch(self):
        assert position_now(1, 13, self.UNITS, self.units(batch_size=4, processes=1), True) == 13

    def test_another_length_of_the_data_within_an_epoch_is_refused(self):
        with pytest.raises(CheckpointError, match='expected 39 training samples, got 40'):
            position_now(1, 13, self.UNITS, self.units(dataset_length=39), True)

    def test_iterations_of_other_batches_are_refused_with_both_numbers(self):
        with pytest.raises(CheckpointError, match='expected 5 batches an epoch, got 10'):
            position_now(0, 20, self.UNITS, self.units(batches_per_epoch=5, batch_size=4), False)

    def test_the_end_of_an_epoch_is_the_same_epoch(self):
        assert position_now(3, 30, self.UNITS, self.units(batches_per_epoch=7, dataset_length=28), True) == 21


class TestSchedule:
    def schedulers(self, *builders):
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        wrapper = OptimWrapper(optimizer)
        return [build(wrapper) for build in builders], optimizer

    def test_plateau_beside_a_moved_schedule_is_refused_with_both_runs(self):
        builders = (
            lambda o: LinearLR(o, by_epoch=False, end=10),
            lambda o: ReduceOnPlateauLR(o, monitor='x', by_epoch=True),
        )
        old, _ = self.schedulers(*builders)
        new, _ = self.schedulers(*builders)
        with pytest.raises(CheckpointError, match='LinearLR beside ReduceOnPlateau: expected the units .* old and new'):
            ResumedSchedule(scheduler_states(old), new, (2, 6), (2, 20), 10, 'old and new')

    def test_plateau_keeps_history_and_takes_the_new_settings(self):
        old, optimizer = self.schedulers(lambda o: ReduceOnPlateauLR(o, monitor='x', by_epoch=True, end=4, patience=3))
        old[0].step({'x': 1.0})
        old[0].step({'x': 2.0})
        new, _ = self.schedulers(lambda o: ReduceOnPlateauLR(o, monitor='x', by_epoch=True, end=9, patience=1))
        ResumedSchedule(scheduler_states(old), new, (2, 6), (2, 20), 10, '').load()
        assert (new[0].num_bad_epochs, new[0].best, new[0].end, new[0].patience) == (1, 1.0, 9, 1)

    def test_nothing_is_changed_by_a_schedule_that_is_too_short(self):
        old, _ = self.schedulers(lambda o: CosineAnnealingLR(o, T_max=6, by_epoch=False))
        from mmengine.optim import OneCycleLR

        new, optimizer = self.schedulers(
            lambda o: OneCycleLR(o, eta_max=1.0, total_steps=5, by_epoch=False),
            lambda o: MultiStepLR(o, milestones=[1], by_epoch=True),
        )
        before = dict(optimizer.param_groups[0]), [s.state_dict()['_global_step'] for s in new]
        states = scheduler_states(new)
        states[0]['total_steps'] = 3
        with pytest.raises(CheckpointError, match='expected a schedule that reaches iteration 20'):
            ResumedSchedule(states, new, (2, 6), (2, 20), 10, '')
        assert before == (dict(optimizer.param_groups[0]), [s.state_dict()['_global_step'] for s in new])
