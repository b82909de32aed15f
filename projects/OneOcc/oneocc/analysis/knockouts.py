"""Knock-outs: take one signal away from a trained model while it predicts, and leave all else as it was.

A part whose signal can be taken away without a change of the scores is dead, whatever its weights look like.
Every knock-out is a context manager around `predict`; the model is the same before and after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import torch
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from ...core.geometry import View, ring
from ..models import OccupancySegmentor
from ..models.lifting.gait_compensation import GaitCorrection
from ..models.lifting.range_distribution import RangeMaps
from ..models.lifting.voxel_position import VoxelPosition
from ..models.necks.moe_fuse3d import MoEFuse3D
from ..models.necks.saliency3d import DualPathSaliency3D
from ..structures import Volumes


@dataclass
class Frames:
    """One frame, and another one to borrow from; both as the data preprocessor gave them.

    Attributes:
        inputs, samples: of the frame.
        other_inputs, other_samples: of the other frame.
        mean_shifts: {view: {scale: (2,)}} mean displacement over all frames; None where nothing is displaced.
    """

    inputs: dict[str, Any]
    samples: Sequence[BaseDataElement]
    other_inputs: dict[str, Any]
    other_samples: Sequence[BaseDataElement]
    mean_shifts: Mapping[str, Mapping[int, Tensor]] | None = None


Part = TypeVar('Part', bound=nn.Module)
Intervention = Callable[[OccupancySegmentor, Frames], Any]  # a context manager


@dataclass(frozen=True)
class Knockout:
    """A signal and how to take it away.

    Attributes:
        name: signal and what takes its place, e.g. 'raw: mean colour'.
        applies: whether a model has the signal.
        without: (model, frames) -> context manager in which the signal is missing; it may change `frames.inputs`
            and `frames.samples`, which are copies.
    """

    name: str
    applies: Callable[[OccupancySegmentor], bool]
    without: Intervention


def knockouts_of(model: OccupancySegmentor) -> list[Knockout]:
    """All knock-outs that say something about a model."""
    return [knockout for knockout in KNOCKOUTS if knockout.applies(model)]


@contextmanager
def patched(owner: Any, name: str, value: Any) -> Iterator[None]:
    """`owner.name` is `value` for a while."""
    missing = object()
    modules = owner._modules if isinstance(owner, nn.Module) and name in owner._modules else None
    module = None if modules is None else modules.pop(name)
    own = vars(owner).get(name, missing)
    object.__setattr__(owner, name, value)
    try:
        yield
    finally:
        if own is missing:
            object.__delattr__(owner, name)
        else:
            object.__setattr__(owner, name, own)
        if modules is not None:
            modules[name] = module


def _views(model: OccupancySegmentor) -> tuple[str, ...]:
    """Names of the views that a model lifts; none for methods on points."""
    transformer = model.view_transformer
    single = getattr(transformer, 'view', None)
    return tuple(getattr(transformer, 'views', () if single is None else (single,)))


def _lifts(model: OccupancySegmentor, view: str | None = None) -> bool:
    return view in _views(model) if view else bool(_views(model))


def _parts(model: OccupancySegmentor, kind: type[Part]) -> list[Part]:
    return [part for part in model.modules() if isinstance(part, kind)]


@contextmanager
def _image_of(view: str, source: str, model: OccupancySegmentor, frames: Frames) -> Iterator[None]:
    images = dict(frames.inputs['imgs'])
    own = images[view]
    images[view] = (
        own.mean((2, 3), keepdim=True).expand_as(own) if source == 'mean' else frames.other_inputs['imgs'][view]
    )
    frames.inputs = {**frames.inputs, 'imgs': images}
    yield


@contextmanager
def _shifts(constant: bool, model: OccupancySegmentor, frames: Frames) -> Iterator[None]:
    """Displacements of zero, or of their mean over all frames."""

    def correction(maps: Mapping[str, Mapping[int, Tensor]]) -> GaitCorrection:
        """{view: {scale: (B, C, Hs, Ws)}} -> nothing, or the mean displacements."""
        if not constant or frames.mean_shifts is None:
            return GaitCorrection()
        batch = len(next(iter(next(iter(maps.values())).values())))
        shifts = {
            view: {s: mean.expand(batch, 2) for s, mean in scales.items()}
            for view, scales in frames.mean_shifts.items()
        }
        return GaitCorrection(shifts=shifts)

    with patched(model.view_transformer, 'gait', correction):
        yield


@contextmanager
def _experts(uniform: bool, model: OccupancySegmentor, frames: Frames) -> Iterator[None]:
    """All experts alike, or for all voxels the one that the scene chooses most."""

    def weights(own: Callable[[Tensor], Tensor], volume: Tensor) -> Tensor:
        """(B, C, X, Y, Z) -> (B, K, X, Y, Z)."""
        chosen = own(volume)
        if uniform:
            return torch.full_like(chosen, 1 / chosen.shape[1])
        best = chosen.mean((0, 2, 3, 4)).argmax()
        one = torch.zeros_like(chosen)
        one[:, best] = 1
        return one

    with ExitStack() as stack:
        for part in _parts(model, MoEFuse3D):
            stack.enter_context(patched(part, 'weights', partial(weights, part.weights)))
        yield


@contextmanager
def _open_gates(model: OccupancySegmentor, frames: Frames) -> Iterator[None]:
    with ExitStack() as stack:
        for part in _parts(model, DualPathSaliency3D):
            stack.enter_context(patched(part, 'forward', lambda volume: volume))
        yield


@contextmanager
def _polar(source: str, model: OccupancySegmentor, frames: Frames) -> Iterator[None]:
    """The polar volumes of the other frame, or their mean over x and y."""

    def changed(volumes: Volumes) -> Volumes:
        if source == 'other':
            polar = model.lift(frames.other_inputs, frames.other_samples).polar
        else:
            own = volumes.polar or {}
            polar = {level: volume.mean((2, 3), keepdim=True).expand_as(volume) for level, volume in own.items()}
        return replace(volumes, polar=polar)

    forward = model.neck.forward
    with patched(model.neck, 'forward', lambda volumes, **further: forward(changed(Volumes.of(volumes)), **further)):
        yield


@contextmanager
def _broken_ring(model: OccupancySegmentor, frames: Frames) -> Iterator[None]:
    """Zeros beyond the seam instead of the other side."""

    def zero_pad(x: Tensor, pad: tuple[int, int], axis: int = -1) -> Tensor:
        """(B, C, ...) -> the same, longer along `axis`."""
        behind = (x.dim() - 1 - axis % x.dim()) * 2
        return torch.nn.functional.pad(x, [0] * behind + list(pad))

    with ExitStack() as stack:
        stack.enter_context(patched(ring, 'ring_pad', zero_pad))
        if hasattr(model.view_transformer, 'ring_views'):
            stack.enter_context(patched(model.view_transformer, 'ring_views', ()))
        yield


@contextmanager
def _pose_of_other(model: OccupancySegmentor, frames: Frames) -> Iterator[None]:
    """Every camera hangs where it hung in the other frame."""
    samples = []
    for sample, other in zip(frames.samples, frames.other_samples):
        changed = sample.clone()
        cameras = {
            name: View(View.of(view).camera, View.of(other.cameras[name]).cam_from_ego)
            for name, view in sample.cameras.items()
        }
        changed.set_metainfo(dict(cameras=cameras))
        samples.append(changed)
    frames.samples = samples
    yield


@contextmanager
def _ranges(source: str, model: OccupancySegmentor, frames: Frames) -> Iterator[None]:
    """Distributions over ranges that say nothing, or those of the other frame's images."""
    distribution = model.view_transformer.ranges
    own = distribution.forward

    def changed(maps: Mapping[str, Mapping[int, Tensor]], views: Sequence[View], points: Any = None) -> RangeMaps:
        """{view: {scale: (B, C, Hs, Ws)}} -> maps (B, D, Hs, Ws)."""
        if source == 'other':
            others = model.backbone(frames.other_inputs['imgs'])
            return own({distribution.view: others[distribution.view]}, views)
        found = own(maps, views)
        bins = found.here.shape[1]
        even = (torch.arange(bins, device=found.here.device, dtype=found.here.dtype) + 0.5) / bins
        return RangeMaps(torch.ones_like(found.here), even.view(1, -1, 1, 1).expand_as(found.before))

    with patched(distribution, 'forward', changed):
        yield


