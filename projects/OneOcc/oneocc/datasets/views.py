"""From what a data set's config says of its inputs to the transforms that load them.

A list of transforms cannot be merged with another one, a dict can. So a config names the views by what they are,
`views=dict(raw=dict(height=96, width=128), equi=dict(height=96, width=192, unwrap_from='raw'))`, a child changes one
number of one view, and the pipelines hold nothing but augmentations and packing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_VIEW_KEYS = ('height', 'width', 'unwrap_from', 'elevation_min_deg', 'elevation_max_deg', 'keep')
_PREVIOUS_KEYS = ('offsets', 'view', 'points', 'depth')
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
    depth: Mapping | None = None,
    previous: Mapping | None = None,
) -> list[dict[str, Any]]:
    """The configs of the transforms that load a frame: images, labels, points, then unwrapping, then resizing.

    Depth comes next, then past frames, which go through the same steps.

    Args:
        views: by name. A view with `unwrap_from` is made by UnwrapPanorama from the view named there, with its
            `height`, `width` and band `elevation_min_deg`, `elevation_max_deg`; any other is read from disk and
            resized to `height` x `width` where they are given. `keep=False` drops a view once it is unwrapped.
        points: arguments of LoadLiDARPoints, {} for its defaults; None loads none.
        grid: label grid that the files must have; None takes what the set declares.
        body_pose: give every camera the pose that the body really had (UseBodyPose).
        unobserved: what voxels count as that nothing was seen of (LoadOccupancy).
        depth: arguments of LoadDepth, and `degrade`, those of DegradeDepth, {} for its defaults, and `as_points=True`
            to make points of it (PointsFromDepth).
        previous: `offsets` of LoadPreviousFrames, the `view` ('equi' by default), and whether `points` and `depth` of
            past frames are wanted, too.

    Raises:
        ValueError: a setting that no view and no past frame has, a view unwrapped from one that is not loaded, half
            a size.
    """
    views = {name: dict(view) for name, view in (views or {}).items() if view is not None}
    _check(views)
    stored = tuple(name for name, view in views.items() if 'unwrap_from' not in view)
    if body_pose and not stored:
        raise ValueError('body_pose moves cameras: expected views, got none')
    labels: dict[str, Any] = dict(type='LoadOccupancy')
    if grid is not None:
        labels['grid'] = dict(grid)
    if unobserved != 'ignore':
        labels['unobserved'] = unobserved
    steps = _view_steps(views, [labels, *_point_steps(points)], body_pose)
    if depth is not None:
        steps += _depth_steps(depth)
    if previous is not None:
        steps.append(_previous_step(previous, views, points, body_pose, depth))
    return steps


def _view_steps(views: Mapping[str, Mapping], between: Sequence[dict], body_pose: bool) -> list[dict[str, Any]]:
    """Images of the views, then what else is read from files, then unwrapping and resizing."""
    stored = tuple(name for name, view in views.items() if 'unwrap_from' not in view)
    steps: list[dict] = [dict(type='LoadPanorama', views=stored)] if stored else []
    steps += between
    if body_pose:
        steps.append(dict(type='UseBodyPose'))
    made = [name for name in views if name not in stored]
    steps += [_unwrapping(name, views, last=name == made[-1]) for name in made]
    return steps + [
        dict(type='ResizeView', view=name, height=views[name]['height'], width=views[name]['width'])
        for name in stored
        if 'height' in views[name] and views[name].get('keep', True)
    ]


def _point_steps(points: Mapping | None) -> list[dict[str, Any]]:
    return [] if points is None else [dict(type='LoadLiDARPoints', **points)]


def _depth_steps(depth: Mapping) -> list[dict[str, Any]]:
    """LoadDepth, and what is made of its map."""
    settings = dict(depth)
    degrade, as_points = settings.pop('degrade', None), settings.pop('as_points', False)
    view = {'view': settings['view']} if 'view' in settings else {}
    steps = [dict(type='LoadDepth', **settings)]
    if degrade is not None:
        steps.append(dict(type='DegradeDepth', **view, **degrade))
    return steps + ([dict(type='PointsFromDepth', **view)] if as_points else [])


def _previous_step(
    previous: Mapping, views: Mapping[str, Mapping], points: Mapping | None, body_pose: bool, depth: Mapping | None
) -> dict[str, Any]:
    """LoadPreviousFrames with the steps that make its view of a past frame."""
    settings = dict(previous)
    unknown = set(settings) - set(_PREVIOUS_KEYS)
    if unknown or 'offsets' not in settings:
        raise ValueError(f"previous: expected 'offsets' and settings among {_PREVIOUS_KEYS}, got {sorted(settings)}")
    view, with_depth = settings.get('view', 'equi'), settings.pop('depth', False)
    if view not in views:
        raise ValueError(f'previous: expected a view among {sorted(views)}, got {view!r}')
    if with_depth and depth is None:
        raise ValueError('previous: depth of past frames needs depth of the current one, got none')
    source = views[view].get('unwrap_from')
    needed = {name: dict(views[name]) for name in views if name in (view, source)}
    if source is not None:
        needed[source]['keep'] = False
    as_points = with_depth and bool(depth) and dict(depth or {}).get('as_points', False)
    needs_sweep = (settings.get('points') and not as_points) or (
        with_depth and dict(depth or {}).get('source') == 'points'
    )
    if needs_sweep and points is None:
        raise ValueError('previous: points of past frames need points of the current one, got none')
    steps = _view_steps(needed, _point_steps(points) if needs_sweep else [], body_pose)
    if with_depth and depth is not None:
        steps += _depth_steps(depth)
    return dict(type='LoadPreviousFrames', transforms=steps, **settings)


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
    further = {key: settings[key] for key in ('body_pose', 'unobserved', 'depth', 'previous') if key in settings}
    return loading_steps(views, points, grid, **further) + pipeline


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
