"""What a run refuses while it goes: numbers that are none, a second writer, a launcher that is gone."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch

from projects.OneOcc.core.formats.folder_lock import FolderLock, FolderLockedError
from projects.OneOcc.oneocc.engine import NonFiniteOutputError, launcher_watch, read_checkpoint, write_checkpoint
from projects.OneOcc.oneocc.engine.launcher_watch import LauncherWatch, OrphanedError
from tests.engine.programs import ROOT
from tests.engine.runs import make_runner, train
from tests.engine.toy import toy_config


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp('guards')
    train(toy_config(folder, **{'train_cfg.max_epochs': 2}))
    return folder


@pytest.mark.parametrize('value', [float('nan'), float('inf')])
def test_a_weight_that_is_no_number_ends_a_test_by_name(run, tmp_path, value):
    content = read_checkpoint(run / 'epoch_2.pth')
    content['state_dict']['decode_head.linear.weight'][0, 0] = value
    write_checkpoint(content, tmp_path / 'x.pth')
    with pytest.raises(
        NonFiniteOutputError, match=r'decode_head\.linear\.weight: expected finite weights, got 1 of 24'
    ):
        make_runner(toy_config(tmp_path, load_from=str(tmp_path / 'x.pth'))).test()


def test_a_logit_that_is_no_number_ends_a_test_by_frame(run, tmp_path):
    cfg = toy_config(tmp_path, load_from=str(run / 'epoch_2.pth'), **{'test_dataloader.dataset.nan_at': 6})
    runner = make_runner(cfg)
    with pytest.raises(NonFiniteOutputError, match=r"NaN out of decode_head\.linear for the samples \['toy/000006'\]"):
        runner.test()
    assert not any(module._forward_hooks for module in runner.model.modules())


def test_a_validation_of_no_numbers_is_told(tmp_path):
    changes = {'val_dataloader.dataset.nan_at': 6, 'train_cfg.max_epochs': 2}
    train(toy_config(tmp_path, log_level='INFO', **changes))
    log = '\n'.join(path.read_text() for path in tmp_path.glob('*/*.log'))
    assert log.count('validation: expected logits that are numbers, got NaN out of decode_head.linear') == 1


def test_two_trainings_cannot_share_a_folder(tmp_path, monkeypatch):
    monkeypatch.setattr('projects.OneOcc.core.formats.folder_lock.PATIENCE_S', 0)
    monkeypatch.setattr(FolderLock.__init__, '__defaults__', (0, 'run'))
    with FolderLock(tmp_path), pytest.raises(FolderLockedError, match='another training is writing there .process'):
        train(toy_config(tmp_path))
    assert not list(tmp_path.glob('*.pth'))


def test_a_folder_that_changed_while_a_training_was_starting_is_not_resumed(run, tmp_path):
    shutil.copytree(run, tmp_path / 'run')
    runner = make_runner(toy_config(tmp_path / 'run', resume=True))
    shutil.copy(run / 'epoch_1.pth', tmp_path / 'run/epoch_7.pth')
    with pytest.raises(FolderLockedError, match='another training wrote there meanwhile'):
        runner.train()


def test_a_relative_work_dir_is_the_same_folder(run, tmp_path, monkeypatch):
    shutil.copytree(run, tmp_path / 'run')
    monkeypatch.chdir(tmp_path)
    assert train(toy_config('run', resume=True, **{'train_cfg.max_epochs': 3})).epoch == 3


def test_nobody_is_watched_without_a_launcher(monkeypatch):
    monkeypatch.setattr(launcher_watch.os, 'getppid', lambda: 4242)
    watch, mpi = LauncherWatch('none'), LauncherWatch('mpi')
    monkeypatch.setattr(launcher_watch.os, 'getppid', lambda: 1)
    watch.check()
    with pytest.raises(OrphanedError, match='its launcher, process .*, is gone'):
        mpi.check()


ORPHAN = """
import os, sys, time
from projects.OneOcc.oneocc.engine.launcher_watch import LauncherWatch
child = os.fork()
if child == 0:
    LauncherWatch('pytorch')
    print(os.getpid(), flush=True)
    time.sleep(60)
