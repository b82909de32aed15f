"""What one slot of the segmentor says to the next, so that a config says it once.

A width, a scale or a grid that two slots must agree on is filled in where it is left out, and refused by name where it
is given and differs. What a part wants is what its constructor has an argument for; what it gives is read from its
config: `out_channels` and `scales` of a backbone, `keeps_channels` or `volume_channels` of a lifting and
`widths(settings)` of a neck. A part of one's own that says none of this gets nothing, and a config then names its
widths.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mmdet3d.registry import MODELS
from torch import nn

from ...core.geometry import CartesianGrid

Part = Mapping | nn.Module | None


def fill_slots(slots: Mapping[str, Part], grid: Mapping | None = None) -> dict[str, Part]:
    """The same slots with all that follows from their neighbours filled in; modules stay as they are.

    Args:
        slots: `backbone`, `view_transformer`, `voxel_encoder`, `neck`, `decode_head`: configs, modules or None.
        grid: the label grid: shape, voxel_size (m), origin (m). Volumes are lifted onto it, or onto one as many
            times coarser as `subvoxels` of the head says.

    Raises:
        ValueError: a setting disagrees with the slot that it follows from; the message names both.
    """
    filled: dict[str, Part] = {name: dict(part) if isinstance(part, Mapping) else part for name, part in slots.items()}
    lifted = _lifted_grid(filled, grid)
    _fill_lifting(filled, lifted)
    _fill_neck(filled, lifted)
    _fill_head(filled, lifted)
    return filled


def _lifted_grid(slots: Mapping[str, Part], grid: Mapping | None) -> dict | None:
    """The grid of the volumes: from the label grid, else what the lifting itself names."""
    if grid is not None:
        parts = _said(slots['decode_head'], 'subvoxels') or 1
        full = CartesianGrid(**grid)
        return (full if parts == 1 else full.downsampled(parts)).to_dict()
    for name in ('view_transformer', 'voxel_encoder'):
        own = _said(slots[name], 'grid')
        if own is not None:
            return own.to_dict() if isinstance(own, CartesianGrid) else dict(own)
    return None


def _fill_lifting(slots: dict, grid: dict | None) -> None:
    backbone = slots['backbone']
    views = _encoded_views(backbone)
    for name in ('view_transformer', 'voxel_encoder'):
        _fill_grid(slots, name, grid)
    target = 'view_transformer'
    _fill(slots, target, 'channels', _said(backbone, 'out_channels'), 'backbone.out_channels')
    _fill(slots, target, 'scales', _said(backbone, 'scales'), 'backbone.scales', among)
    _fill(slots, target, 'views', views, 'the views of the backbone', among)
    if views is not None and len(views) == 1:
        _fill(slots, target, 'view', views[0], 'the view of the backbone')
    if isinstance(slots['neck'], Mapping):
        _fill(slots, target, 'project_scale', slots['neck'].get('project_scale'), 'neck.project_scale')


def _fill_neck(slots: dict, grid: dict | None) -> None:
    lifting, neck = slots['view_transformer'], slots['neck']
    _fill_grid(slots, 'neck', grid)
    _fill(slots, 'neck', 'num_classes', _said(slots['decode_head'], 'num_classes'), 'decode_head.num_classes')
    if grid is not None:
        _fill(slots, 'neck', 'height', grid['shape'][2], 'the grid', anything)
    if isinstance(lifting, Mapping):
        _fill(slots, 'neck', 'project_scale', lifting.get('project_scale'), 'view_transformer.project_scale')
    _fill(slots, 'neck', 'in_channels', _said(lifting, 'volume_channels'), 'view_transformer.volume_channels')
    if getattr(_class_of(lifting), 'keeps_channels', False):
        width = _said(slots['backbone'], 'out_channels')
        incoming = 'in_channels' if 'in_channels' in _parameters(neck) else 'channels'
        _fill(slots, 'neck', incoming, width, 'backbone.out_channels')
        if 'cylindrical' in (_said(lifting, 'grids') or ()) and _said(lifting, 'injection') == 'neck':
            _fill(slots, 'neck', 'polar_channels', width, 'backbone.out_channels')
        elif 'polar_channels' in _parameters(neck) and neck.get('polar_channels') is not None:
            raise ValueError(
                'neck.polar_channels: expected None, since view_transformer hands on no polar volumes, '
                f'got {neck["polar_channels"]!r}'
            )
    prior = _said(neck, 'context_prior')
    if isinstance(neck, Mapping) and isinstance(prior, Mapping) and grid is not None:
        coarsest = 4 * (_said(neck, 'project_scale') or 1)
        if 'shape' in _parameters(prior) and 'shape' not in prior:
            slots['neck']['context_prior'] = dict(prior, shape=tuple(size // coarsest for size in grid['shape']))


def _fill_head(slots: dict, grid: dict | None) -> None:
    neck, head = slots['neck'], slots['decode_head']
    _fill_grid(slots, 'decode_head', grid)
    if 'width' in _parameters(neck):
        _fill(slots, 'decode_head', 'width', _said(neck, 'width'), 'neck.width')
    _fill(slots, 'decode_head', 'voxel_channels', _said(neck, 'channels'), 'neck.channels')
    strides, widths = _said(head, 'strides'), _widths(neck)
    if strides is not None and widths is not None and set(strides) <= set(widths):
        expected = tuple(widths[stride] for stride in strides)
        _fill(
            slots, 'decode_head', 'in_channels', expected, f'what the neck gives at the strides {tuple(strides)}', alike
        )


def _widths(neck: Part) -> dict[int, int] | None:
    """{stride: channels} of a neck, where its class says them."""
    if isinstance(neck, nn.Module):
        found = getattr(neck, 'out_channels', None)
        return dict(found) if isinstance(found, Mapping) else None
    says = getattr(_class_of(neck), 'widths', None)
    if says is None:
        return None
    try:
        return says({name: _said(neck, name) for name in _parameters(neck)})
    except TypeError:  # a width is missing: the part's own constructor says so better
        return None


def _encoded_views(backbone: Part) -> tuple[str, ...] | None:
    """Names of the views that a backbone encodes: `view` and `further_views`, or its arguments that are encoders."""
    if isinstance(backbone, nn.Module):
        views = getattr(backbone, 'views', None)
        view = getattr(backbone, 'view', None)
        return tuple(views) if views else (view,) if view else None
    if _said(backbone, 'view') is not None:
        return (_said(backbone, 'view'), *(_said(backbone, 'further_views') or ()))
    settings = backbone if isinstance(backbone, Mapping) else {}
    encoders = [
        name
        for name in _parameters(backbone)
        if isinstance(settings.get(name), Mapping) and 'type' in settings[name] and not name.endswith('_cfg')
    ]
    return tuple(encoders) or None


def _class_of(part: Part) -> type | None:
    if isinstance(part, nn.Module):
        return type(part)
    kind = part.get('type') if isinstance(part, Mapping) else None
    return MODELS.get(kind) if isinstance(kind, str) else kind


def _parameters(part: Part) -> Mapping[str, inspect.Parameter]:
    """Arguments of a part's constructor; none for what is built already or not registered."""
    kind = _class_of(part)
    return inspect.signature(kind).parameters if isinstance(part, Mapping) and inspect.isclass(kind) else {}


