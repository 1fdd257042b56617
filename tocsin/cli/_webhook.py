"""A webhook on loopback that the demo notifies, so that somebody is told."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_LARGEST = 1 << 20


class Webhook:
    """Receives what apprise posts as JSON (`json://`); `url` is what a channel takes."""

    def __init__(self) -> None:
        self._titles: list[str] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = min(int(self.headers.get("content-length", 0)), _LARGEST)
                hook._heard(self.rfile.read(length))
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # its name in the base class
                del format, args

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="webhook", daemon=True)
        self._thread.start()
        self.url = f"json://127.0.0.1:{self._server.server_address[1]}/"

    def _heard(self, body: bytes) -> None:
        try:
            title = json.loads(body).get("title", "")
        except (ValueError, AttributeError):
            return
        self._titles.append(str(title))

    def incidents(self) -> list[str]:
        """Titles of the messages that told of a new incident."""
        return [title for title in self._titles if title.startswith("Incident:")]

    def stop(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()
