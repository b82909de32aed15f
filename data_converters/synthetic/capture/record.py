"""Let a robot walk through a synthetic world and write down what its sensors see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from data_converters.synthetic.capture.gait import GaitTrajectory
from data_converters.synthetic.capture.lidar import scan_lidar
from data_converters.synthetic.capture.protocols import Protocol, SequencePlan
from data_converters.synthetic.capture.rigs import equirect_camera, head_mount, lidar_mount, pal_camera, pal_mount
from data_converters.synthetic.capture.sensors import render_panorama
from data_converters.synthetic.places.world import Scene, World, build_world
from data_converters.synthetic.shading.lighting import Lighting
from projects.OneOcc.core.formats.recording import Frame, Recording
from projects.OneOcc.core.geometry import OmniCamera

# below this exposure time the gait moves nothing by a pixel
BLUR_FROM_S = 0.005


@lru_cache(maxsize=1)
def cached_world(kind: str, seed: int) -> World:
    """The world of a map; the sequences of one map come one after the other and share it."""
    return build_world(kind, seed)


@dataclass(frozen=True)
class Shot:
    """What the sensors meet in one frame; `body_after` is the body pose when the shutter closes."""

    scene: Scene
    lighting: Lighting
    rng: np.random.Generator
    body_after: np.ndarray

    def panorama(
        self, camera: OmniCamera, frame: Frame, cam_from_body: np.ndarray, rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        """Render through `camera`; the gait blurs what is exposed long enough to notice. `cam_from_body` (4, 4).
        Pictures (H, W) or (H, W, 3) as in `render_panorama`."""
        body_from_cam = np.linalg.inv(cam_from_body)
        end = self.body_after @ body_from_cam if self.lighting.shutter_s > BLUR_FROM_S else None
        return render_panorama(
            self.scene, camera, frame.world_from_body @ body_from_cam, self.lighting, rng, world_from_cam_end=end
        )


def make_trajectory(protocol: Protocol, plan: SequencePlan, world: World) -> GaitTrajectory:
    """The ride of a sequence: a walkable way through its world, and the gait's phase at the start."""
    path = world.path(plan.path_seed, protocol.path_length_m)
    phase = np.random.default_rng(plan.path_seed).uniform()
    return GaitTrajectory(path, world.ground_height, protocol.gait, phase)


def record_sequence(
    protocol: Protocol, plan: SequencePlan, root: Path, on_frame: Callable[[], None] = lambda: None
) -> Recording:
    """Record one sequence into the folder `root` and return the recording.

    Args:
        on_frame: Called after every frame.
    """
    world = cached_world(protocol.world_kind, plan.world_seed)
    recording = _empty_recording(protocol, plan, world, root)
    trajectory = make_trajectory(protocol, plan, world)
    times = np.arange(protocol.frames) / protocol.frame_hz
    noise = np.random.SeedSequence(plan.noise_seed).spawn(protocol.frames + 1)
    lighting = Lighting.named(plan.lighting, weather=plan.weather, rng=np.random.default_rng(noise[-1]))
    sense = _sense_quad if protocol.is_quad else _sense_human
    poses = zip(
        trajectory.ego_poses(times), trajectory.body_poses(times), trajectory.body_poses(times + lighting.shutter_s)
    )
    for index, (ego, body, body_after) in enumerate(poses):
        frame = Frame(f'{index:06d}', float(times[index]), ego, body)
        scene = world.at(times[index], observer=body[:2, 3])
        shot = Shot(scene, lighting, np.random.default_rng(noise[index]), body_after)
        sense(recording, frame, shot, protocol, is_key=index % protocol.key_stride == 0)
        recording.frames.append(frame)
        on_frame()
    recording.write()
    return recording


def _empty_recording(protocol: Protocol, plan: SequencePlan, world: World, root: Path) -> Recording:
    camera: OmniCamera
    if protocol.is_quad:
        name, camera, mount = 'raw', pal_camera(*protocol.image_size), pal_mount()
        lidars = dict(lidar=lidar_mount())
    else:
        name, camera, mount = 'equi', equirect_camera(*protocol.image_size), head_mount()
        lidars = {}
    meta = dict(
        lighting=plan.lighting,
        weather=plan.weather,
        map=plan.map,
        robot=protocol.robot,
        seed=protocol.seed,
        world_seed=plan.world_seed,
        source='oneocc synthetic world',
    )
    return Recording(
        Path(root),
        plan.name,
        tuple(world.classes),
        {name: dict(camera.to_dict(), cam_from_body=mount)},
        lidars,
        meta,
        dense_camera=None if protocol.is_quad else name,
    )


def _sense_quad(recording: Recording, frame: Frame, shot: Shot, protocol: Protocol, is_key: bool) -> None:
    """A sweep in every frame, an annulus in every key frame."""
    camera_rng, lidar_rng = shot.rng.spawn(2)
    world_from_lidar = frame.world_from_body @ np.linalg.inv(recording.lidars['lidar'])
    assert protocol.lidar is not None  # a protocol of the quadruped has one
    sweep = scan_lidar(shot.scene, world_from_lidar, protocol.lidar, shot.lighting, lidar_rng, frame.time)
    recording.write_lidar(frame, 'lidar', sweep)
    if is_key:
        view = shot.panorama(
            pal_camera(*protocol.image_size), frame, recording.cameras['raw']['cam_from_body'], camera_rng
        )
        recording.write_image(frame, 'raw', view['rgb'])


def _sense_human(recording: Recording, frame: Frame, shot: Shot, protocol: Protocol, is_key: bool) -> None:
    """Image, depth, semantics and the mask of moving things in every frame."""
    view = shot.panorama(
        equirect_camera(*protocol.image_size), frame, recording.cameras['equi']['cam_from_body'], shot.rng
    )
    if is_key:
        recording.write_image(frame, 'equi', view['rgb'])
    recording.write_depth(frame, view['range'])
    recording.write_image(frame, 'semantic', view['label'])
    recording.write_image(frame, 'dynamic', view['dynamic'].astype(np.uint8))
