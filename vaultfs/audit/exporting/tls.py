"""Syslog over TLS (RFC 5425): each batch on a connection of its own, which both sides close in order.

RFC 5425 has no acknowledgement. What a receiver was sent counts as taken when it has answered our close_notify with its
own, as section 4.4 asks it to: then it has read all that came before. A connection that ends in any other way proves
nothing. Waiting for the answer also reads the session tickets of the receiver: unread, they would make the system
reset the connection, and receivers lose what they had not read yet.

Some receivers never answer, rsyslog with GnuTLS among them, and only end the connection. Where the host says that its
receiver is one of these, the end counts if all bytes were acknowledged by then and no reset came: a Linux peer resets
a connection that it ends with bytes unread.
"""

from __future__ import annotations

import fcntl
import socket
import ssl
import struct
import termios
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from vaultfs.errors import (
    CredentialsUnusable,
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
_SILENT_END = (ssl.SSLEOFError, ssl.SSLSyscallError, ssl.SSLZeroReturnError)
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
        ReceiverUnreachable, ReceiverNotTrusted, ReceiverRefused, ReceiverLost, ReceiverTooSlow
        """
        frames = b"".join(b"%d %b" % (len(message), message) for message in messages)
        plain = _told(self._connected, ReceiverUnreachable)
        try:
            secured = _told(lambda: self._secured(plain), ReceiverLost)
        except BaseException:
            plain.close()
            raise
        try:
            _told(lambda: self._written(secured, frames), ReceiverLost)
        finally:
            secured.close()

    def _connected(self) -> socket.socket:
        return socket.create_connection((self.host, self.port), self.patience.connect)

    def _secured(self, plain: socket.socket) -> ssl.SSLSocket:
        plain.settimeout(self.patience.connect)
        return self._context.wrap_socket(plain, server_hostname=self.credentials.name or self.host)

    def _written(self, secured: ssl.SSLSocket, frames: bytes) -> None:
        end, rest = time.monotonic() + self.patience.send, memoryview(frames)
        while rest:
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError
            secured.settimeout(left)
            rest = rest[secured.send(rest[:_PIECE]) :]
        self._close(secured)

    def _close(self, secured: ssl.SSLSocket) -> None:
        secured.settimeout(self.patience.close)
        try:
            secured.unwrap()
        except _SILENT_END:
            if self.answers or not self._ended_whole(secured):
                raise

    def _ended_whole(self, secured: ssl.SSLSocket) -> bool:
        """Return whether the peer has ended the connection after all bytes had reached it, without a reset."""
        end = time.monotonic() + self.patience.close
        while _state(secured) == _CLOSE_WAIT and time.monotonic() < end:
            if not _unacknowledged(secured):
                return _state(secured) == _CLOSE_WAIT
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
    except _SILENT_END:
        failure = ReceiverLost()
    except ssl.SSLError:
        failure = ReceiverRefused()
    except (OSError, ValueError) as error:
        failure = otherwise(errno=error.errno if isinstance(error, OSError) else None)
    raise failure  # here, where no error that names the receiver is its context
