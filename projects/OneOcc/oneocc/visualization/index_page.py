"""One page over many frames: their pictures, small, each leading to its page and its sheet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ...core.formats.atomic_files import write_text

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ margin: 0 auto; padding: 16px; max-width: 1600px; font: 14px/1.5 system-ui, sans-serif; }}
ul {{ list-style: none; padding: 0; display: grid; gap: 16px;
  grid-template-columns: repeat(auto-fill, minmax(300px, 1fr)); }}
img {{ width: 100%; border-radius: 6px; display: block; }}
p {{ margin: 4px 0; }}
small {{ opacity: 0.75; }}
</style>
</head>
<body>
<h1>{title}</h1>
<p>{count} frames{ride}</p>
<ul>
{items}
</ul>
</body>
</html>
"""


def write_index(path: str | Path, entries: Sequence[Mapping[str, Any]], title: str) -> Path:
    """Write an index.

    Args:
        path: of the page; pictures and pages lie beside it.
        entries: of each frame `id` and, where there are, the file names `panorama` or `sheet` (the picture shown),
            `html`, and `mismatches`, sentences.
        title: heading.
    """
    path = Path(path)
    ride = (
        ', <a href="ride.html">all on one page with a time slider</a>' if (path.parent / 'ride.html').is_file() else ''
    )
    items = '\n'.join(_item(entry) for entry in entries)
    write_text(path, _PAGE.format(title=escape(title), count=len(entries), ride=ride, items=items))
    return path


def _item(entry: Mapping[str, Any]) -> str:
    links = [
        f'<a href="{quote(entry[kind])}">{word}</a>'
        for kind, word in (('html', 'turn it'), ('sheet', 'sheet'), ('npz', 'labels'))
        if entry.get(kind)
    ]
    shown = entry.get('panorama') or entry.get('sheet')
    target = entry.get('html') or entry.get('sheet') or ''
    name = escape(str(entry['id']))
    image = f'<a href="{quote(target)}"><img loading="lazy" src="{quote(shown)}" alt="{name}"></a>' if shown else ''
    notes = ''.join(f'<p><small>{escape(text)}</small></p>' for text in entry.get('mismatches', ()))
    return f'<li>{image}<p>{name} &nbsp; {" &nbsp; ".join(links)}</p>{notes}</li>'
