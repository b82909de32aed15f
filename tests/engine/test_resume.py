"""An interrupted and resumed run equals the uninterrupted one, to the last bit."""

import pytest
import torch

from projects.OneOcc.oneocc.engine import CheckpointError
from tests.engine.programs import report_of
from tests.engine.runs import Interrupted, make_runner, same, state_of, train
from tests.engine.toy import toy_config

EPOCH = 3  # batches: 10 samples by 4


def interrupted_then_resumed(cfg, after_iters):
    stopped = cfg.copy()
    stopped.custom_hooks = [*cfg.custom_hooks, dict(type='PullThePlug', after_iters=after_iters)]
    with pytest.raises(Interrupted):
        train(stopped)
    resumed = cfg.copy()
    resumed.resume = True
    return train(resumed)


@pytest.mark.parametrize('after_iters', [EPOCH + 1, 3 * EPOCH])
def test_epoch_checkpoints_resume_exactly(tmp_path, after_iters):
    whole = train(toy_config(tmp_path / 'whole'))
    parts = interrupted_then_resumed(toy_config(tmp_path / 'parts'), after_iters)
    assert same(state_of(whole), state_of(parts))


@pytest.mark.parametrize('after_iters', [1, EPOCH, EPOCH + 2])
def test_checkpoints_within_an_epoch_resume_exactly(tmp_path, after_iters):
    hook = {'default_hooks.checkpoint.by_epoch': False}
    whole = train(toy_config(tmp_path / 'whole', **hook))
    parts = interrupted_then_resumed(toy_config(tmp_path / 'parts', **hook), after_iters)
    assert same(state_of(whole), state_of(parts))
    assert parts.iter == 4 * EPOCH, 'no batch may be trained twice'


@pytest.mark.parametrize('sampler', ['DefaultSampler', 'InfiniteSampler'])
def test_iteration_based_runs_resume_exactly(tmp_path, sampler):
    def config(name):
        cfg = toy_config(tmp_path / name)
        cfg.train_cfg = dict(type='ResumableIterLoop', max_iters=11, val_interval=4)
        cfg.param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=False, T_max=11)]
        cfg.default_hooks.checkpoint.update(by_epoch=False, interval=2)
        cfg.train_dataloader.sampler = dict(type=sampler, shuffle=True)
        cfg.log_processor = dict(by_epoch=False)
        return cfg

    whole = train(config('whole'))
    parts = interrupted_then_resumed(config('parts'), 7)
    assert same(state_of(whole), state_of(parts))


def test_worker_processes_change_nothing(tmp_path):
    alone = train(toy_config(tmp_path / 'alone'))
    helped = train(toy_config(tmp_path / 'helped', **{'train_dataloader.num_workers': 2}))
    assert same(state_of(alone), state_of(helped))


def test_epochs_are_augmented_differently(tmp_path):
    loader = make_runner(toy_config(tmp_path)).build_train_loop(dict(by_epoch=True, max_epochs=2)).dataloader

    def inputs_of(epoch):
        loader.batch_sampler.seek(epoch)
        pairs = [(s.sample_id, x) for b in loader for s, x in zip(b['data_samples'], b['inputs'])]
        return torch.stack([x for _, x in sorted(pairs, key=lambda pair: pair[0])])

    assert same(inputs_of(0), inputs_of(0))
    assert not same(inputs_of(0), inputs_of(1))


def test_seed_of_a_run_without_one_is_resumed(tmp_path):
    cfg = toy_config(tmp_path, randomness=dict(seed=None, _delete_=True))
    whole = train(cfg)
    cfg.resume = True
    assert make_runner(cfg).seed == whole.seed


def test_mixed_precision_resumes_with_its_scaler(tmp_path):
    amp = {'optim_wrapper.type': 'OneOccAmpOptimWrapper', 'optim_wrapper.loss_scale': 'dynamic'}
    whole = train(toy_config(tmp_path / 'whole', **amp))
    parts = interrupted_then_resumed(toy_config(tmp_path / 'parts', **amp), 2 * EPOCH)
    assert same(state_of(whole), state_of(parts))
    scaler = state_of(parts)['optimizer']['loss_scaler']
    assert scaler['_growth_tracker'] == 4 * EPOCH and scaler['scale'] > 1


def test_best_checkpoint_survives_an_interruption(tmp_path):
    def config(name):
        return toy_config(
            tmp_path / name,
            **{'default_hooks.checkpoint.save_best': 'toy/accuracy', 'default_hooks.checkpoint.rule': 'greater'},
        )

    whole = train(config('whole'))
    parts = interrupted_then_resumed(config('parts'), 2 * EPOCH)
    names = [sorted(p.name for p in (tmp_path / run).glob('best_*.pth')) for run in ('whole', 'parts')]
    assert names[0] == names[1] and len(names[0]) == 1
    scores = [run.message_hub.get_info('best_score') for run in (whole, parts)]
    assert scores[0] == scores[1] > 0


def test_finished_run_resumes_to_nothing(tmp_path):
    cfg = toy_config(tmp_path)
    whole = state_of(train(cfg))
    cfg.resume = True
    assert same(whole, state_of(train(cfg)))


@pytest.mark.parametrize('out_dir', [None, 'kept'])
def test_a_folder_named_from_here_resumes_too(tmp_path, monkeypatch, out_dir):
    monkeypatch.chdir(tmp_path)
    cfg = toy_config('work_dirs/toy', **{'default_hooks.checkpoint.out_dir': out_dir})
    whole = state_of(train(cfg))
    cfg.resume = True
    assert same(whole, state_of(train(cfg)))


def test_resume_in_an_empty_folder_starts_from_the_beginning(tmp_path):
    assert same(state_of(train(toy_config(tmp_path / 'a'))), state_of(train(toy_config(tmp_path / 'b', resume=True))))


def test_other_batch_size_within_an_epoch_is_refused(tmp_path):
    cfg = toy_config(tmp_path, **{'default_hooks.checkpoint.by_epoch': False})
    with pytest.raises(CheckpointError, match=r'iter_4\.pth: expected 10 batches an epoch, got 3'):
        interrupted_then_resumed_with_batch_size_1(cfg)


def interrupted_then_resumed_with_batch_size_1(cfg):
    stopped = cfg.copy()
    stopped.custom_hooks = [*cfg.custom_hooks, dict(type='PullThePlug', after_iters=EPOCH + 1)]
    with pytest.raises(Interrupted):
        train(stopped)
    cfg.resume = True
    cfg.train_dataloader.batch_size = 1
    train(cfg)


def test_weights_alone_cannot_be_resumed(tmp_path):
    cfg = toy_config(tmp_path, **{'default_hooks.checkpoint.save_optimizer': False})
    train(cfg)
    cfg.update(resume=True, load_from=str(tmp_path / 'epoch_4.pth'))
    with pytest.raises(CheckpointError, match='no optimizer'):
        train(cfg)


def test_two_ranks_resume_exactly(tmp_path):
    report = report_of('two_ranks', tmp_path)
    assert len(report) == 3 and all(report.values()), report
