"""Receivers on the loopback: rsyslog as Debian has it, and a proxy before it that cuts connections."""

from __future__ import annotations

import random
import re
import select
import shutil
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

import pytest

from tests.vaultfs.audit.deliveries.authority import Authority, Pair

HOST = "127.0.0.1"
DRIVERS = ("gtls", "ossl")
_MODULES = Path("/usr/lib")
_PATIENCE = 60.0
_FIRST = b"<110>1 - - receiver - FIRST -\n"
"""Comes by UDP, so that the file is open before any connection is closed."""


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """Return a port that nobody listens to."""
    with socket.socket(type=kind) as one:
        one.bind((HOST, 0))
        port: int = one.getsockname()[1]
        return port


class Rsyslog:
    """An rsyslog that takes RFC 5425 from clients with a certificate, and writes each message on a line as it came.

    By OpenSSL, versions of before 2026 close the descriptor of a connection twice (rsyslog pull request 6375): a file
    that another thread opens in between is lost, with all messages that are for it.
    """

    def __init__(self, place: Path, driver: str, authority: Authority, server: Pair, permitted: str) -> None:
        if shutil.which("rsyslogd") is None or not list(_MODULES.glob(f"*/rsyslog/lmnsd_{driver}.so")):
            pytest.skip("rsyslog, or its TLS drivers, are not installed")
        self._place = place
        self.answers = driver == "ossl"
        """Whether it answers close_notify: by GnuTLS it only ends the connection."""
        place.mkdir()
        self.port = free_port()
        self._first = free_port(socket.SOCK_DGRAM)
        self.output = place / "received.log"
        self._process: subprocess.Popen[bytes] | None = None
        (place / "rsyslog.conf").write_text(
            f"""\
global(workDirectory="{place}" maxMessageSize="64k"
       defaultNetstreamDriverCAFile="{authority.certificate}"
       defaultNetstreamDriverCertFile="{server.certificate}"
       defaultNetstreamDriverKeyFile="{server.key}")
module(load="imtcp" streamDriver.name="{driver}" streamDriver.mode="1" streamDriver.authMode="x509/name"
       permittedPeer=["{permitted}"])
module(load="imudp")
template(name="raw" type="string" string="%rawmsg%\\n")
input(type="imudp" port="{self._first}" address="{HOST}" ruleset="all")
input(type="imtcp" port="{self.port}" address="{HOST}" ruleset="all")
ruleset(name="all") {{
    action(type="omfile" file="{self.output}" template="raw" asyncWriting="off" ioBufferSize="64k")
}}
"""
        )

    def start(self) -> None:
        """Start it; return when it listens."""
        words = [shutil.which("rsyslogd") or "", "-n", "-C", "-f", "rsyslog.conf", "-i", str(self._place / "pid")]
        with (self._place / "own.log").open("ab") as own:
            self._process = subprocess.Popen(words, cwd=self._place, stdout=own, stderr=own, close_fds=True)
        end = time.monotonic() + _PATIENCE
        before = self._written().count(_FIRST)
        with socket.socket(type=socket.SOCK_DGRAM) as first:
            while self._written().count(_FIRST) == before or not _is_listened_to(self.port):
                first.sendto(_FIRST.rstrip(), (HOST, self._first))
                assert self._process.poll() is None, (self._place / "own.log").read_text()
                assert time.monotonic() < end
                time.sleep(0.02)

    def stop(self, *, kill: bool = False) -> None:
        """End it: in order, so that it writes what it has, or at once."""
        process, self._process = self._process, None
        if process is not None:
            process.kill() if kill else process.terminate()
            process.wait(_PATIENCE)

    def close(self) -> None:
        """End it, if it runs."""
        self.stop()

    def wait_for(self, lines: int) -> None:
        """Return when it has written so many lines, or after a minute."""
        end = time.monotonic() + _PATIENCE
        while len(self.lines()) < lines and time.monotonic() < end:
            time.sleep(0.02)

    def lines(self) -> list[bytes]:
        """Return what it has written so far of what was sent to it."""
        return [line for line in self._written() if line != _FIRST]

    def _written(self) -> list[bytes]:
        return self.output.read_bytes().splitlines(keepends=True) if self.output.exists() else []


def _is_listened_to(port: int) -> bool:
    """Return whether a port is listened to, without connecting to it."""
    return re.search(rf":{port:04X} 00000000:0000 0A ", Path("/proc/net/tcp").read_text()) is not None


