"""What takes the place of Sentry's servers: it keeps the envelopes that are posted to it."""

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "0123456789abcdef0123456789abcdef"


class Ingest:
    """The envelopes that came so far, as text, and the address to send them to."""

    def __init__(self, port: int) -> None:
        self.dsn = f"http://{KEY}@127.0.0.1:{port}/7"
        self.envelopes: list[str] = []

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events in them."""
        return [item for item in self._items() if "level" in item]

    @property
    def transactions(self) -> list[dict[str, Any]]:
        """The transactions in them."""
        return [item for item in self._items() if "start_timestamp" in item]

    def _items(self) -> Iterator[dict[str, Any]]:
        return (json.loads(line) for envelope in list(self.envelopes) for line in envelope.splitlines())


@contextmanager
def ingesting() -> Iterator[Ingest]:
    """An endpoint on loopback while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            packed = self.headers.get("Content-Encoding") == "gzip"
            assert self.path == "/api/7/envelope/"
            ingest.envelopes.append((gzip.decompress(body) if packed else body).decode())
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        ingest = Ingest(server.server_address[1])
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            yield ingest
        finally:
            server.shutdown()
            serving.join()
