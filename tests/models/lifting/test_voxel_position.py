"""What is added to a lifted voxel: nothing at first, the same all around, nothing where nobody sees."""

import torch

from projects.OneOcc.core.geometry import CartesianGrid
from projects.OneOcc.oneocc.models.lifting.voxel_position import VoxelPosition

GRID = CartesianGrid(shape=(8, 8, 4), voxel_size=0.4, origin=(-1.6, -1.6, -0.8))


def position(channels: int = 5) -> VoxelPosition:
    return VoxelPosition(GRID.centers().reshape(-1, 3), channels)


def test_adds_nothing_at_the_start_bit_for_bit(device):
    module = position().to(device)
    module.init_weights()
    lifted = torch.randn(2, 5, 256, device=device)
    assert torch.equal(module(lifted, torch.ones(2, 256, dtype=torch.bool, device=device)), lifted)


def test_turns_with_the_world_and_leaves_unseen_voxels_alone():
    module = position()
    torch.nn.init.normal_(module.mlp[-1].weight)
    visible = torch.rand(1, 256) < 0.5
    added = module(torch.zeros(1, 5, 256), visible)
    assert (added[:, :, ~visible[0]] == 0).all() and (added[:, :, visible[0]] != 0).any()
    whole = module(torch.zeros(1, 5, 256), torch.ones(1, 256, dtype=torch.bool)).unflatten(2, (8, 8, 4))
    torch.testing.assert_close(whole.rot90(1, (2, 3)), whole)
    torch.testing.assert_close(whole.flip(3), whole)


def test_the_table_stays_out_of_the_state_dict():
    assert all(key.startswith('mlp.') for key in position().state_dict())


def test_every_parameter_learns_after_one_step():
    module = position()
    torch.nn.init.normal_(module.mlp[-1].weight)
    module(torch.zeros(1, 5, 256), torch.ones(1, 256, dtype=torch.bool)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in module.parameters())