class Proxy:
    """Hands bytes on to a port, and cuts connections after so many bytes, by a reset or in silence."""

    def __init__(self, port: int, cuts: Iterator[int | None]) -> None:
        self._target = port
        self._cuts = cuts
        self._listener = socket.create_server((HOST, 0))
        self._listener.settimeout(0.1)
        self._ended = threading.Event()
        self.cut = 0
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(_PATIENCE)
        self._listener.close()

    def _serve(self) -> None:
        while not self._ended.is_set():
            with suppress(TimeoutError):
                client, _ = self._listener.accept()
                with client, suppress(OSError), socket.create_connection((HOST, self._target)) as server:
                    self._hand_on(client, server, next(self._cuts))

    def _hand_on(self, client: socket.socket, server: socket.socket, left: int | None) -> None:
        """Hand on what comes from either side; `left` bytes from the client, or all of it."""
        others = {client: server, server: client}
        while others and not self._ended.is_set():
            ready, _, _ = select.select(list(others), [], [], 0.1)
            for one in ready:
                other = client if one is server else server
                data = one.recv(1 << 14)
                if not data:
                    with suppress(OSError):
                        other.shutdown(socket.SHUT_WR)
                    del others[one]
                    continue
                if one is client and left is not None:
                    other.sendall(data[:left])
                    left -= len(data)
                    if left <= 0:
                        self.cut += 1
                        linger = struct.pack("ii", 1, 0)  # closing resets: what was not read yet is gone
                        for end in (client, server):
                            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                        return
                else:
                    other.sendall(data)


def seeded_cuts(seed: int, most: int, share: float) -> Iterator[int | None]:
    """Yield after how many bytes each connection is cut; None for one that is left alone."""
    chance = random.Random(seed)
    while True:
        yield chance.randint(1, most) if chance.random() < share else None


@contextmanager
def silent_server() -> Iterator[int]:
    """Accept connections, and neither read nor write."""
    with socket.create_server((HOST, 0)) as listener:
        yield listener.getsockname()[1]


@contextmanager
def server(act: Callable[[socket.socket], object]) -> Iterator[int]:
    """Accept a connection, and act on it."""
    with socket.create_server((HOST, 0)) as listener:
        listener.settimeout(_PATIENCE)

        def serve() -> None:
            with suppress(OSError):
                one, _ = listener.accept()
                with one:
                    act(one)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(_PATIENCE)


def talking(pair: Pair, received: list[bytes]) -> Callable[[socket.socket], None]:
    """Return what says something before and after it has read all, though no receiver of syslog does, and closes."""

    def act(one: socket.socket) -> None:
        with _agreed(pair, one) as secured:
            secured.sendall(b"hello")
            while data := secured.recv(1 << 14):
                received.append(data)
            secured.sendall(b"bye")
            secured.unwrap()

    return act


def rambling(pair: Pair, rest: bytes) -> Callable[[socket.socket], None]:
    """Return what answers that nothing follows, and then sends the rest all the same."""

    def act(one: socket.socket) -> None:
        with _agreed(pair, one) as secured:
            while secured.recv(1 << 14):
                pass
            plain = secured.unwrap()
            plain.sendall(rest)
            plain.close()

    return act


def stalled(pair: Pair, ended: threading.Event) -> Callable[[socket.socket], None]:
    """Return what agrees on keys, and then neither reads nor closes until it is told to end."""

    def act(one: socket.socket) -> None:
        with _agreed(pair, one):
            ended.wait(_PATIENCE)

    return act


def leaving(pair: Pair, size: int, version: ssl.TLSVersion) -> Callable[[socket.socket], None]:
    """Return what says by itself that nothing follows, while so many bytes lie unread, and then ends the connection."""

    def act(one: socket.socket) -> None:
        with _agreed(pair, one, version) as secured:
            while len(_unread(secured, size)) < size:
                time.sleep(0.01)
            with suppress(OSError):
                secured.unwrap()  # after close_notify it looks for another, and finds the first of what is unread
            time.sleep(0.2)

    return act


def _unread(secured: ssl.SSLSocket, size: int) -> bytes:
    """Return what lies in the socket, which stays there."""
    return socket.socket.recv(secured, size, socket.MSG_PEEK)


def _agreed(pair: Pair, one: socket.socket, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLSocket:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = version
    context.load_cert_chain(pair.certificate, pair.key)
    return context.wrap_socket(one, server_side=True)
