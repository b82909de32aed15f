"""From what a data set's config says of its inputs to the transforms that load them.

A list of transforms cannot be merged with another one, a dict can. So a config names the views by what they are,
`views=dict(raw=dict(height=96, width=128), equi=dict(height=96, width=192, unwrap_from='raw'))`, a child changes one
number of one view, and the pipelines hold nothing but augmentations and packing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_VIEW_KEYS = ('height', 'width', 'unwrap_from', 'elevation_min_deg', 'elevation_max_deg', 'keep')
_LOADERS = ('LoadPanorama', 'LoadOccupancy', 'LoadLiDARPoints')


def loads_for_itself(pipeline: Sequence) -> bool:
    """Whether a pipeline is written out by hand, from the files on."""
    names = [step.get('type') if isinstance(step, Mapping) else type(step).__name__ for step in pipeline]
    return any(str(name).rpartition('.')[2] in _LOADERS for name in names)


def loading_steps(
    views: Mapping[str, Mapping] | None,
    points: Mapping | None = None,
    grid: Mapping | None = None,
    body_pose: bool = False,
    unobserved: str = 'ignore',
) -> list[dict[str, Any]]:
    """The configs of the transforms that load a frame: images, labels, points, then unwrapping, then resizing.

    Args:
        views: by name. A view with `unwrap_from` is made by UnwrapPanorama from the view named there, with its
            `height`, `width` and band `elevation_min_deg`, `elevation_max_deg`; any other is read from disk and
            resized to `height` x `width` where they are given. `keep=False` drops a view once it is unwrapped.
        points: arguments of LoadLiDARPoints, {} for its defaults; None loads none.
        grid: label grid that the files must have; None takes what the set declares.
        body_pose: give every camera the pose that the body really had (UseBodyPose).
        unobserved: what voxels count as that nothing was seen of (LoadOccupancy).

    Raises:
        ValueError: a setting that no view has, a view unwrapped from one that is not loaded, half a size.
    """
    views = {name: dict(view) for name, view in (views or {}).items() if view is not None}
    _check(views)
    stored = tuple(name for name, view in views.items() if 'unwrap_from' not in view)
    if body_pose and not stored:
        raise ValueError('body_pose moves cameras: expected views, got none')
    steps: list[dict] = [dict(type='LoadPanorama', views=stored)] if stored else []
    labels: dict[str, Any] = dict(type='LoadOccupancy')
    if grid is not None:
        labels['grid'] = dict(grid)
    if unobserved != 'ignore':
        labels['unobserved'] = unobserved
    steps.append(labels)
    if points is not None:
        steps.append(dict(type='LoadLiDARPoints', **points))
    if body_pose:
        steps.append(dict(type='UseBodyPose'))
    made = [name for name in views if name not in stored]
    steps += [_unwrapping(name, views, last=name == made[-1]) for name in made]
    return steps + [
        dict(type='ResizeView', view=name, height=views[name]['height'], width=views[name]['width'])
        for name in stored
        if 'height' in views[name] and views[name].get('keep', True)
    ]


def whole_pipeline(settings: Mapping) -> list:
    """Every transform of a data set's config: what loads, then its `pipeline`.

    A pipeline that loads for itself stays as it is, as does that of a set without `views` and `points`.
    """
    pipeline = list(settings.get('pipeline', ()))
    views, points = settings.get('views'), settings.get('points')
    if (views is None and points is None) or loads_for_itself(pipeline):
        return pipeline
    grid = settings.get('grid')
    grid = grid if isinstance(grid, Mapping) else None
    further = (settings.get('body_pose', False), settings.get('unobserved', 'ignore'))
    return loading_steps(views, points, grid, *further) + pipeline


def _check(views: Mapping[str, Mapping]) -> None:
    for name, view in views.items():
        unknown = set(view) - set(_VIEW_KEYS)
        if unknown:
            raise ValueError(f'view {name!r}: expected settings among {_VIEW_KEYS}, got {sorted(unknown)}')
        if ('height' in view) != ('width' in view):
            raise ValueError(f'view {name!r}: expected height and width, got {dict(view)}')
        source = view.get('unwrap_from')
        if source is None:
            if not view.get('keep', True) and name not in {other.get('unwrap_from') for other in views.values()}:
                raise ValueError(
                    f'view {name!r}: expected a view that is unwrapped from it, since keep=False, got none'
                )
            band = {'elevation_min_deg', 'elevation_max_deg'} & set(view)
            if band:
                raise ValueError(f'view {name!r}: {sorted(band)} need unwrap_from, got {dict(view)}')
        elif source not in views or 'unwrap_from' in views[source]:
            stored = [other for other in views if 'unwrap_from' not in views[other]]
            raise ValueError(
                f'view {name!r}: expected unwrap_from to be a view on disk, one of {stored}, got {source!r}'
            )
        elif 'height' not in view:
            raise ValueError(f'view {name!r}: unwrapping needs height and width, got {dict(view)}')


def _unwrapping(name: str, views: Mapping[str, Mapping], last: bool) -> dict[str, Any]:
    """UnwrapPanorama of one view; what equals the transform's own defaults is left out."""
    view = views[name]
    step: dict[str, Any] = dict(type='UnwrapPanorama')
    step |= {key: view[key] for key in ('height', 'width', 'elevation_min_deg', 'elevation_max_deg') if key in view}
    if view['unwrap_from'] != 'raw':
        step['source'] = view['unwrap_from']
    if name != 'equi':
        step['target'] = name
    if last and not views[view['unwrap_from']].get('keep', True):
        step['keep_raw'] = False
    return step
