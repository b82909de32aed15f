"""The image network that VoxFormer and SGN share, ResNet and an FPN of one level -> PanoramaEncoder."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

UNREAD_STAGE = 'a stage of the backbone whose output nothing reads'
STRIDE = 16
_LAST_STAGE = 'layer4.'
_NECK = {'lateral_convs.0.conv.': 'bottleneck.', 'fpn_convs.0.conv.': f'heads.{STRIDE}.'}


def prefix_of(ending: str, official: Mapping[str, Tensor]) -> str:
    """What stands before the one name with this ending; ValueError where there is none, or several."""
    found = [key.removesuffix(ending) for key in official if key.endswith(ending)]
    if len(found) != 1 or (found[0] and not found[0].endswith('.')):
        raise ValueError(
            f'expected one parameter {ending!r} of the official network, got {found}, among parts that begin with '
            f'{sorted({key.partition(".")[0] for key in official})}'
        )
    return found[0]


def convert_camera_network(official: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """State of a whole official detector -> that of PanoramaEncoder, and {official name: why it is dropped}.

    Raises:
        ValueError: no ResNet or FPN of one level is in it.
    """
    resnet, fpn = prefix_of('layer1.0.conv1.weight', official), prefix_of('lateral_convs.0.conv.weight', official)
    state, dropped = {}, {}
    for key, value in official.items():
        inner = key.removeprefix(resnet)
        if key.startswith(resnet + _LAST_STAGE):
            dropped[key] = UNREAD_STAGE
        elif key.startswith(resnet) and inner.startswith(('conv1.', 'bn1.', 'layer')):
            state[f'backbone.{inner}'] = value
        elif key.startswith(fpn):
            for old, new in _NECK.items():
                if key.startswith(fpn + old):
                    state[key.replace(fpn + old, new)] = value
    return state, dropped
