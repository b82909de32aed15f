"""tools/train.py and tools/test.py from the command line's point of view, on the real parts."""

import json
import os

import numpy as np
import pytest
import torch
from mmengine.config import Config

from projects.OneOcc.oneocc.engine import launch, read_checkpoint
from tests.micro import VAL_FRAMES, write_micro_config, write_micro_data
from tests.scripts import load_script


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
    def test_bugs_keep_their_traceback(self):
        def bug():
            raise ValueError('raised outside of the package')

        with pytest.raises(ValueError, match='outside'):
            launch.explain_errors('train.py', bug)

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
