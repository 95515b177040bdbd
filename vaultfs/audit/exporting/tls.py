"""Syslog over TLS (RFC 5425): each batch on a connection of its own, which both sides close in order.

RFC 5425 has no acknowledgement. What a receiver was sent counts as taken when it has answered our close_notify with its
own, as section 4.4 asks it to, and then has ended the connection, without a word more, with all bytes acknowledged and
without a reset. A close_notify alone proves nothing: a receiver that is stopped sends one by itself, whatever lies
unread. A Linux peer resets a connection that it ends with bytes unread. Waiting for the answer also reads the session
tickets of the receiver: unread, they would make our system reset the connection, and receivers lose what they had not
read yet.

Some receivers never answer, rsyslog with GnuTLS among them, and only end the connection. Where the host says that its
receiver is one of these, such an end alone counts.
"""

from __future__ import annotations

import fcntl
import re
import socket
import ssl
import struct
import termios
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from vaultfs.audit.exporting.errors import (
    CredentialsUnusable,
    MessageInvalid,
    ReceiverFailed,
    ReceiverLost,
    ReceiverNotTrusted,
    ReceiverRefused,
    ReceiverTooSlow,
    ReceiverUnreachable,
)

PORT = 6514
"""The port of syslog over TLS (RFC 5425 section 4.1)."""

_PIECE = 1 << 18
_CLOSE_WAIT = 8
"""State of a TCP connection that the peer has ended and not reset (linux/tcp_states.h)."""

_INTERVAL = 0.005
_MESSAGE = re.compile(rb"<(?:0|[1-9][0-9]{0,2})>1 ")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Credentials:
    """By what a connection is secured; files in PEM.

    Parameters
    ----------
    authorities
        Certificates of who vouches for the receiver; those of the system do not count.
    certificate, key
        Our certificate, with those that lead to its authority, and its private key, in clear; where the receiver asks
        for none, none.
    name
        The name that the receiver's certificate must have; by default the host that is connected to.
    """

    authorities: Path
    certificate: Path | None = None
    key: Path | None = None
    name: str = ""

    def context(self) -> ssl.SSLContext:
        """Return how connections are secured: by TLS 1.2 or later, the receiver's certificate and name checked.

        Raises
        ------
        CredentialsUnusable
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.options &= ~_IGNORED_END
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_verify_locations(self.authorities)
            if self.certificate is not None:
                context.load_cert_chain(self.certificate, self.key, password=_no_password)
        except (OSError, ValueError):
            pass
        else:
            return context
        raise CredentialsUnusable  # here, where no error that holds a path is its context


def _no_password() -> bytes:
    """Return nothing: else a terminal would be asked."""
    return b""


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds until it is given up.

    Parameters
    ----------
    connect
        To connect, and to agree on keys. Looking the host up is the system's, and not counted.
    send
        For the receiver to take a batch.
    close
        For it to close the connection.
    """

    connect: float = 10.0
    send: float = 60.0
    close: float = 30.0


@dataclass(frozen=True, slots=True)
class SyslogSink:
    """A receiver of syslog over TLS. Keeps no connection between two batches.

    Parameters
    ----------
    host
        Name or address.
    answers
        Whether the receiver answers when the connection is closed, as RFC 5425 asks it to.

    Raises
    ------
    CredentialsUnusable
    """

    host: str
    credentials: Credentials
    port: int = PORT
    patience: Patience = Patience()
    answers: bool = True
    _context: ssl.SSLContext = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_context", self.credentials.context())

    def send(self, messages: Sequence[bytes]) -> None:
        """Return once the receiver has read all messages and closed the connection in order.

        Raises
        ------
        MessageInvalid
            One does not begin as a message of RFC 5424: nothing was sent.
        ReceiverUnreachable, ReceiverNotTrusted, ReceiverRefused, ReceiverLost, ReceiverTooSlow
        """
        if not all(map(_MESSAGE.match, messages)):
            raise MessageInvalid
        frames = b"".join(b"%d %b" % (len(message), message) for message in messages)
        plain = _told(self._connected, ReceiverUnreachable)
        with plain:
            _told(lambda: self._sent(plain, frames), ReceiverLost)

    def _connected(self) -> socket.socket:
        return socket.create_connection((self.host, self.port), self.patience.connect)

    def _sent(self, plain: socket.socket, frames: bytes) -> None:
        patience = self.patience
        secured = _Secured(plain, self._context, self.credentials.name or self.host)
        secured.agree(_Deadline(patience.connect))
        secured.write(frames, _Deadline(patience.send))
        end = _Deadline(patience.close)
        try:
            secured.close(end)
        except ssl.SSLError as error:
            if not _is_end(error) or self.answers:
                raise
        secured.ended(end)
        if not _has_all(plain, end):
            raise ConnectionResetError


