"""The log of a life on its way to a receiver: nothing of what was planted goes there, but who acted and why."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import vaultfs
from tests.vaultfs.audit.deliveries.authority import Authority
from vaultfs.audit.exporting.cursors import lowest
from vaultfs.audit.exporting.delivering import Delivery
from vaultfs.audit.exporting.logged import Logged
from vaultfs.audit.exporting.reading import Openings, settled
from vaultfs.audit.exporting.received import lines_of, shown_in
from vaultfs.audit.exporting.reconciling import reconcile
from vaultfs.audit.exporting.rfc5424 import Message
from vaultfs.audit.exporting.spool import FileSink, drain
from vaultfs.audit.exporting.syslog import Syslog, decode, shown_text
from vaultfs.audit.exporting.tls import Credentials, SyslogSink
from vaultfs.audit.view import origin_of
from vaultfs.testing.canary import Canaries
from vaultfs.testing.watch import Watch

HOSTS_OWN = frozenset({"principal", "roles", "purpose"})
"""What the host says of who acts: it is told on purpose."""


def deliver(watch: Watch, vault: vaultfs.Vault, planted: Canaries) -> None:
    """Deliver the log, drain it, and reconcile; search every byte that went out."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        sink = FileSink(place / "out")
        to = Delivery(vault, "siem", Syslog(), sink, place / "cursors")
        watch.said(to, sink, to.run(), to.resend([range(3)]), lowest(place / "cursors", origin_of(vault.id)))
        assert drain(place / "out", "spool", FileSink(place / "drained"), place / "cursors")
        lines = b"".join(path.read_bytes() for path in (place / "drained").glob("*.log")).splitlines()
        assert list(planted.found(b"\n".join(lines)))  # of who acted: the search finds what is there
        for line in lines:
            message = Message.decode(line)
            others = [(one, value) for _, params in message.elements for one, value in params if one not in HOSTS_OWN]
            watch.said(message, str([(one, shown_text(value)) for one, value in others]), message.text)
        _received(watch, vault, place, lines, planted)
        _refused(watch, vault, place, planted)
        watch.files(place / "cursors")


def _received(watch: Watch, vault: vaultfs.Vault, place: Path, lines: list[bytes], planted: Canaries) -> None:
    kept = place / "kept"
    kept.write_bytes(b"\n".join([*lines, planted.data("line"), b"<110>1 " + planted.data("line")]))
    with kept.open("rb") as file:
        shown = list(shown_in(lines_of(file)))
    found = reconcile(vault, shown)
    watch.said(found, found.complete, found.agrees, shown[:3])
    leaves = list(settled(vault, 0, 5))
    logged: list[Logged] = Openings(vault).logged(leaves)
    watch.said(leaves[-1], logged[-1])


def _refused(watch: Watch, vault: vaultfs.Vault, place: Path, planted: Canaries) -> None:
    text = planted.text("siem")
    credentials = Credentials(Authority(place).certificate)
    with watch.failing():
        Syslog(host=text)
    with watch.failing():
        Credentials(place / planted.plain("path")).context()
    with watch.failing():
        decode(f'<110>1 - - - - X [vaultfs@1 origin="{text}"]'.encode())
    with watch.failing():
        FileSink(place / "out").send([text.encode() + b"\n"])
    for host in (planted.plain("host") + ".invalid", text):
        with watch.failing():
            SyslogSink(host, replace(credentials, name=planted.plain("name"))).send([text.encode()])
    with watch.failing():
        Delivery(vault, text, Syslog(), FileSink(place / "out"), place)
