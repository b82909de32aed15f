"""Rays per second of the ray caster and seconds per panorama, measured on one process.

python -m data_converters.synthetic.capture.benchmark [--width 1216 --height 608]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial

import numpy as np

from data_converters.synthetic.capture.sensors import MAX_RANGE, Lighting, render_panorama
from data_converters.synthetic.places.world import build_world
from data_converters.synthetic.tracing import raycast as rc
from projects.OneOcc.core.geometry import EquirectCamera


def benchmark_rays(kind: str = 'human', width: int = 1216, height: int = 608, seed: int = 0) -> dict:
    """Million primary rays a second and seconds a panorama (CPU time, compiled code warm).

    CPU time, because other processes on a shared machine would be counted with wall-clock time.
    """
    world = build_world(kind, seed)
    spot = world.path(0, 20.0)[20] + (0.0, 0.0, 1.65)
    scene = world.at(0.0, observer=spot)
    camera = EquirectCamera(width, height)
    rays = camera.unproject(camera.pixel_centers())[0].numpy().reshape(-1, 3)
    hits = rc.Hits.empty(len(rays))
    pose = np.eye(4)
    pose[:3, 3] = spot

    def trace() -> None:
        rc.trace_all(scene.geometry, spot[None], rays, MAX_RANGE, hits)

    report = dict(kind=kind, rays=len(rays), solids=len(scene.geometry.shapes))
    report['million_rays_per_s'] = round(len(rays) / _cpu_seconds(trace) / 1e6, 2)
    for time_of_day in ('day', 'night'):
        light = Lighting.named(time_of_day)
        report[f'{time_of_day}_panorama_s'] = round(
            _cpu_seconds(partial(render_panorama, scene, camera, pose, light, np.random.default_rng(0))), 3
        )
    return report


def _cpu_seconds(task: Callable[[], object], repeats: int = 3) -> float:
    """Best CPU time of a few runs after one that compiles."""
    task()
    best = np.inf
    for _ in range(repeats):
        start = time.process_time()
        task()
        best = min(best, time.process_time() - start)
    return best


def main() -> None:
    """Print the figures of both kinds of world."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--width', type=int, default=1216)
    parser.add_argument('--height', type=int, default=608)
    args = parser.parse_args()
    for kind in ('human', 'quad'):
        print(benchmark_rays(kind, args.width, args.height))


if __name__ == '__main__':
    main()
