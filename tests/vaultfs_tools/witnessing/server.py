"""A witness behind a server of HTTP: the protocol's statuses by the core that answers files, too."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from vaultfs_format.tlog.note import encode_signatures
from vaultfs_format.tlog.refusals import SizeConflict, WitnessRefused
from vaultfs_format.tlog.witness import CONFLICT_TYPE
from vaultfs_tools.witnessing import Keeper


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler], context: ssl.SSLContext | None = None) -> Iterator[int]:
    """Serve on this machine; yield the port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Quiet(BaseHTTPRequestHandler):
    """A handler that logs nothing."""

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        self.answer()

    def answer(self) -> None:
        """Answer a request; by custom with nothing."""

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers["Content-Length"]))

    def reply(self, status: int, body: bytes, kind: str = "text/plain") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def handler_of(keeper: Keeper) -> type[Quiet]:
    """Return a handler that asks a witness."""

    class Handler(Quiet):
        def answer(self) -> None:
            if self.path != "/submit/add-checkpoint":
                self.reply(500, b"")
                return
            try:
                self.reply(200, encode_signatures(keeper.add_checkpoint(self.body())).encode())
            except WitnessRefused as refusal:
                kind = CONFLICT_TYPE if isinstance(refusal, SizeConflict) else "text/plain"
                self.reply(refusal.status, refusal.answer(), kind)

    return Handler
