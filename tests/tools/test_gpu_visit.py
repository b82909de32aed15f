"""The visit to a GPU rehearsed: order, limits, resuming; and the loads that travel."""

import json

import pytest
import torch

from projects.OneOcc.oneocc.engine import read_checkpoint, write_checkpoint
from projects.OneOcc.oneocc.engine.checkpoint import write_pointer
from tools.analysis_tools import gpu_pack, gpu_visit
from tools.analysis_tools.gpu_visit import Step, Visit


def names(*arguments) -> list[str]:
    return [step.name for step in gpu_visit.steps_of(gpu_visit.parse_args(['--out', 'visit', *arguments]))]


def test_the_most_valuable_comes_first():
    found = names('--train', 'configs/oneocc/oneocc-light-304x608_quadsim.py')
    assert found[:3] == ['facts', 'tests-fast-paths', 'efficiency-oneocc-fast_quadocc']
    kinds = [name.split('-')[0] for name in found]
    order = ['facts', 'tests', 'efficiency', 'profile', 'data', 'train', 'weights', 'tests', 'compiled']
    assert [kind for n, kind in enumerate(kinds) if n == 0 or kinds[n - 1] != kind] == order
    assert 'train-oneocc-light-304x608_quadsim' in found and len(set(found)) == len(found)


def test_without_a_model_to_train_there_is_no_training():
    assert not [name for name in names() if name.startswith(('data', 'train', 'weights'))]


def test_every_command_names_files_that_exist():
    arguments = ['--out', 'visit', '--train', 'configs/oneocc/oneocc-fast_quadsim.py']
    for step in gpu_visit.steps_of(gpu_visit.parse_args(arguments)):
        for part in step.command:
            if part.endswith('.py') or part.startswith('tests/'):
                assert (gpu_visit.ROOT / part).exists(), part


@pytest.fixture
def visit(tmp_path):
    return lambda minutes=1.0: Visit(tmp_path / 'visit', minutes, {})


def test_a_step_has_a_limit_and_the_visit_a_memory(visit, tmp_path):
    good = Step('good', ('-c', 'print("a line")'), 30)
    endless = Step('endless', ('-c', 'import time; print("begun", flush=True); time.sleep(60)'), 2)
    bad = Step('bad', ('-c', 'raise SystemExit(3)'), 30)
    first = visit()
    assert [first.run(step)['ended'] for step in (good, endless, bad)] == ['well', 'at its limit', 'with 3']
    assert (tmp_path / 'visit/good.log').read_text() == 'a line\n'
    assert (tmp_path / 'visit/endless.log').read_text().startswith('begun')
    assert set(json.loads((tmp_path / 'visit/visit.json').read_text())) == {'good', 'endless', 'bad'}
    second = visit()
    for step in (good, bad):
        second.run(step)
    assert (tmp_path / 'visit/good.log').read_text() == 'a line\n'  # not again
    assert second.known['bad']['ended'] == 'with 3'


def test_a_step_whose_file_is_gone_runs_again(visit, tmp_path):
    file = tmp_path / 'made'
    step = Step('make', ('-c', f'open({str(file)!r}, "a").write("x")'), 30, file)
    visit().run(step)
    visit().run(step)
    assert file.read_text() == 'x'
    file.unlink()
    visit().run(step)
    assert file.read_text() == 'x'


def test_no_step_begins_after_the_end(visit):
    assert visit(0.0).run(Step('late', ('-c', 'pass'), 30))['ended'] == 'no time was left'


def test_weights_are_halved_beside_their_checkpoint(tmp_path):
    whole = dict(meta=dict(epoch=1, iter=5), optimizer={}, state_dict=dict(a=torch.rand(3), n=torch.tensor(2)))
    write_checkpoint(whole, tmp_path / 'epoch_1.pth')
    write_pointer(tmp_path, tmp_path / 'epoch_1.pth')
    path = gpu_visit.halve(tmp_path)
    assert path.name == 'epoch_1_half.pth'
    weights = read_checkpoint(path)['state_dict']
    assert weights['a'].dtype == torch.float16 and weights['n'].dtype == torch.int64
    with pytest.raises(FileNotFoundError, match='whole checkpoint'):
        gpu_visit.halve(tmp_path / 'nothing')


def test_the_list_shows_and_does_nothing(tmp_path, capsys):
    gpu_visit.main(['--out', str(tmp_path / 'none'), '--list', '--only', 'efficiency'])
    assert 'efficiency-oneocc_quadocc' in capsys.readouterr().out and not (tmp_path / 'none').exists()


@pytest.mark.slow
def test_a_rehearsal_on_a_cpu(tmp_path):
    arguments = ['--out', str(tmp_path / 'visit'), '--device', 'cpu', '--small', '--minutes', '30']
    known = gpu_visit.main(arguments)
    assert {name: step['ended'] for name, step in known.items()} == dict.fromkeys(known, 'well')
    assert (tmp_path / 'visit/efficiency-oneocc-tiny_quadsim-mini.json').is_file()
    assert 'conv' in (tmp_path / 'visit/profile-oneocc-tiny_quadsim-mini.txt').read_text()
    assert list((tmp_path / 'visit').glob('train-*/*_half.pth'))


def test_loads_hold_what_can_travel():
    sizes = dict(opencv=50, llvmlite=43, numpy=18, small=5, tiny=1, giant=90)
    loads = gpu_pack.loads_of(sizes, 60)
    assert sorted(name for load in loads for name in load) == sorted(sizes)
    assert all(sum(sizes[name] for name in load) <= 60 or load == ['giant'] for load in loads)
    assert len(loads) == 4 and gpu_pack.loads_of({}, 60) == []


def test_a_folder_without_loads_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match='expected loads'):
        gpu_pack.unpack(tmp_path)


def test_packages_are_listed(capsys):
    gpu_pack.main(['--out', 'nowhere', '--list'])
    assert {'mmengine==0.10.7', 'mmcv==2.1.0'} <= set(capsys.readouterr().out.split())
