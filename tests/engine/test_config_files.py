"""Configs from files: what stands in the environment or in YAML never runs; mistakes are one sentence."""

import json
import os

import pytest

from projects.OneOcc.oneocc.engine.config_files import load_config, parse_options
from projects.OneOcc.oneocc.engine.config_keys import check_keys, names_used
from projects.OneOcc.oneocc.engine.usage_error import UsageError
from tests.micro import ROOT, write_micro_config

HOSTILE = ["/a/o'brien", 'D:\\1data', "x' + __import__('os').system('touch {victim}') + '", 'tab\there "quoted" {{x}}']


@pytest.fixture
def config(tmp_path):
    return write_micro_config(tmp_path / 'config.py')


@pytest.mark.parametrize('root', HOSTILE)
def test_the_data_root_is_a_value_whatever_it_says(tmp_path, monkeypatch, config, root):
    root = root.format(victim=tmp_path / 'owned') if '{victim}' in root else root
    monkeypatch.setenv('ONEOCC_DATA', root)
    cfg = load_config(config)
    assert cfg.train_dataloader.dataset.data_root == cfg.data_root == f'{root}/humansim-mini'
    assert not (tmp_path / 'owned').exists()


def test_without_a_data_root_there_is_the_default(monkeypatch, config):
    monkeypatch.delenv('ONEOCC_DATA', raising=False)
    assert load_config(config).data_root == 'data/humansim-mini'


def test_an_empty_data_root_is_told(monkeypatch, config):
    monkeypatch.setenv('ONEOCC_DATA', ' ')
    with pytest.raises(UsageError, match="ONEOCC_DATA: expected a value, got an empty one; unset it .*'data'"):
        load_config(config)


def test_a_folder_with_a_quote_in_its_name_is_a_value_too(tmp_path):
    folder = tmp_path / "it's"
    folder.mkdir()
    (folder / 'c.py').write_text("work_dir = 'runs/{{ fileBasenameNoExtension }}'\n")
    assert load_config(folder / 'c.py').work_dir == 'runs/c'


@pytest.mark.parametrize('base', [False, True])
def test_yaml_is_data_and_runs_nothing(tmp_path, base):
    victim = tmp_path / 'owned'
    (tmp_path / 'c.yaml').write_text(f'work_dir: !!python/object/apply:os.system ["touch {victim}"]\n')
    (tmp_path / 'child.py').write_text("_base_ = './c.yaml'\n")
    with pytest.raises(UsageError, match='not YAML of plain values'):
        load_config(tmp_path / ('child.py' if base else 'c.yaml'))
    assert not victim.exists()
    (tmp_path / 'c.yaml').write_text('randomness:\n  seed: 3\n')
    assert load_config(tmp_path / 'c.yaml').randomness.seed == 3


@pytest.mark.parametrize(
    ('name', 'text', 'said'),
    [
        ('c.json', '{"a": 1,}', r'c\.json:1: not valid JSON'),
        ('c.py', 'model = dict(', r'c\.py.*line 1'),
        ('c.py', 'a = 1\nb = undefined\n', r"c\.py:2: not a readable config \(NameError: name 'undefined'"),
        ('c.py', "_base_ = './absent.py'", r'absent\.py'),
        ('c.py', 'a = 1 / 0', r'c\.py:1: .*ZeroDivisionError'),
        ('c.py', "a = {{'$LR:1'}}", r'expected environment variables within a text'),
        ('c.toml', 'a = 1', r'expected a config file \(.py, .json, .yaml\), got .toml'),
        ('c.py', b'\xff\xfe', 'expected UTF-8'),
    ],
)
def test_what_is_no_config_is_told_with_file_and_line(tmp_path, name, text, said):
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UsageError, match=said):
        load_config(tmp_path / name)


def test_a_json_config_is_read(tmp_path, monkeypatch):
    monkeypatch.setenv('ONEOCC_DATA', 'x"y')
    (tmp_path / 'c.json').write_text(json.dumps({'load_from': '{{$ONEOCC_DATA:data}}/z'}))
    assert load_config(tmp_path / 'c.json').load_from == 'x"y/z'


@pytest.mark.parametrize(
    ('option', 'said'),
    [
        ('randomness.seed', "--cfg-options: expected KEY=VALUE, got 'randomness.seed'"),
        ('=3', 'expected KEY=VALUE'),
        ('optim_wrapper.optimizer.lr=1e-3x', "optimizer.lr: expected a number such as .*, got '1e-3x'"),
        ('train_dataloader.dataset.pipeline.99.prob=0', r'pipeline\.99\.prob: it leads to nothing in .*config\.py'),
        ('model=3', r'model: expected a setting below it, such as model\.type=\.\.\., got 3'),
        ('find_unused_parameters=ture', "expected True or False, got 'ture'"),
        ('num_classes=3', 'num_classes: .* is a variable .* set model.decode_head.num_classes instead'),
        ('randomnes.seed=5', "nobody reads 'randomnes'; did you mean 'randomness'"),
        ('train_cfg.max_epochs=[1', 'train_cfg.max_epochs: expected a number'),
    ],
)
def test_an_option_that_cannot_take_effect_is_refused(config, option, said):
    with pytest.raises(UsageError, match=said):
        load_config(config, [option])


def test_options_that_take_effect(config, monkeypatch):
    monkeypatch.setenv('ONEOCC_DATA', 'q')
    options = [
        'optim_wrapper.optimizer.lr=1e-3',
        'val_dataloader=None',
        'model.decode_head.num_classes=3',
        'work_dir=a=b',
    ]
    cfg = load_config(config, options)
    assert cfg.optim_wrapper.optimizer.lr == 1e-3 and cfg.val_dataloader is None
    assert cfg.model.decode_head.num_classes == 3 and cfg.work_dir == 'a=b'
    assert parse_options({'a': 1}) == {'a': 1}


def test_settings_that_nobody_reads_are_told(config):
    with open(config, 'a') as file:
        file.write('\nrandomnes = dict(seed=3)\nhelper = 3\nused = helper\nenv_cfg = dict(cudnn_benchmrk=True)\n')
    with pytest.warns(UserWarning) as found:
        load_config(config)
    texts = sorted(
        str(warning.message).partition(': ')[2] for warning in found if 'nobody reads' in str(warning.message)
    )
    assert texts == [
        "env_cfg.cudnn_benchmrk: nobody reads this setting of the config; did you mean 'cudnn_benchmark'?",
        "randomnes: nobody reads this setting of the config; did you mean 'randomness'?",
        'used: nobody reads this setting of the config',
    ]


def test_configs_of_the_project_are_read_to_the_last_key(monkeypatch):
    monkeypatch.setenv('ONEOCC_DATA', os.devnull)
    for path in sorted((ROOT / 'configs').rglob('*.py'))[::4]:
        if '_base_' not in path.parts:
            assert check_keys(load_config(path, import_modules=False)) == [], path


def test_names_in_code_count_and_keywords_and_comments_do_not():
    assert names_used("a = b  # c\nd = dict(e=f)\ng = '{{_base_.h}}'\n") >= {'b', 'f', 'h'}
    assert not names_used('a = b  # c\nd = dict(e=f)\n') & {'a', 'c', 'd', 'e'}