def _said(part: Part, name: str) -> Any:
    """A setting of a part: given, else its constructor's default, else None."""
    if isinstance(part, nn.Module):
        return getattr(part, name, None)
    if not isinstance(part, Mapping):
        return None
    if name in part:
        return part[name]
    parameter = _parameters(part).get(name)
    return None if parameter is None or parameter.default is inspect.Parameter.empty else parameter.default


def same(given: Any, expected: Any) -> bool:
    """Equal, lists like tuples."""
    as_tuple = [tuple(value) if isinstance(value, Sequence) else value for value in (given, expected)]
    return as_tuple[0] == as_tuple[1]


def among(given: Sequence, expected: Sequence) -> bool:
    """Nothing that is not there; a part may read less than it could."""
    return set(given) <= set(expected)


def alike(given: int | Sequence[int], expected: Sequence[int]) -> bool:
    """One width for all strides, or one for each."""
    return same([given] * len(expected) if isinstance(given, int) else given, expected)


def anything(given: Any, expected: Any) -> bool:
    """The part itself compares it with what it gets."""
    return True


def _fill(
    slots: dict, name: str, argument: str, value: Any, source: str, agrees: Callable[[Any, Any], bool] = same
) -> None:
    """Put a value where the part has an argument for it and no setting; refuse a setting that disagrees."""
    part = slots[name]
    if argument not in _parameters(part):
        return
    given = part.get(argument)
    if given is None:
        if value is not None:
            part[argument] = tuple(value) if isinstance(value, list) else value
    elif value is not None and not agrees(given, value):
        raise ValueError(f'{name}.{argument}: expected {value!r} ({source}), got {given!r}')


def _fill_grid(slots: dict, name: str, grid: dict | None) -> None:
    """The grid of the volumes; what a part itself says of it must be that."""
    part = slots[name]
    if 'grid' not in _parameters(part):
        return
    given = part.get('grid') or {}
    if grid is None:
        if not given and _parameters(part)['grid'].default is inspect.Parameter.empty:
            raise ValueError(f'{name} ({part["type"]}): expected a grid, got none: give the segmentor `grid`')
        return
    whole = CartesianGrid(**{**grid, **given})
    if whole != CartesianGrid(**grid):
        raise ValueError(f'{name}.grid: expected {grid} (the label grid over subvoxels), got {whole.to_dict()}')
    part['grid'] = whole.to_dict()
