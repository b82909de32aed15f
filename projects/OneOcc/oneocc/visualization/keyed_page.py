"""The live viewer's own page: viser's client, which asks no other server here, and keys that press its controls."""

from __future__ import annotations

import re
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

KEYS = {
    '.': 'frame on',
    ',': 'frame back',
    ' ': 'play',
    '1-5': 'layer',
    'k': 'only what is known',
    'l': 'LiDAR points',
    'c': 'camera',
    'd': 'dark',
}
_SCRIPT = Path(__file__).with_name('keyed_page.js')


class KeyedPage:
    """Serves the client at a port; it talks to the viewer at another one.

    Args:
        host: of both.
        port: of this page; 0 takes a free one.
        viewer_port: of `LiveView`.
    """

    def __init__(self, host: str, port: int, viewer_port: int) -> None:
        import viser

        folder = Path(viser.__file__).parent / 'client/build'
        page = own_page((folder / 'index.html').read_text(encoding='utf-8'))
        handler = partial(_Handler, directory=str(folder), page=page.encode())
        self._server = ThreadingHTTPServer((host, port), handler)
        self.port = int(self._server.server_address[1])
        self.address = f'http://{host}:{self.port}/?websocket=ws://{host}:{viewer_port}'
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """End the server."""
        self._server.shutdown()
        self._server.server_close()


def own_page(text: str) -> str:
    """The client's page without the scripts that call other servers, and with our keys."""
    kept = re.sub(
        r'<script\b[^>]*>.*?</script>',
        lambda found: found[0] if re.search(r'src="\./', found[0]) else '',
        text,
        flags=re.S,
    )
    return kept.replace('</body>', f'<script>{_SCRIPT.read_text(encoding="utf-8")}</script></body>')


class _Handler(SimpleHTTPRequestHandler):
    """Files of the client, its page as ours."""

    def __init__(self, *args: object, page: bytes, directory: str) -> None:
        self._page = page
        super().__init__(*args, directory=directory)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        """Answer one request."""
        if self.path.split('?')[0] not in ('/', '/index.html'):
            super().do_GET()
            return
        self.send_response(200)
        self.send_header('Content-Type', 'text/html; charset=utf-8')
        self.send_header('Content-Length', str(len(self._page)))
        self.end_headers()
        self.wfile.write(self._page)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing of every file."""