_IGNORED_END = getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
"""Set by Python before 3.11.4: an end of the connection would pass for close_notify."""


class _Deadline:
    """A point of time."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds until then.

        Raises
        ------
        TimeoutError
            There are none.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class _Secured:
    """TLS over a socket. What comes in is given to TLS when it is asked for, and not before.

    `SSLSocket.unwrap` would not do: it returns for a fatal alert as it does for close_notify, so that who was refused
    would take it that all was read.
    """

    def __init__(self, plain: socket.socket, context: ssl.SSLContext, name: str) -> None:
        self._plain = plain
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)

    def agree(self, end: _Deadline) -> None:
        """Agree on keys, and check whom they are agreed on with."""
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._flush(end)
                self._receive(end)
            except ssl.SSLError:
                with suppress(OSError):
                    self._flush(end)  # it tells the peer why
                raise
            else:
                self._flush(end)
                return

    def write(self, data: bytes, end: _Deadline) -> None:
        """Write all of it."""
        for at in range(0, len(data), _PIECE):
            self._tls.write(data[at : at + _PIECE])
            self._flush(end)

    def close(self, end: _Deadline) -> None:
        """Say that nothing follows; return when the peer has said so, too."""
        with suppress(ssl.SSLWantReadError):
            while self._tls.read(_PIECE):  # what has come already: an alert is an error here
                pass
        with suppress(ssl.SSLWantReadError):
            self._tls.unwrap()
        self._flush(end)
        while True:
            try:
                if not self._tls.read(_PIECE):
                    return
            except ssl.SSLZeroReturnError:
                return
            except ssl.SSLWantReadError:
                self._receive(end)

    def ended(self, end: _Deadline) -> None:
        """Return when the peer has ended the connection, too, and said no more.

        Raises
        ------
        ConnectionError
            It has said something since.
        """
        self._plain.settimeout(end.left())
        if self._incoming.pending or self._plain.recv(1):
            raise ConnectionError

    def _flush(self, end: _Deadline) -> None:
        self._plain.settimeout(end.left())
        self._plain.sendall(self._outgoing.read())

    def _receive(self, end: _Deadline) -> None:
        self._plain.settimeout(end.left())
        data = self._plain.recv(_PIECE)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()


def _is_end(error: ssl.SSLError) -> bool:
    """Return whether the connection ended without close_notify; Python before 3.11.4 has no class for that."""
    return isinstance(error, ssl.SSLEOFError) or error.reason == "UNEXPECTED_EOF_WHILE_READING"


def _has_all(plain: socket.socket, end: _Deadline) -> bool:
    """Return whether a peer that has ended the connection has all that was sent to it, and did not reset it."""
    while _state(plain) == _CLOSE_WAIT:
        if not _unacknowledged(plain):
            return _state(plain) == _CLOSE_WAIT
        end.left()
        time.sleep(_INTERVAL)
    return False


def _state(one: socket.socket) -> int:
    return one.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]


def _unacknowledged(one: socket.socket) -> int:
    """Return how many bytes the peer's system has not acknowledged."""
    (count,) = struct.unpack("i", fcntl.ioctl(one, termios.TIOCOUTQ, bytes(4)))
    return int(count)


def _told(act: Callable[[], T], otherwise: type[ReceiverFailed]) -> T:
    """Return what an act returns; raise the coded error for what went wrong with it."""
    try:
        return act()
    except TimeoutError:
        failure: ReceiverFailed = ReceiverTooSlow()
    except ssl.SSLCertVerificationError as error:
        failure = ReceiverNotTrusted(reason=error.verify_code)
    except ssl.SSLError as error:
        failure = ReceiverLost() if _is_end(error) or isinstance(error, ssl.SSLZeroReturnError) else ReceiverRefused()
    except (OSError, ValueError) as error:
        failure = otherwise(errno=error.errno if isinstance(error, OSError) else None)
    raise failure  # here, where no error that names the receiver is its context
