"""Volumes and Levels: attributes, dicts as in release 0.1, refusals by name; views of a batch."""

from dataclasses import FrozenInstanceError, dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from projects.OneOcc.core.geometry import EquirectCamera, View
from projects.OneOcc.oneocc.structures import Levels, OccDataSample, Volumes, batch_views, sample_view

VOLUME, SEEN = torch.zeros(1, 2, 4, 4, 2), torch.ones(1, 4, 4, 2, dtype=torch.bool)


def test_volumes_read_like_the_dict_they_were():
    volumes = Volumes(VOLUME, SEEN, polar={1: VOLUME})
    assert volumes.cartesian is volumes['cartesian'] is VOLUME
    assert set(volumes) == {'cartesian', 'visible', 'polar'} and len(volumes) == 3
    assert 'cylindrical' not in volumes and volumes.cylindrical is None and volumes.get('points') is None
    with pytest.raises(KeyError, match=r"expected one of \['cartesian', 'visible', 'polar'\], got 'cylindrical'"):
        volumes['cylindrical']
    with pytest.raises(FrozenInstanceError):
        volumes.cartesian = SEEN
    again = Volumes.of(dict(volumes, visible=~SEEN))
    assert again.cartesian is VOLUME and not again.visible.any() and Volumes.of(volumes) is volumes


def test_what_are_no_volumes_is_named():
    with pytest.raises(ValueError, match=r"'cartesian' and others of .*got \['visible'\]"):
        Volumes.of({'visible': SEEN})
    with pytest.raises(ValueError, match=r"got \['cartesian', 'depth'\]"):
        Volumes.of({'cartesian': VOLUME, 'depth': VOLUME})
    with pytest.raises(ValueError, match='got Tensor'):
        Volumes.of(VOLUME)


def test_a_method_may_hand_over_more():
    @dataclass(frozen=True, eq=False)
    class DepthVolumes(Volumes):
        depth: Tensor | None = None

    volumes = DepthVolumes(VOLUME, depth=SEEN)
    assert Volumes.of(volumes) is volumes and set(volumes) == {'cartesian', 'depth'}


def test_levels_read_like_the_dict_they_were():
    logits = torch.zeros(1, 4, 2, 16)
    levels = Levels({1: VOLUME, 2: SEEN}, logits)
    assert levels[1] is levels.at(1) is VOLUME and levels['relation_logits'] is levels.relation_logits is logits
    assert list(levels) == [1, 2, 'relation_logits'] and len(levels) == 3 and 4 not in levels
    plain = Levels({1: VOLUME})
    assert list(plain) == [1] and plain.get('relation_logits') is None
    joined = Levels.of(dict(plain, relation_logits=logits))
    assert joined.relation_logits is logits and joined.features == {1: VOLUME}
    assert Levels.of(levels) is levels
    with pytest.raises(ValueError, match=r'the head: expected the stride 4, got \[1\]'):
        plain.at(4)
    with pytest.raises(ValueError, match=r"strides .* got \[1, 'bev'\]"):
        Levels.of({1: VOLUME, 'bev': SEEN})


def sample(name: str = 'seq00/000001', **cameras) -> OccDataSample:
    return OccDataSample(metainfo=dict(sample_id=name, cameras=cameras))


def test_views_of_a_batch_are_checked_once_for_all_lifting():
    wide, small = View(EquirectCamera(64, 32), np.eye(4)), View(EquirectCamera(32, 16), np.eye(4))
    assert batch_views([sample(equi=wide), sample(equi=dict(wide))], 'equi', (32, 64), ring=True) == [wide, wide]
    assert sample_view(sample(equi=wide), 'equi') is wide
    with pytest.raises(ValueError, match=r"sample 's' carries .*\['equi'\], but .* view 'raw'"):
        batch_views([sample(raw=wide), sample('s', equi=wide)], 'raw', (32, 64))
    with pytest.raises(ValueError, match="sample 's', view 'equi': expected an image of 32x16 .*got 64x32"):
        batch_views([sample(equi=wide), sample('s', equi=small)], 'equi', (32, 64))
