"""Where the sets come from that the shipped configs name: made here, or recorded and with a twin that is."""

from __future__ import annotations

import os
import os.path as osp

_TWINS = {'quadsim': 'quadsim', 'humansim': 'humansim', 'quadocc': 'quadsim', 'human360occ': 'humansim'}


def how_to_get(path: str, data_root: str) -> str:
    """What to tell somebody whose set is not where the config looks.

    Args:
        path: the file that is missing.
        data_root: folder of the set; its name says which set it is.
    """
    name = osp.basename(osp.normpath(data_root)) if data_root else ''
    root = os.environ.get('ONEOCC_DATA')
    twin = _TWINS.get(name.removesuffix('-mini'))
    command = 'python data_converters/create_data.py'
    if twin is None:
        cure = f'{command} makes the synthetic sets quadsim and humansim, see its --help'
    elif name.startswith(twin):
        mini = ' --mini' if name.endswith('-mini') else ''
        cure = f'to make this set: {command} {twin}{mini} --out {data_root} --seed 0'
    else:
        out = osp.join(osp.dirname(osp.normpath(data_root)), twin)
        cure = f'{name} is recorded, not made; its synthetic twin comes from: {command} {twin} --out {out} --seed 0'
    return (
        f'{path} does not exist. The environment variable ONEOCC_DATA must name the folder that '
        f'holds the sets (now: {root or "unset, hence ./data"}); {cure}'
    )
