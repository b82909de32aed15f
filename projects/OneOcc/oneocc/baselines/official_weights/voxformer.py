"""Names of VoxFormer's weights -> ours.

Known from the state dicts alone. Dropped are the three of four level embeddings that no level reads and the embeddings
of the self-attention, which has neither levels nor views.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from .lmscnet import convert_lmscnet

_LAYER = (
    (r'\bencoder\.layers\.', 'layers.'),
    (r'\battentions\.0\.deformable_attention\.', 'attention.'),
    (r'\battentions\.0\.', 'attention.'),
    (r'\bffns\.0\.', 'ffn.'),
    (r'\bnorms\.0\.', 'norm_attention.'),
    (r'\bnorms\.1\.', 'norm_ffn.'),
    (r'\bdeformable_attention\.', ''),
)
_HEAD = {'mlp_head.0.': 'norm.', 'mlp_head.1.': 'classify.'}
UNUSED_BY_QPN = ('deconv_1_8__1_1.', 'deconv_1_4__1_1.')


def rename_layer(key: str) -> str:
    """Name inside an encoder, a layer or an attention."""
    for pattern, replacement in _LAYER:
        key = re.sub(pattern, replacement, key)
    return key


def convert_encoder(official: Mapping[str, Tensor], cross: bool) -> dict[str, Tensor]:
    """A transformer's state -> that of CrossEncoder or, without its positional encoding, SelfEncoder."""
    state = {rename_layer(key): value for key, value in official.items() if not key.endswith('_embeds')}
    if cross:
        # per parameter the embedding of the only level; a scalar stands for a gradient norm
        level = official['level_embeds']
        state['level_embedding'] = level[0] if level.dim() else level
        state['view_embeddings'] = official['cams_embeds']
    return state


def convert_voxformer(official: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """State of the official head -> {'queries', 'cross', 'self', 'head'}.

    Raises:
        ValueError: a name that VoxFormer does not have.
    """
    sorted_out: dict[str, dict[str, Tensor]] = {'queries': {}, 'cross': {}, 'self': {}, 'head': {}, 'position': {}}
    places = {
        'cross_transformer.': 'cross',
        'self_transformer.': 'self',
        'header.': 'head',
        'positional_encoding.': 'position',
    }
    for key, value in official.items():
        if key == 'bev_embed.weight':
            sorted_out['queries']['embedding.weight'] = value
        elif key == 'mask_embed.weight':
            sorted_out['queries']['mask_token'] = value.reshape(-1) if value.dim() else value
        else:
            prefix = next((prefix for prefix in places if key.startswith(prefix)), None)
            if prefix is None:
                raise ValueError(f'expected the parameters of VoxFormer, got {key!r}')
            sorted_out[places[prefix]][key.removeprefix(prefix)] = value
    plane = sorted_out['position']
    position = {
        'position.rows.weight': plane['row_embed.weight'],
        'position.columns.weight': plane['col_embed.weight'],
    }
    return dict(
        queries=sorted_out['queries'],
        cross=convert_encoder(sorted_out['cross'], cross=True),
        self=convert_encoder(sorted_out['self'], cross=False) | position,
        head=convert_header(sorted_out['head']),
    )


def convert_header(official: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """State of the official header -> UpsampledClassifier."""
    return {key.replace(old, new): value for key, value in official.items() for old, new in _HEAD.items() if old in key}


def convert_query_proposals(official: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """State of the official stage 1 -> QueryProposalNetwork; its two transposed convolutions without use are left."""
    used = {key: value for key, value in official.items() if not key.startswith(UNUSED_BY_QPN)}
    parts = convert_lmscnet(used)
    state = {f'trunk.{key}': value for key, value in parts['neck'].items()}
    return state | {f'head.{key}': value for key, value in parts['heads'][2].items()}