time.sleep(60)
"""


def test_a_rank_ends_with_its_killed_launcher_even_while_it_waits():
    launcher = subprocess.Popen([sys.executable, '-c', ORPHAN], cwd=ROOT, stdout=subprocess.PIPE)
    rank = int(launcher.stdout.readline())
    launcher.send_signal(signal.SIGKILL)
    launcher.wait()
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and _lives(rank):
        time.sleep(0.02)
    assert not _lives(rank)


def _lives(pid: int) -> bool:
    try:
        with open(f'/proc/{pid}/stat') as file:
            return file.read().rpartition(')')[2].split()[0] not in 'ZX'
    except FileNotFoundError:
        return False


class TestOwnFilesOnly:
    """What a checkpoint says about other files are names; what another run wrote stays."""

    def resumed(self, run, tmp_path, **notes):
        shutil.copytree(run, tmp_path / 'run', ignore=shutil.ignore_patterns('2*', 'vis_data'))
        for name in ('epoch_77.pth', 'notes.pth'):
            shutil.copy(run / 'epoch_1.pth', tmp_path / name)
        content = read_checkpoint(tmp_path / 'run/epoch_2.pth')
        content['message_hub']['runtime_info'].update(notes)
        content['message_hub']['resumed_keys'].update(dict.fromkeys(notes, True))
        write_checkpoint(content, tmp_path / 'run/epoch_2.pth')
        return toy_config(
            tmp_path / 'run',
            resume=True,
            **{
                'train_cfg.max_epochs': 3,
                'default_hooks.checkpoint.max_keep_ckpts': 1,
                'default_hooks.checkpoint.save_best': 'toy/accuracy',
                'default_hooks.checkpoint.rule': 'greater',
            },
        )

    def test_names_never_lead_out_of_the_folder(self, run, tmp_path):
        outside = ['../epoch_77.pth', '../notes.pth', str(tmp_path / 'epoch_77.pth')]
        train(self.resumed(run, tmp_path, outdated_ckpts=outside, best_ckpt='../notes.pth', best_score=-1.0))
        assert (tmp_path / 'epoch_77.pth').is_file() and (tmp_path / 'notes.pth').is_file()

    def test_files_of_another_run_or_name_stay(self, run, tmp_path):
        cfg = self.resumed(run, tmp_path, keep_ckpt_ids=[77, 78, 1, 2], best_ckpt='a/notes.pth', best_score=-1.0)
        folder = tmp_path / 'run'
        shutil.copy(run / 'epoch_1.pth', folder / 'notes.pth')
        foreign = read_checkpoint(run / 'epoch_1.pth')
        foreign['meta'].update(run_id='another', epoch=0, iter=0)
        write_checkpoint(foreign, folder / 'epoch_77.pth')
        (folder / 'epoch_78.pth').symlink_to(run / 'epoch_1.pth')
        train(cfg)
        left = {path.name for path in folder.glob('*.pth')}
        assert {'notes.pth', 'epoch_77.pth', 'epoch_78.pth', 'epoch_3.pth'} <= left
        assert not left & {'epoch_1.pth', 'epoch_2.pth'}, 'its own old files go'

    def test_what_a_killed_run_had_meant_to_remove_goes(self, run, tmp_path):
        cfg = self.resumed(run, tmp_path, keep_ckpt_ids=[2], outdated_ckpts=['epoch_1.pth'])
        runner = make_runner(cfg)
        assert (tmp_path / 'run/epoch_1.pth').is_file()
        runner.train()
        assert sorted(path.name for path in (tmp_path / 'run').glob('epoch*')) == ['epoch_3.pth']


def test_a_run_killed_between_pointer_and_removal_leaves_nothing_behind(tmp_path, monkeypatch):
    from projects.OneOcc.oneocc.engine import checkpoint_hook

    one = {'default_hooks.checkpoint.max_keep_ckpts': 1}
    real = checkpoint_hook.write_pointer

    def killed(work_dir, path):
        real(work_dir, path)
        if 'epoch_2' in str(path):
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint_hook, 'write_pointer', killed)
    with pytest.raises(KeyboardInterrupt):
        train(toy_config(tmp_path, **one))
    assert sorted(p.name for p in tmp_path.glob('*.pth')) == ['epoch_1.pth', 'epoch_2.pth']
    monkeypatch.setattr(checkpoint_hook, 'write_pointer', real)
    train(toy_config(tmp_path, resume=True, **one))
    assert [p.name for p in tmp_path.glob('*.pth')] == ['epoch_4.pth']


def test_the_lock_says_who_holds_it_while_a_training_runs(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(
        'tests.engine.toy.ToyAccuracy.compute_metrics',
        lambda self, results: seen.append(json.loads((tmp_path / '.lock').read_text())['pid']) or {'accuracy': 1.0},
    )
    train(toy_config(tmp_path, **{'train_cfg.max_epochs': 1}))
    assert seen == [os.getpid()] and not (tmp_path / '.lock').exists()
    assert torch.load(tmp_path / 'epoch_1.pth', weights_only=True)['meta']['run_id']
