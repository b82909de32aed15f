"""tools/train.py and tools/test.py from the command line's point of view, on the real parts."""

import errno
import json
import os
import re

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MMLogger

from projects.OneOcc.core.formats.atomic_files import DiskFullError
from projects.OneOcc.oneocc.engine import launch, read_checkpoint
from tests.micro import VAL_FRAMES, write_micro_config, write_micro_data
from tests.scripts import load_script


def full_disk(path: str) -> DiskFullError:
    """As a file that is written whole or not at all raises it."""
    error = DiskFullError(f'{path}: the disk is full (No space left on device); the file was not written')
    error.errno = errno.ENOSPC
    return error


@pytest.fixture(scope='module')
def workshop(tmp_path_factory):
    """A trained micro model: folder with data/, config.py and run/ (two epochs)."""
    folder = tmp_path_factory.mktemp('workshop')
    write_micro_data(folder / 'data')
    write_micro_config(folder / 'config.py')
    os.environ['ONEOCC_DATA'] = str(folder / 'data')
    try:
        assert tool('train', folder / 'config.py', '--work-dir', folder / 'run') == 0
        yield folder
    finally:
        del os.environ['ONEOCC_DATA']


def tool(name, *arguments) -> int:
    return load_script(f'tools/{name}.py').main([str(argument) for argument in arguments])


def test_training_leaves_checkpoints_and_validates(workshop):
    run = workshop / 'run'
    assert (run / 'last_checkpoint').read_text() == 'epoch_2.pth'
    assert list(run.glob('best_ssc_miou_*.pth'))
    counts = read_checkpoint(run / 'epoch_2.pth')['meta']['dataset_meta']['class_counts']
    assert len(counts) == 11


def test_metrics_json_predictions_and_pictures(workshop):
    out, pictures = workshop / 'predictions', workshop / 'pictures'
    assert (
        tool(
            'test',
            workshop / 'config.py',
            workshop / 'run/epoch_2.pth',
            '--work-dir',
            workshop / 'tested',
            '--out',
            out,
            '--show-dir',
            pictures,
        )
        == 0
    )
    report = json.loads((workshop / 'tested/metrics.json').read_text())
    assert report['frames'] == VAL_FRAMES
    assert report['config'] == str(workshop / 'config.py') and report['commit']
    assert {'miou', 'iou', 'precision', 'recall', 'class_iou', 'subsets', 'confusion', 'mask_policy'} <= set(report)
    files = sorted(out.rglob('*.npz'))
    assert len(files) == VAL_FRAMES
    assert np.load(files[0])['labels'].shape == (16, 16, 4)
    assert len(list(pictures.rglob('*.png'))) == VAL_FRAMES


def test_resume_continues(workshop):
    assert (
        tool(
            'train',
            workshop / 'config.py',
            '--work-dir',
            workshop / 'run',
            '--resume',
            '--cfg-options',
            'train_cfg.max_epochs=3',
        )
        == 0
    )
    assert read_checkpoint(workshop / 'run/epoch_3.pth')['meta']['epoch'] == 3
    assert (
        tool(
            'train',
            workshop / 'config.py',
            '--work-dir',
            workshop / 'run2',
            '--resume',
            workshop / 'run/epoch_3.pth',
            '--cfg-options',
            'train_cfg.max_epochs=3',
        )
        == 0
    )


def test_mixed_precision_trains(workshop):
    assert (
        tool(
            'train',
            workshop / 'config.py',
            '--work-dir',
            workshop / 'amp',
            '--amp',
            '--cfg-options',
            'train_cfg.max_epochs=1',
        )
        == 0
    )
    content = read_checkpoint(workshop / 'amp/epoch_1.pth')
    assert content['optimizer']['loss_scaler']['scale'] > 0
    assert all(torch.isfinite(w.float()).all() for w in content['state_dict'].values())


