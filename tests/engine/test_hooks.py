"""Hooks around the iteration: class counts, losses that are no numbers, the order of deletions."""

import pytest
import torch
from mmengine.runner import Runner

from projects.OneOcc.oneocc.engine import NonFiniteLossError, checkpoint_hook, read_checkpoint
from tests.engine import runs
from tests.engine.runs import train
from tests.engine.toy import toy_config


def test_class_counts_reach_the_head(tmp_path):
    runner = train(toy_config(tmp_path, **{'train_cfg.max_epochs': 1}))
    assert runner.model.decode_head.class_counts == [4, 3, 2, 1]


def test_missing_class_counts_are_told(tmp_path):
    runner = runs.make_runner(toy_config(tmp_path))
    runner.build_train_loop(runner._train_loop)
    runner._train_loop = runner.build_train_loop(runner._train_loop)
    runner.train_dataloader.dataset.metainfo.pop('class_counts')
    with pytest.raises(ValueError, match=r"expected 'class_counts' .* got \['classes'\]"):
        runner.call_hook('before_train')


def test_class_counts_want_a_head_that_can_take_them(tmp_path):
    runner = runs.make_runner(toy_config(tmp_path))
    runner._train_loop = runner.build_train_loop(runner._train_loop)
    runner.model.decode_head = torch.nn.Linear(2, 2)
    with pytest.raises(TypeError, match='derives from OccHead, got Linear'):
        runner.call_hook('before_train')


def test_non_finite_loss_ends_the_run_and_names_the_samples(tmp_path):
    cfg = toy_config(tmp_path, **{'train_dataloader.dataset.nan_at': 7, 'default_hooks.checkpoint.by_epoch': False})
    with pytest.raises(NonFiniteLossError, match=r"loss_ce': nan.*toy/000007"):
        train(cfg)
    for path in tmp_path.glob('*.pth'):
        weights = read_checkpoint(path)['state_dict'].values()
        assert all(torch.isfinite(w.float()).all() for w in weights)


def test_checkpoint_hook_wants_its_runner(tmp_path):
    cfg = toy_config(tmp_path, experiment_name='stock', **{'train_cfg.type': 'EpochBasedTrainLoop'})
    with pytest.raises(TypeError, match="got Runner; set runner_type = 'mmdet3d.OneOccRunner'"):
        Runner.from_cfg(cfg).train()


def test_old_checkpoint_goes_last(tmp_path, monkeypatch):
    """At every step of saving, the folder holds the checkpoint that the pointer names, whole."""
    cfg = toy_config(tmp_path, **{'default_hooks.checkpoint.max_keep_ckpts': 1})
    seen = []

    def watched(work_dir, path):
        seen.append(sorted(p.name for p in tmp_path.glob('*.pth')))
        return write_pointer(work_dir, path)

    write_pointer = checkpoint_hook.write_pointer
    monkeypatch.setattr(checkpoint_hook, 'write_pointer', watched)
    train(cfg)
    assert seen == [
        ['epoch_1.pth'],
        ['epoch_1.pth', 'epoch_2.pth'],
        ['epoch_2.pth', 'epoch_3.pth'],
        ['epoch_3.pth', 'epoch_4.pth'],
    ]
    assert [p.name for p in tmp_path.glob('*.pth')] == ['epoch_4.pth']


def test_previous_best_checkpoint_goes_after_the_new_one(tmp_path, monkeypatch):
    cfg = toy_config(
        tmp_path, **{'default_hooks.checkpoint.save_best': 'toy/accuracy', 'default_hooks.checkpoint.rule': 'greater'}
    )
    scores = iter([{'toy/accuracy': score} for score in (10.0, 20.0, 15.0, 30.0)])
    monkeypatch.setattr(
        runs.toy.ToyAccuracy, 'compute_metrics', lambda self, results: {'accuracy': next(scores)['toy/accuracy']}
    )
    removed = []
    flush = checkpoint_hook._LateRemoval.flush

    def watched(self, keep):
        doomed = [path for path in self._doomed if '/best_' in path]
        if doomed:
            removed.append((doomed, sorted(p.name for p in tmp_path.glob('best*'))))
        flush(self, keep)

    monkeypatch.setattr(checkpoint_hook._LateRemoval, 'flush', watched)
    train(cfg)
    best = [f'best_toy_accuracy_epoch_{n}.pth' for n in (1, 2, 4)]
    assert [present for _, present in removed] == [best[:2], best[1:]]
    assert [p.name for p in tmp_path.glob('best*')] == best[2:]


def test_progress_bar_counts_iterations(tmp_path, capfd):
    cfg = toy_config(tmp_path, **{'train_cfg.max_epochs': 2})
    cfg.custom_hooks.append(dict(type='ProgressBarHook'))
    train(cfg)
    assert '6/6' in capfd.readouterr().err