@contextmanager
def _no_position(model: OccupancySegmentor, frames: Frames) -> Iterator[None]:
    with patched(model.view_transformer, 'position', None):
        yield


def _has_gait(model: OccupancySegmentor) -> bool:
    return getattr(model.view_transformer, 'gait', None) is not None


def _has_ranges(model: OccupancySegmentor) -> bool:
    return getattr(model.view_transformer, 'ranges', None) is not None


def _has_polar(model: OccupancySegmentor) -> bool:
    transformer = model.view_transformer
    return getattr(transformer, 'polar_grid', None) is not None and getattr(transformer, 'inject', None) is None


def _has_position(model: OccupancySegmentor) -> bool:
    return bool(_parts(model, VoxelPosition))


def _has_rings(model: OccupancySegmentor) -> bool:
    return any(hasattr(part, 'ring_axis') for part in model.modules())


KNOCKOUTS = (
    *(
        Knockout(f'{view}: {title}', partial(_lifts, view=view), partial(_image_of, view, source))
        for view in ('equi', 'raw')
        for source, title in (('mean', 'mean colour'), ('other', 'of another frame'))
    ),
    Knockout('displacements: zero', _has_gait, partial(_shifts, False)),
    Knockout('displacements: their mean', _has_gait, partial(_shifts, True)),
    Knockout('experts: all alike', lambda m: bool(_parts(m, MoEFuse3D)), partial(_experts, True)),
    Knockout('experts: one for all', lambda m: bool(_parts(m, MoEFuse3D)), partial(_experts, False)),
    Knockout('saliency: open gates', lambda m: bool(_parts(m, DualPathSaliency3D)), _open_gates),
    Knockout('polar volumes: of another frame', _has_polar, partial(_polar, 'other')),
    Knockout('polar volumes: mean over x, y', _has_polar, partial(_polar, 'mean')),
    Knockout('ring: broken', _has_rings, _broken_ring),
    Knockout('camera pose: of another frame', _lifts, _pose_of_other),
    Knockout('ranges: even', _has_ranges, partial(_ranges, 'even')),
    Knockout('ranges: of another frame', _has_ranges, partial(_ranges, 'other')),
    Knockout('voxel position: none', _has_position, _no_position),
)
