"""Coarse labels by majority pooling and class weights (LMSCNet's numbers)."""

from __future__ import annotations

import torch

from projects.OneOcc.oneocc.models.losses import class_weights_from_counts, majority_pool
from tests.goldens.frame import Golden, family


@family('lidar_inputs_C*_N*_seed*.npz')
def check_lidar_inputs(golden: Golden) -> None:
    data = golden.load()
    labels = torch.from_numpy(data['labels_1_1'])
    # the file's axes are (X, Z, Y), and cells are cubes: the rule does not mind
    for factor in (1, 2, 4, 8):
        key = f'labels_1_{factor}'
        golden.close(key, majority_pool(labels, factor), data[key], 0)
    golden.holds(
        'occupancy_shape does not fit occupancy_packbits',
        -(-int(data['occupancy_shape'].prod()) // 8) == data['occupancy_packbits'].size,
    )
    golden.relative('class_weights', class_weights_from_counts(data['class_freq']), data['class_weights'], 1e-12)
