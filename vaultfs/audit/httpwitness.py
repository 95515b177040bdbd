"""A witness that is a server: add-checkpoint of c2sp.org/tlog-witness, over HTTPS."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from contextlib import suppress
from urllib.parse import urlsplit

from vaultfs_format.limits import MAX_NOTE
from vaultfs_format.tlog.note import NoteSignature
from vaultfs_format.tlog.refusals import refusal_of
from vaultfs_format.tlog.witness import AddCheckpoint

from vaultfs.audit.witnesses import answered
from vaultfs.errors import ArgumentInvalid, WitnessSilent

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_OK = 200


class HttpWitness:
    """A witness at a URL. Its certificate is verified; plain HTTP is taken to this machine alone.

    Parameters
    ----------
    prefix
        The submission prefix of the witness: requests go to ``prefix/add-checkpoint``.
    timeout
        Seconds for connecting, and then for all of request and answer.
    context
        How TLS is spoken: by default the certificates of the system count.

    Raises
    ------
    ArgumentInvalid
        The prefix is none.
    """

    def __init__(self, prefix: str, timeout: float = 30.0, context: ssl.SSLContext | None = None) -> None:
        try:
            parts = urlsplit(prefix)
            self._host, self._port = parts.hostname or "", parts.port
        except ValueError:
            raise ArgumentInvalid(length=len(prefix)) from None
        plain = parts.scheme == "http" and self._host in _LOOPBACK
        spelled = prefix.isascii() and prefix.isprintable() and " " not in prefix and "@" not in parts.netloc
        if not (self._host and (plain or parts.scheme == "https") and spelled) or parts.query or parts.fragment:
            raise ArgumentInvalid(length=len(prefix))
        self._scheme, self._path = parts.scheme, parts.path.rstrip("/") + "/add-checkpoint"
        self._timeout = timeout
        self._context = context

    def add_checkpoint(self, request: AddCheckpoint) -> tuple[NoteSignature, ...]:
        """Post a request."""
        return answered(lambda: self._posted(request))

    def _posted(self, request: AddCheckpoint) -> bytes:
        connection = self._connection()
        connection.connect()
        end = threading.Timer(self._timeout, _cut, [connection.sock])
        end.start()
        try:
            connection.request("POST", self._path, request.encode(), {"Content-Type": "text/plain; charset=utf-8"})
            response = connection.getresponse()
            body = response.read(MAX_NOTE + 1)
        finally:
            end.cancel()
            connection.close()
        if response.status == _OK:
            return body
        raise refusal_of(response.status, body, request) or WitnessSilent()

    def _connection(self) -> http.client.HTTPConnection:
        if self._scheme == "http":
            return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)
        context = self._context or ssl.create_default_context()
        return http.client.HTTPSConnection(self._host, self._port, timeout=self._timeout, context=context)


def _cut(connected: socket.socket) -> None:
    """End a connection that somebody else waits on: a timeout of the socket begins anew with every byte."""
    with suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)
