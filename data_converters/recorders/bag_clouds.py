"""Point clouds out of PointCloud2 messages of any field layout."""

from __future__ import annotations

from typing import Any

import numpy as np

from data_converters.recorders.point_fields import Cloud, cloud_from_fields
from data_converters.recorders.pose_track import RideError

_DATATYPES = {1: 'i1', 2: 'u1', 3: 'i2', 4: 'u2', 5: 'i4', 6: 'u4', 7: 'f4', 8: 'f8'}


def cloud_from_message(message: Any, stamp: float, where: str) -> Cloud:
    """A sensor_msgs/PointCloud2 as a cloud; points that are NaN are left out and counted.

    Args:
        stamp: Seconds that its time is taken for.

    Raises:
        RideError: No x, y, z, a datatype that is not known, fewer bytes than the header says.
    """
    step, width, height = int(message.point_step), int(message.width), int(message.height)
    row_step = int(message.row_step) or width * step
    order = '>' if message.is_bigendian else '<'
    names, formats, offsets = [], [], []
    for field in message.fields:
        if field.datatype not in _DATATYPES:
            raise RideError(f'{where}: field {field.name!r}: expected a datatype 1..8, got {field.datatype}')
        kind = _DATATYPES[field.datatype]
        if field.name and field.name not in names and field.offset + np.dtype(kind).itemsize <= step:
            names.append(field.name)
            formats.append(order + kind)
            offsets.append(int(field.offset))
    content = bytes(message.data)
    needed = row_step * (height - 1) + width * step if height and width else 0
    if row_step < width * step or len(content) < needed:
        raise RideError(
            f'{where}: expected {height} rows of {width} points of {step} bytes, got {len(content)} bytes in rows '
            f'of {row_step}'
        )
    dtype = np.dtype(dict(names=names, formats=formats, offsets=offsets, itemsize=step))
    if not needed:
        records = np.zeros(0, dtype)
    elif row_step == width * step:
        records = np.frombuffer(content, dtype, width * height)
    else:
        records = np.concatenate([np.frombuffer(content, dtype, width, offset=y * row_step) for y in range(height)])
    return cloud_from_fields({name: records[name] for name in names}, stamp, where)
