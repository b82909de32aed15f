"""An OctoMap says of every voxel what the result says."""

import builtins
from dataclasses import replace

import numpy as np
import pytest

from projects.OneOcc.runtime import FREE, OCCUPIED, UNKNOWN, OccRuntime
from projects.OneOcc.runtime.command_line import main
from projects.OneOcc.runtime.octomap_file import write_octomap
from projects.OneOcc.runtime.sinks import MissingExtraError, SinkError
from tests.runtime.toy_bundle import image, write_toy_bundle


@pytest.fixture(scope='module')
def bundle(tmp_path_factory):
    return write_toy_bundle(tmp_path_factory.mktemp('toy'))


def states_of(path, result) -> np.ndarray:
    """The states of a result's voxels as OctoMap's own reader finds them."""
    pyoctomap = pytest.importorskip('pyoctomap', reason='needs pyoctomap, of the extra octomap')
    tree = pyoctomap.OcTree(result.bundle.voxel_size)
    assert tree.readBinary(str(path))
    found = np.full(result.state.shape, UNKNOWN, np.uint8)
    for index in np.ndindex(found.shape):
        centre = result.bundle.origin + (np.array(index) + 0.5) * result.bundle.voxel_size
        node = tree.search(centre)
        if node is not None:
            found[index] = OCCUPIED if tree.isNodeOccupied(node) else FREE
    return found


def test_it_is_read_back_by_octomap(bundle, tmp_path):
    pytest.importorskip('pyoctomap', reason='needs pyoctomap, of the extra octomap')
    result = OccRuntime(bundle)(image())
    assert {FREE, OCCUPIED, UNKNOWN} == set(np.unique(result.state))
    write_octomap(tmp_path / 'deep/a.bt', result)
    np.testing.assert_array_equal(states_of(tmp_path / 'deep/a.bt', result), result.state)
    assert [path.name for path in (tmp_path / 'deep').iterdir()] == ['a.bt']


def test_the_command_writes_one_beside_its_predictions(bundle, tmp_path):
    pytest.importorskip('pyoctomap', reason='needs pyoctomap, of the extra octomap')
    np.save(tmp_path / 'a.npy', image())
    assert main(['run', str(bundle), str(tmp_path / 'a.npy'), '--out', str(tmp_path / 'out'), '--octomap']) == 0
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == ['a.bt', 'a.npz']


def test_a_grid_beside_the_octree_is_refused(bundle, tmp_path):
    pytest.importorskip('pyoctomap', reason='needs pyoctomap, of the extra octomap')
    result = OccRuntime(bundle)(image())
    card = {**result.bundle.card, 'grid': {**result.bundle.card['grid'], 'origin': [-2.0, -1.5, -0.9]}}
    with pytest.raises(SinkError, match='multiples of its 0.5 m voxels'):
        write_octomap(tmp_path / 'a.bt', replace(result, bundle=replace(result.bundle, card=card)))
    assert not list(tmp_path.iterdir())


def test_without_the_package_it_says_what_to_install(bundle, tmp_path, monkeypatch, capsys):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == 'pyoctomap':
            raise ImportError(name)
        return real(name, *args, **kwargs)

    result = OccRuntime(bundle)(image())
    monkeypatch.setattr(builtins, '__import__', without)
    with pytest.raises(MissingExtraError, match=r"pip install 'oneocc\[octomap\]'"):
        write_octomap(tmp_path / 'a.bt', result)
    np.save(tmp_path / 'a.npy', image())
    assert main(['run', str(bundle), str(tmp_path / 'a.npy'), '--octomap']) == 1
    assert 'expected --out' in capsys.readouterr().err
    assert main(['run', str(bundle), str(tmp_path / 'a.npy'), '--out', str(tmp_path / 'out'), '--octomap']) == 1
    assert not (tmp_path / 'out').exists(), 'told before the work'
