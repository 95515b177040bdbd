"""Scenarios: the log on its way to receivers that are away, strange or slow, and cursors that do not fit it."""

from __future__ import annotations

import socket
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import vaultfs
from tests.vaultfs.audit.deliveries.authority import NAME, Authority
from tests.vaultfs.audit.deliveries.receivers import HOST, free_port, server, silent_server, stalled, talking
from tests.vaultfs.errors.world import PLANTED, World, fill, reaches
from vaultfs.audit.exporting.cursors import alone
from vaultfs.audit.exporting.delivering import Delivery
from vaultfs.audit.exporting.spool import FileSink, drain
from vaultfs.audit.exporting.syslog import Syslog, decode
from vaultfs.audit.exporting.tls import Credentials, Patience, SyslogSink
from vaultfs.vfs import Vfs

SECRET = b"<110>1 - - - - - - " + PLANTED.text("message").encode()


def _served(world: World, act: str) -> None:
    """Send to a receiver whose certificate is right."""
    authority = Authority(world.hidden)
    pair, ended = authority.issue(NAME), threading.Event()
    acts = {"stalls": stalled(pair, ended), "goes": _goes, "greets": _greets}
    sink = SyslogSink(HOST, Credentials(authority.certificate), free_port(), Patience(close=0.2))
    with server(acts[act]) as port:
        try:
            replace(sink, port=port).send([SECRET])
        finally:
            ended.set()


def _goes(one: socket.socket) -> None:
    one.recv(1 << 14)


def _greets(one: socket.socket) -> None:
    one.sendall(b"220 hello\r\n" * 100)
    one.recv(1 << 14)


@reaches("ReceiverUnreachable")
def nobody_listens(world: World) -> None:
    SyslogSink(HOST, Credentials(Authority(world.hidden).certificate), free_port()).send([SECRET])


@reaches("ReceiverTooSlow")
def a_receiver_never_closes(world: World) -> None:
    _served(world, "stalls")


@reaches("ReceiverLost")
def a_receiver_goes_away(world: World) -> None:
    _served(world, "goes")


@reaches("ReceiverRefused")
def a_receiver_does_not_speak_tls(world: World) -> None:
    _served(world, "greets")


@reaches("ReceiverNotTrusted")
def a_stranger_listens(world: World) -> None:
    pair = Authority(world.hidden).issue(NAME)
    with server(talking(pair, [])) as port:
        SyslogSink(HOST, Credentials(Authority(world.hidden, "other").certificate), port).send([SECRET])


@reaches("CredentialsUnusable")
def there_is_no_certificate(world: World) -> None:
    with silent_server() as port:
        SyslogSink(HOST, Credentials(world.hidden / PLANTED.plain("path")), port)


def _delivery(vault: vaultfs.Vault, world: World) -> Delivery:
    return Delivery(vault, "siem", Syslog(), FileSink(world.hidden / "sent"), _cursors(world))


def _cursors(world: World) -> Path:
    return world.hidden / "cursors"


@reaches("CursorDamaged")
def a_cursor_is_overwritten(world: World) -> None:
    with world.opened() as vault:
        _delivery(vault, world).run()
        (_cursors(world) / "siem.cursor").write_bytes(SECRET)
        _delivery(vault, world).run()


@reaches("CursorMissing")
def nothing_was_delivered_from_where_it_is_said(world: World) -> set[int]:
    with world.opened() as vault:
        _delivery(vault, world).run()
    (sent,) = (world.hidden / "sent").glob("*.log")
    return world.audit("reconcile", world.path, sent, "--cursors", world.hidden / PLANTED.plain("path"))


@reaches("SpoolMissing")
def a_spool_is_not_there(world: World) -> None:
    drain(world.hidden / "spool", "siem", FileSink(world.hidden / "sent"), _cursors(world))


@reaches("DeliveryBusy")
def two_deliver_under_one_name(world: World) -> None:
    with world.opened() as vault, alone(Vfs(), _cursors(world) / "siem.cursor.lock"):
        _delivery(vault, world).run()


@reaches("DeliveryOvertaken")
def the_log_is_pruned_beyond_what_was_delivered(world: World) -> None:
    with world.opened() as vault:
        _delivery(vault, world).run()
        fill(vault, 4)
        vault.settle()
        vault.maintenance.prune_log(datetime.now(UTC), minimum_age=timedelta(0))
        _delivery(vault, world).run()


@reaches("MessageInvalid")
def a_line_is_of_another_program(world: World) -> None:
    decode(SECRET)