class TestBadInput:
    """One sentence on stderr, no traceback, and an exit code that is not 0."""

    def told(self, capfd, code, *arguments) -> str:
        capfd.readouterr()
        assert tool(*arguments) == code
        error = capfd.readouterr().err.strip().splitlines()[-1]
        assert error.startswith(f'{arguments[0]}.py: error: ')
        return error

    def test_missing_config(self, capfd, tmp_path):
        said = self.told(capfd, 2, 'train', tmp_path / 'absent.py')
        assert 'absent.py: expected a config file, found nothing' in said

    def test_broken_config(self, capfd, tmp_path):
        (tmp_path / 'c.py').write_text('model = dict(')
        assert 'not a readable config' in self.told(capfd, 2, 'train', tmp_path / 'c.py')

    def test_a_type_that_nobody_registered(self, capfd, workshop, tmp_path):
        option = 'model.neck.type=UNet3'
        said = self.told(capfd, 2, 'train', workshop / 'config.py', '--work-dir', tmp_path, '--cfg-options', option)
        assert "config.py: model.neck.type: expected a registered model of mmdet3d, got 'UNet3'" in said
        assert "did you mean 'UNet3D'?" in said

    def test_a_launcher_that_has_not_started_this(self, capfd, workshop, monkeypatch):
        for name in ('RANK', 'LOCAL_RANK', 'WORLD_SIZE', 'MASTER_ADDR', 'MASTER_PORT'):
            monkeypatch.delenv(name, raising=False)
        said = self.told(capfd, 2, 'train', workshop / 'config.py', '--launcher', 'pytorch')
        assert '--launcher pytorch: expected to be started by torchrun' in said and 'got no RANK' in said

    def test_an_option_that_changes_nothing(self, capfd, workshop, tmp_path):
        config = tmp_path / 'c.py'
        config.write_text(f"_base_ = '{workshop / 'config.py'}'\nwidth = 8\n")
        said = self.told(capfd, 2, 'test', config, 'x.pth', '--cfg-options', 'width=4')
        assert "--cfg-options width: 'width' is a variable of the config" in said

    def test_a_config_without_training(self, capfd, workshop, tmp_path):
        option = 'train_dataloader=None'
        said = self.told(capfd, 2, 'train', workshop / 'config.py', '--work-dir', tmp_path, '--cfg-options', option)
        assert 'to train, expected model, train_dataloader, train_cfg in the config, got no train_dataloader' in said

    def test_weights_that_are_no_numbers(self, capfd, workshop, tmp_path):
        content = read_checkpoint(workshop / 'run/epoch_2.pth')
        name = next(key for key in content['state_dict'] if key.startswith('decode_head') and key.endswith('weight'))
        content['state_dict'][name].fill_(float('nan'))
        torch.save(content, tmp_path / 'nan.pth')
        said = self.told(capfd, 1, 'test', workshop / 'config.py', tmp_path / 'nan.pth', '--work-dir', tmp_path)
        assert f'{name}: expected finite weights' in said
        assert not (tmp_path / 'metrics.json').exists()

    def test_missing_checkpoint(self, capfd, workshop):
        said = self.told(
            capfd, 1, 'test', workshop / 'config.py', workshop / 'absent.pth', '--work-dir', workshop / 'w'
        )
        assert 'absent.pth: expected a checkpoint file, found nothing' in said

    def test_missing_resume_file(self, capfd, workshop):
        said = self.told(capfd, 2, 'train', workshop / 'config.py', '--resume', 'absent.pth')
        assert '--resume: expected a checkpoint file or "auto", got absent.pth' in said

    def test_truncated_checkpoint(self, capfd, workshop, tmp_path):
        whole = (workshop / 'run/epoch_2.pth').read_bytes()
        (tmp_path / 'cut.pth').write_bytes(whole[: len(whole) // 2])
        said = self.told(capfd, 1, 'test', workshop / 'config.py', tmp_path / 'cut.pth', '--work-dir', tmp_path)
        assert 'cut.pth: expected a whole checkpoint, got a truncated file' in said

    def test_checkpoint_of_another_config(self, capfd, workshop, tmp_path):
        said = self.told(
            capfd,
            1,
            'test',
            workshop / 'config.py',
            workshop / 'run/epoch_2.pth',
            '--work-dir',
            tmp_path,
            '--cfg-options',
            'model.neck.dilations=[1,2]',
        )
        assert 'unknown to this model' in said and 'epoch_2.pth' in said

    def test_missing_data(self, capfd, workshop, tmp_path, monkeypatch):
        monkeypatch.setenv('ONEOCC_DATA', str(tmp_path / 'nowhere'))
        said = self.told(capfd, 1, 'train', workshop / 'config.py', '--work-dir', tmp_path / 'w')
        assert 'infos_train.json' in said and 'ONEOCC_DATA' in said

    @pytest.mark.parametrize('workers', [0, 1])
    def test_corrupt_image(self, capfd, workshop, tmp_path, monkeypatch, workers):
        write_micro_data(tmp_path)
        image = next((tmp_path / 'humansim-mini').rglob('seq00/equi/000001.png'))
        image.write_bytes(image.read_bytes()[:100])
        monkeypatch.setenv('ONEOCC_DATA', str(tmp_path))
        said = self.told(
            capfd,
            1,
            'test',
            workshop / 'config.py',
            workshop / 'run/epoch_2.pth',
            '--work-dir',
            tmp_path / 'w',
            '--cfg-options',
            f'test_dataloader.num_workers={workers}',
        )
        assert '000001.png' in said and 'Traceback' not in said


class TestOptions:
    @pytest.mark.parametrize('traceback', [False, True])
    def test_bugs_are_told_with_their_place_and_a_traceback_on_demand(self, capfd, traceback):
        def bug():
            raise ValueError('raised outside\nof the package')

        assert launch.explain_errors('train.py', bug, traceback) == 1
        said = capfd.readouterr().err
        assert ('Traceback' in said) == traceback
        assert 'train.py: error: raised outside of the package (an unexpected ValueError at ' in said
        assert f'{__file__}:' in said and '--traceback shows the way there' in said

    @pytest.mark.parametrize(
        ('error', 'said'),
        [
            (
                RuntimeError('DataLoader worker (pid 12) is killed by signal: Killed. Details are lost'),
                'data worker 12 was killed (signal Killed), probably for want of memory: .*num_workers.*shm',
            ),
            (RuntimeError('DataLoader worker (pid(s) 12, 13) exited unexpectedly'), 'data worker 12, 13 was killed'),
            (OSError(28, 'No space left on device', 'w/x.pth'), 'w/x.pth: the disk is full'),
            (full_disk('w/x.npz'), 'w/x.npz: the disk is full'),
            (PermissionError(13, 'Permission denied', 'w'), 'w: Permission denied'),
            (MemoryError(), 'out of memory: .*train_dataloader.batch_size'),
            (RuntimeError('CUDA out of memory. Tried to allocate'), 'out of memory: CUDA out of memory'),
            (RuntimeError('Found no NVIDIA driver on your system'), 'CUDA is not there: Found no NVIDIA driver'),
            (KeyError('SSCMetrik is not in the mmdet3d::metric registry. Please'), "did you mean 'SSCMetric'"),
        ],
    )
    def test_what_happens_outside_of_the_package_is_a_sentence(self, capfd, error, said):
        def fails():
            raise error

        assert launch.explain_errors('train.py', fails) == 1
        line = capfd.readouterr().err.splitlines()
        assert len(line) == 1 and re.match(
            f'train.py: error: .*{re.escape(said).replace(re.escape(".*"), ".*")}', line[0]
        )

    def test_interruption_needs_no_traceback(self, capfd):
        def interrupted():
            raise KeyboardInterrupt

        assert launch.explain_errors('train.py', interrupted) == 130
        assert capfd.readouterr().err == 'train.py: error: interrupted\n'

    def test_amp_needs_the_plain_wrapper(self):
        cfg = Config(dict(optim_wrapper=dict(type='Other')))
        with pytest.raises(launch.UsageError, match="--amp: expected .* got 'Other'"):
            launch.use_mixed_precision(cfg)

    def test_auto_scale_lr(self):
        cfg = Config(dict(auto_scale_lr=dict(base_batch_size=4, enable=False)))
        launch.use_scaled_learning_rate(cfg)
        assert cfg.auto_scale_lr.enable
        with pytest.raises(launch.UsageError, match='--auto-scale-lr: expected'):
            launch.use_scaled_learning_rate(Config(dict(model=dict())))

    def test_a_rate_for_another_batch_is_told(self, caplog):
        def told(world_size=1, **changes):
            logger = MMLogger.get_instance('batch')
            logger.addHandler(caplog.handler)
            caplog.clear()
            cfg = Config(
                dict(train_dataloader=dict(batch_size=1), optim_wrapper={}, auto_scale_lr=dict(base_batch_size=4))
            )
            cfg.merge_from_dict(changes)
            launch.tell_of_another_batch_size(cfg, world_size)
            logger.removeHandler(caplog.handler)
            return caplog.text

        assert 'for 4 samples a step, and this run takes 2 (2 processes x 1)' in told(2)
        assert not told(4) and not told(2, **{'optim_wrapper.accumulative_counts': 2})
        assert not told(1, **{'auto_scale_lr.enable': True}) and not told(1, **{'train_dataloader.batch_size': 4})

    def test_pictures_keep_the_settings_of_the_config(self):
        hook = dict(type='OccVisualizationHook', draw=False, num_samples=3)
        cfg = Config(dict(test_evaluator=dict(type='Toy'), work_dir='w', default_hooks=dict(visualization=hook)))
        launch.use_outputs(cfg, 'c.py', None, 'shown')
        assert cfg.custom_hooks == [dict(hook, draw=True, out_dir='shown')]

    def test_predictions_need_the_metric(self):
        cfg = Config(dict(test_evaluator=dict(type='ToyAccuracy'), work_dir='w'))
        with pytest.raises(launch.UsageError, match='--out: expected an SSCMetric'):
            launch.use_outputs(cfg, 'c.py', 'out', None)


def test_print_config(workshop, capsys):
    script = load_script('tools/misc/print_config.py')
    assert script.main([str(workshop / 'config.py'), '--cfg-options', 'randomness.seed=9']) == 0
    printed = capsys.readouterr().out
    assert "type='OneOccCheckpointHook'" in printed and 'seed=9' in printed
    assert script.main(['absent.py']) == 2
