"""The zoo's page and metafile say what the cards say."""

import json
import re

import pytest
import yaml

from tests.scripts import ROOT, load_script

zoo_page = load_script('tools/model_converters/zoo_page.py')
CARD = dict(
    about=dict(data='a set', license='Apache-2.0', summary='A small\nmodel.', limits='one lens'),
    classes=['road', 'car'],
    grid=dict(shape=[8, 8, 4], voxel_size=0.4, origin=[0, 0, 0]),
    metrics=dict(miou=12.345, iou=30.0, frames=7, mask_policy='known', class_iou=dict(road=20.0, car=float('nan'))),
    parameters=1234,
    commit='abc',
    files={'model.safetensors': dict(bytes=2_500_000, sha256='f' * 64)},
)


def write_card(zoo, name, **changes):
    (zoo / name).mkdir(parents=True)
    (zoo / name / 'card.json').write_text(json.dumps({**CARD, **changes}))


def test_the_pages_of_this_repository_are_as_its_cards_are():
    assert zoo_page.write_pages(ROOT, ROOT / zoo_page.ZOO, check=True) == [], (
        'run python tools/model_converters/zoo_page.py'
    )


@pytest.mark.parametrize('names', [[], ['one'], ['b', 'a']])
def test_every_card_is_listed(tmp_path, names):
    for name in names:
        write_card(tmp_path / 'zoo', name)
    assert zoo_page.write_pages(tmp_path, tmp_path / 'zoo') == [zoo_page.PAGE, zoo_page.METAFILE]
    assert zoo_page.write_pages(tmp_path, tmp_path / 'zoo') == []
    text = (tmp_path / zoo_page.PAGE).read_text()
    assert re.findall(r'^## (\w+)$', text, re.MULTILINE) == sorted(names)
    assert ('No model is shipped' in text) == (not names)
    content = yaml.safe_load((tmp_path / zoo_page.METAFILE).read_text())
    assert [model['Name'] for model in content['Models']] == sorted(names)
    assert {model['In Collection'] for model in content['Models']} <= {content['Collections'][0]['Name']}


def test_a_row_says_what_the_card_says(tmp_path):
    write_card(tmp_path, 'one')
    entries = zoo_page.read_entries(tmp_path)
    text = zoo_page.page(entries)
    assert '| [one](#one) | a set | 12.35 | 30.00 | 1,234 | 2.5 MB | Apache-2.0 |' in text
    for fact in ('A small model.', '8 x 8 x 4 voxels of 0.4 m', '7 frames', 'road 20.00, car not scored', 'one lens'):
        assert fact in text
    (model,) = yaml.safe_load(zoo_page.metafile(entries))['Models']
    assert model['Results'][0]['Metrics'] == dict(mIoU=12.35, IoU=30.0)
    assert model['Weights'].endswith('one/model.safetensors') and model['Metadata']['License'] == 'Apache-2.0'


def test_a_page_that_is_behind_its_cards_is_found(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(zoo_page, 'ROOT', tmp_path)
    assert zoo_page.main([]) == 0 and zoo_page.main(['--check']) == 0
    write_card(tmp_path / zoo_page.ZOO, 'new')
    assert zoo_page.main(['--check']) == 1 and 'run it without --check' in capsys.readouterr().err
    (tmp_path / zoo_page.ZOO / 'new/card.json').write_text(json.dumps({**CARD, 'metrics': {}}))
    assert zoo_page.main([]) == 1 and 'new/card.json: expected the card of a model' in capsys.readouterr().err
