"""import_official.py on VoxFormer and OccFormer: official names of every part, made-up or golden values."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config

from projects.OneOcc.oneocc.baselines.official_weights import import_official
from projects.OneOcc.oneocc.baselines.official_weights.camera_networks import (
    NO_CAMERA_VECTOR,
    PINHOLE_FRUSTUM,
    UNUSED_DECONVOLUTION,
    UNUSED_EMBEDDING,
    UNUSED_STAGE,
)
from projects.OneOcc.oneocc.engine import read_checkpoint
from tests.goldens.frame import DEFAULT_FOLDER, load
from tests.models import two_view_rig as rig
from tests.models.small_baseline import build
from tests.scripts import load_script

BASE = Path(__file__).parents[2] / 'configs/_base_'

# our name -> the official one; backwards to how the converter reads them, and written apart from it
VOXFORMER = (
    (r'^backbone\.backbone\.', 'img_backbone.'),
    (r'^backbone\.bottleneck\.', 'img_neck.lateral_convs.0.conv.'),
    (r'^backbone\.heads\.16\.', 'img_neck.fpn_convs.0.conv.'),
    (r'^view_transformer\.queries\.embedding\.', 'pts_bbox_head.bev_embed.'),
    (r'^view_transformer\.encoder\.(layers\.\d+\.attention\.)output_proj', r'pts_bbox_head.cross.\1output_proj'),
    (
        r'^view_transformer\.encoder\.(layers\.\d+\.attention\.)',
        r'pts_bbox_head.cross.\1deformable_attention.',
    ),
    (r'^view_transformer\.encoder\.', 'pts_bbox_head.cross.'),
    (r'^neck\.encoder\.position\.rows', 'pts_bbox_head.positional_encoding.row_embed'),
    (r'^neck\.encoder\.position\.columns', 'pts_bbox_head.positional_encoding.col_embed'),
    (r'^neck\.encoder\.', 'pts_bbox_head.self.'),
    (r'\.(cross|self)\.layers\.', r'.\1_transformer.encoder.layers.'),
    (r'\.attention\.', '.attentions.0.'),
    (r'\.ffn\.', '.ffns.0.'),
    (r'\.norm_attention\.', '.norms.0.'),
    (r'\.norm_ffn\.', '.norms.1.'),
    (r'^decode_head\.classifier\.norm\.', 'pts_bbox_head.header.mlp_head.0.'),
    (r'^decode_head\.classifier\.classify\.', 'pts_bbox_head.header.mlp_head.1.'),
)
OCCFORMER = (
    (r'^backbone\.backbone\.', 'img_backbone.'),
    (r'^backbone\.neck\.', 'img_neck.'),
    (r'^view_transformer\.', 'img_view_transformer.'),
    (r'^neck\.encoder\.', 'img_bev_encoder_backbone.'),
    (r'^neck\.pixel_decoder\.layers\.(\d+)\.attention\.', r'img_bev_encoder_neck.encoder.layers.\1.attentions.0.'),
    (r'^neck\.pixel_decoder\.layers\.(\d+)\.ffn\.', r'img_bev_encoder_neck.encoder.layers.\1.ffns.0.'),
    (r'^neck\.pixel_decoder\.layers\.', 'img_bev_encoder_neck.encoder.layers.'),
    (r'^neck\.pixel_decoder\.(lateral|output)_conv\.', r'img_bev_encoder_neck.\1_convs.0.'),
    (r'^neck\.pixel_decoder\.', 'img_bev_encoder_neck.'),
    (r'^(decode_head\.decoder\..*)\.cross_attn\.', r'\1.attentions.0.'),
    (r'^(decode_head\.decoder\..*)\.self_attn\.', r'\1.attentions.1.'),
    (r'^(decode_head\.decoder\..*)\.ffn\.', r'\1.ffns.0.'),
    (r'^decode_head\.decoder\.', 'pts_bbox_head.'),
)


def official_name(key: str, rules) -> str:
    for pattern, replacement in rules:
        key = re.sub(pattern, replacement, key)
    return key


def model_of(run: str, **options):
    config = Config.fromfile(BASE / f'runs/{run}.py')
    config.merge_from_dict(options)
    config.model.grid, config.model.decode_head.num_classes = rig.GRID, 3
    torch.manual_seed(3)
    return config.model, build(config.model).eval()


def official_voxformer(state: dict) -> dict:
    """Our state under official names, with what the official network owns beside it."""
    official = {}
    for key, value in state.items():
        if key.endswith('queries.mask_token'):
            official['pts_bbox_head.mask_embed.weight'] = value[None]
        elif key.endswith('level_embedding'):
            rows = torch.cat([value[None], torch.randn(3, len(value))])
            official['pts_bbox_head.cross_transformer.level_embeds'] = rows
        elif key.endswith('view_embeddings'):
            official['pts_bbox_head.cross_transformer.cams_embeds'] = value
        else:
            official[official_name(key, VOXFORMER)] = value
    width = official['pts_bbox_head.bev_embed.weight'].shape[1]
    official['pts_bbox_head.self_transformer.level_embeds'] = torch.randn(4, width)
    official['pts_bbox_head.self_transformer.cams_embeds'] = torch.randn(1, width)
    official['img_backbone.layer4.0.conv1.weight'] = torch.randn(4, 4, 1, 1)
    return official


@pytest.mark.parametrize('run', ['voxformer-s-tiny', 'voxformer-t-tiny'])
def test_every_entry_of_voxformer_has_its_place(run):
    _, model = model_of(run)
    state = model.state_dict()
    imported = import_official('voxformer', official_voxformer(state))
    assert imported.state_dict.keys() == state.keys()
    assert all(torch.equal(imported.state_dict[key].to(value.dtype), value) for key, value in state.items())
    assert imported.dropped == {
        'img_backbone.layer4.0.conv1.weight': UNUSED_STAGE,
        'pts_bbox_head.self_transformer.level_embeds': UNUSED_EMBEDDING,
        'pts_bbox_head.self_transformer.cams_embeds': UNUSED_EMBEDDING,
    }


@pytest.mark.parametrize('prefix', ['', 'model.', 'module.'])
def test_stage_1_under_any_name_gives_the_official_logits(prefix, tmp_path, capsys):
    """Height 8, as in the golden file; the detector around it may call it anything."""
    data = load(DEFAULT_FOLDER / 'voxformer_qpn_seed1.pt')
    shape = tuple(data['occupancy_shape'])
    official = {f'{prefix}{key}': value for key, value in data['state_fp16'].items()}
    torch.save(dict(state_dict=official, meta={}), tmp_path / 'official.pth')
    config = tmp_path / 'config.py'
    grid = dict(shape=shape[1:], voxel_size=0.4, origin=(0.0, 0.0, 0.0))
    config.write_text(
        f"_base_ = ['{BASE}/models/query-proposals.py']\nmodel = dict(grid={grid}, neck=dict(base_channels=None))\n"
    )
    tool = load_script('tools/model_converters/import_official.py').main
    arguments = ['voxformer-proposals', str(tmp_path / 'official.pth'), str(tmp_path / 'ours.pth')]
    assert tool([*arguments, '--config', str(config)]) == 0
    assert UNUSED_DECONVOLUTION in capsys.readouterr().out
    model = build(Config.fromfile(config).model).eval()
    model.load_state_dict(read_checkpoint(tmp_path / 'ours.pth')['state_dict'])
    bits = np.unpackbits(data['occupancy_packbits'].numpy())[: np.prod(shape)].reshape(shape)
    with torch.no_grad():
        logits = model.neck(dict(cartesian=torch.from_numpy(bits.astype(np.float32))[:, None])).at(2)
    torch.testing.assert_close(logits, data['logits'], rtol=0, atol=1e-5 * float(data['logits'].abs().max()))


def official_occformer(state: dict) -> dict:
    official = {official_name(key, OCCFORMER): value for key, value in state.items()}
    official['img_view_transformer.frustum'] = torch.randn(3)
    official['img_view_transformer.depth_net.bn.weight'] = torch.randn(33)
    official['img_view_transformer.depth_net.depth_se.conv_reduce.weight'] = torch.randn(2, 2, 1, 1)
    return official


def test_every_entry_of_occformer_has_its_place(tmp_path):
    settings, model = model_of('occformer-tiny')
    state = model.state_dict()
    official = official_occformer(state)
    imported = import_official('occformer', official)
    assert imported.state_dict.keys() == state.keys()
    assert all(torch.equal(imported.state_dict[key].to(value.dtype), value) for key, value in state.items())
    assert imported.dropped == {
        'img_view_transformer.frustum': PINHOLE_FRUSTUM,
        'img_view_transformer.depth_net.bn.weight': NO_CAMERA_VECTOR,
        'img_view_transformer.depth_net.depth_se.conv_reduce.weight': NO_CAMERA_VECTOR,
    }


@pytest.mark.parametrize(
    'method, state, words',
    [
        ('voxformer', {'img_neck.a': 1}, "expected the parts .*got \\['img_neck'\\]"),
        ('occformer', {'img_backbone.a': 1, 'strange.b': 1}, 'strange'),
        ('voxformer-proposals', {'img_neck.a': 1}, 'expected the parameters of LMSCNet'),
    ],
)
def test_other_weights_are_refused(method, state, words):
    with pytest.raises(ValueError, match=words):
        import_official(method, {key: torch.zeros(value) for key, value in state.items()})
