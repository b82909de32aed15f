"""What is in a bag, and a rig file to begin with."""

from __future__ import annotations

from typing import Any

import numpy as np

from data_converters.recorders.bag import CLOUD, COMPRESSED_IMAGE, IMAGE, IMU, ODOMETRY, POSE_TYPES, Bag, refused_reason
from data_converters.recorders.bag_clouds import cloud_from_message
from data_converters.recorders.bag_source import read_tree
from data_converters.recorders.pictures import compressed_picture, raw_picture
from data_converters.recorders.pose_track import RideError
from data_converters.recorders.transform_tree import TransformTree


def inspect_bag(bag: Bag) -> tuple[list[str], str]:
    """Lines that say what a bag holds, and the text of a rig.yaml with what it can be known from it."""
    counts = bag.counts
    total = sum(counts.values())
    lines = [f'{bag.name}: {total} messages in {bag.duration_s:.1f} s']
    found: dict[str, list[dict[str, Any]]] = dict(cameras=[], lidars=[], poses=[], imus=[])
    for topic, types in sorted(bag.topics.items()):
        count = counts[topic]
        rate = f'{(count - 1) / bag.duration_s:.1f} Hz' if count > 1 and bag.duration_s > 0 else '-'
        lines.append(f'  {topic}: {", ".join(types)}, {count} messages, {rate}')
        for msgtype in types:
            lines += [f'    {line}' for line in _look(bag, topic, msgtype, count, found)]
    tree = _tree(bag, lines)
    if not (found['cameras'] and found['lidars']):
        missing = [kind for kind in ('cameras', 'lidars') if not found[kind]]
        lines.append(
            f'  a recording needs {" and ".join(missing)} (Image, CompressedImage; PointCloud2): this bag has none'
        )
    return lines, _rig_text(found, tree)


def _look(bag: Bag, topic: str, msgtype: str, count: int, found: dict[str, list[dict[str, Any]]]) -> list[str]:
    reason = refused_reason(msgtype)
    if reason is not None:
        return [f'not readable: {reason}']
    if not count or msgtype not in (IMAGE, COMPRESSED_IMAGE, CLOUD, IMU, *POSE_TYPES):
        return []
    _, _, message = next(bag.chosen_messages({topic: {0}}))
    frame = message.header.frame_id.lstrip('/')
    entry: dict[str, Any] = dict(topic=topic, frame=frame)
    try:
        if msgtype in (IMAGE, COMPRESSED_IMAGE):
            picture = (compressed_picture if msgtype == COMPRESSED_IMAGE else raw_picture)(message, topic, 16)
            form = message.format if msgtype == COMPRESSED_IMAGE else message.encoding
            found['cameras'].append(dict(entry, size=picture.size))
            return [f'{picture.size[0]}x{picture.size[1]}, {form.strip()!r}, frame {frame!r}']
        if msgtype == CLOUD:
            return [_look_at_cloud(message, topic, entry, found)]
    except RideError as error:
        return [f'not readable: {error}']
    if msgtype == IMU:
        found['imus'].append(entry)
    else:
        child = str(getattr(message, 'child_frame_id', '')).lstrip('/')
        found['poses'].append(dict(entry, child=child, best=msgtype == ODOMETRY))
        return [f'of {child or "its body"!r} in {frame!r}']
    return [f'frame {frame!r}']


def _look_at_cloud(message: Any, topic: str, entry: dict[str, Any], found: dict[str, list[dict[str, Any]]]) -> str:
    cloud = cloud_from_message(message, 0.0, topic)
    fields = ' '.join(field.name for field in message.fields)
    text = f'{len(cloud.points)} points, fields {fields}, frame {entry["frame"]!r}'
    if cloud.intensity is not None and cloud.intensity.size:
        largest = float(np.nanmax(cloud.intensity))
        if cloud.intensity.dtype.kind == 'f':
            entry['intensity_max'] = next((top for top in (1.0, 255.0, 65535.0) if largest <= top * 1.001), None)
        text += f', intensity up to {largest:g}'
    text += ', no time per point' if cloud.time is None else f', a sweep takes {np.ptp(cloud.time) * 1e3:.0f} ms'
    found['lidars'].append(entry)
    return text


def _tree(bag: Bag, lines: list[str]) -> TransformTree:
    tree = read_tree(bag, 0.5)
    if tree.edges:
        lines.append('  frames:')
        lines += [
            f'    {parent} -> {child}: {"fixed" if static else f"{count} transforms"}'
            for parent, child, static, count in tree.edges
        ]
    return tree


def _rig_text(found: dict[str, list[dict[str, Any]]], tree: TransformTree) -> str:
    names = tree.names
    body = next(
        (name for name in ('base_link', 'body', 'trunk', 'base', 'base_footprint') if name in names), 'base_link'
    )
    lines = [
        '# proposed by inspect-bag; ? marks what no bag tells',
        'classes: geometry            # or a list of names, quadocc, h3o',
        f'body: {body}',
        'cameras:' if found['cameras'] else 'cameras: {}',
    ]
    for number, camera in enumerate(found['cameras']):
        name = 'raw' if not number else f'raw{number}'
        lines += [
            f'  {name}:',
            f'    topic: {camera["topic"]}',
            f'    calibration: calib_results.txt    # ? for {camera["size"][0]}x{camera["size"][1]} pixels',
            f'    {_mount("cam", camera["frame"], body, names)}',
        ]
    if not found['cameras']:
        lines[-1] += '    # ? no image topic in this bag'
    lines.append('lidars:' if found['lidars'] else 'lidars: {}')
    for number, lidar in enumerate(found['lidars']):
        name = 'lidar' if not number else f'lidar{number}'
        lines += [f'  {name}:', f'    topic: {lidar["topic"]}', f'    {_mount("lidar", lidar["frame"], body, names)}']
        if lidar.get('intensity_max') not in (None, 1.0):
            lines.append(f'    intensity_max: {lidar["intensity_max"]:g}    # from one sweep')
    poses = _pose_lines(found['poses'], tree, body)
    lines += ['pose:', *poses] if poses else ['pose: {}    # no pose in this bag: KISS-ICP finds them in the sweeps']
    gravity = f'imu, imu: {found["imus"][0]["topic"]}' if found['imus'] else 'odometry'
    return '\n'.join([*lines, f'ego: {{cutoff_hz: 0.5, gravity: {gravity}}}', ''])


def _mount(short: str, frame: str, body: str, names: set[str]) -> str:
    if frame in names and body in names:
        return f'{short}_from_body: tf    # {frame}'
    return f'body_from_{short}: {{xyz: [0, 0, 0], rpy_deg: [0, 0, 0]}}    # ? of {frame or "the sensor"}'


def _pose_lines(poses: list[dict[str, Any]], tree: TransformTree, body: str) -> list[str]:
    names = tree.names
    best = sorted(poses, key=lambda pose: not pose['best'])
    if best:
        child = best[0]['child']
        lines = [f'  topic: {best[0]["topic"]}']
        return lines + (['  child_from_body: tf'] if child and child != body and {child, body} <= names else [])
    roots = [parent for parent, child, static, _ in tree.edges if not static]
    for root in ('map', 'odom', 'world', *roots):
        if root in names and body in names and root != body:
            return [f'  tf: [{root}, {body}]']
    return []
