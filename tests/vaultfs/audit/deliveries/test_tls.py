"""Syslog over TLS, to rsyslog with both of its TLS drivers: mutual, in order, and nothing missing in the end."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import repeat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

import vaultfs
from tests.vaultfs.audit.deliveries.authority import NAME, Authority, Pair
from tests.vaultfs.audit.deliveries.receivers import (
    DRIVERS,
    HOST,
    Proxy,
    Rsyslog,
    free_port,
    leaving,
    rambling,
    seeded_cuts,
    server,
    silent_server,
    stalled,
    talking,
)
from tests.vaultfs.audit.deliveries.test_delivering import delivery, event_indexes
from tests.vaultfs.support import MRN, create, session
from vaultfs.audit.exporting.cursors import lowest
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
from vaultfs.audit.exporting.received import shown_in
from vaultfs.audit.exporting.reconciling import Reconciled, reconcile
from vaultfs.audit.exporting.tls import Credentials, Patience, SyslogSink
from vaultfs.audit.view import origin_of

MESSAGES = [b"<110>1 - - vaultfs - TEST - %d" % number for number in range(100)]
PATIENCE = Patience(connect=30, send=60, close=60)
"""Longer than any machine takes."""


@dataclass(frozen=True)
class Site:
    """Who vouches for whom."""

    place: Path
    authority: Authority
    server: Pair
    client: Pair
    stranger: Pair

    @property
    def credentials(self) -> Credentials:
        return Credentials(self.authority.certificate, self.client.certificate, self.client.key)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    place = tmp_path_factory.mktemp("site")
    authority = Authority(place)
    return Site(place, authority, *(authority.issue(name) for name in (NAME, "client", "stranger")))


@pytest.fixture(scope="module", params=DRIVERS)
def rsyslog(request: pytest.FixtureRequest, site: Site) -> Iterator[Rsyslog]:
    """Return an rsyslog that permits the client."""
    found = Rsyslog(site.place / request.param, request.param, site.authority, site.server, "client")
    found.start()
    yield found
    found.stop()


def sink_of(rsyslog: Rsyslog, credentials: Credentials, port: int = 0) -> SyslogSink:
    return SyslogSink(HOST, credentials, port or rsyslog.port, PATIENCE, answers=rsyslog.answers)


class TestPeers:
    def test_messages_arrive_as_they_were_sent(self, rsyslog: Rsyslog, site: Site) -> None:
        sink = sink_of(rsyslog, site.credentials)
        before = len(rsyslog.lines())
        large = b"<110>1 - - vaultfs - TEST - " + b"x" * 8000
        sink.send([*MESSAGES, large])
        sink.send(MESSAGES[:1])
        rsyslog.wait_for(before + len(MESSAGES) + 2)
        assert [line.removesuffix(b"\n") for line in rsyslog.lines()[before:]] == [*MESSAGES, large, MESSAGES[0]]

    def test_a_client_without_a_certificate_is_refused(self, rsyslog: Rsyslog, site: Site) -> None:
        with pytest.raises(ReceiverFailed):
            sink_of(rsyslog, Credentials(site.authority.certificate)).send(MESSAGES)

    def test_a_client_of_another_authority_is_refused(self, rsyslog: Rsyslog, site: Site, tmp_path: Path) -> None:
        client = Authority(tmp_path).issue("client")
        credentials = Credentials(site.authority.certificate, client.certificate, client.key)
        with pytest.raises(ReceiverFailed):
            sink_of(rsyslog, credentials).send(MESSAGES)

    @pytest.mark.parametrize("rsyslog", ["gtls"], indirect=True)
    def test_a_client_that_is_not_permitted_is_refused(self, rsyslog: Rsyslog, site: Site) -> None:
        """With OpenSSL, rsyslog 8.2302 closes such a connection in order, and may or may not have read it."""
        credentials = Credentials(site.authority.certificate, site.stranger.certificate, site.stranger.key)
        before = len(rsyslog.lines())
        with pytest.raises(ReceiverFailed):
            sink_of(rsyslog, credentials).send(MESSAGES)
        assert len(rsyslog.lines()) == before

    def test_a_receiver_of_another_authority_is_not_trusted(self, rsyslog: Rsyslog, site: Site) -> None:
        other = Authority(site.place, f"other-{rsyslog.port}")
        with pytest.raises(ReceiverNotTrusted):
            sink_of(rsyslog, replace(site.credentials, authorities=other.certificate)).send(MESSAGES)

    def test_a_receiver_of_another_name_is_not_trusted(self, rsyslog: Rsyslog, site: Site) -> None:
        with pytest.raises(ReceiverNotTrusted):
            sink_of(rsyslog, replace(site.credentials, name="siem.example")).send(MESSAGES)
        sink_of(rsyslog, replace(site.credentials, name=NAME)).send(MESSAGES[:1])

    def test_a_receiver_that_does_not_answer_has_taken_nothing_unless_it_is_known_not_to(
        self, rsyslog: Rsyslog, site: Site
    ) -> None:
        strict = SyslogSink(HOST, site.credentials, rsyslog.port, PATIENCE)
        if rsyslog.answers:
            strict.send(MESSAGES)
        else:
            with pytest.raises(ReceiverLost):
                strict.send(MESSAGES)

    @pytest.mark.parametrize("left", [0, 1, 300, 3000])
    def test_a_connection_that_is_cut_has_taken_nothing(self, rsyslog: Rsyslog, site: Site, left: int) -> None:
        with Proxy(rsyslog.port, repeat(left)) as proxy, pytest.raises(ReceiverLost):
            sink_of(rsyslog, site.credentials, proxy.port).send(MESSAGES)
        with Proxy(rsyslog.port, repeat(None)) as proxy:
            sink_of(rsyslog, site.credentials, proxy.port).send(MESSAGES)


def _greets(one: socket.socket) -> None:
    one.sendall(b"220 hello\r\n" * 100)
    one.recv(1 << 16)


class TestWithoutPeer:
    def test_nobody_is_there(self, site: Site) -> None:
        with pytest.raises(ReceiverUnreachable) as told:
            SyslogSink(HOST, site.credentials, free_port()).send(MESSAGES)
        assert told.value.__context__ is None
        with pytest.raises(ReceiverUnreachable):
            SyslogSink("nobody.invalid", site.credentials).send(MESSAGES)

    def test_a_receiver_that_does_not_speak_tls_is_refused(self, site: Site) -> None:
        with server(_greets) as port, pytest.raises(ReceiverRefused):
            SyslogSink(HOST, site.credentials, port, PATIENCE).send(MESSAGES)

    def test_what_a_receiver_says_is_passed_over(self, site: Site) -> None:
        received: list[bytes] = []
        with server(talking(site.server, received)) as port:
            SyslogSink(HOST, site.credentials, port, PATIENCE).send(MESSAGES)
        assert b"".join(received) == b"".join(b"%d %b" % (len(one), one) for one in MESSAGES)

    @pytest.mark.parametrize(
        "line", [b"", b'{"record":"event"}', b"<110>2 - - - - - -", b"<1000>1 - - - - - -", b"110>1 -"]
    )
    def test_what_is_no_message_of_syslog_is_not_sent(self, site: Site, line: bytes) -> None:
        with pytest.raises(MessageInvalid):
            SyslogSink(HOST, site.credentials, free_port()).send([*MESSAGES, line])

    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    @pytest.mark.parametrize("answers", [True, False])
    def test_a_receiver_that_goes_with_messages_unread_has_taken_nothing(
        self, site: Site, version: ssl.TLSVersion, answers: bool
    ) -> None:
        """It says close_notify by itself: that it is one does not make it an answer."""
        sink = SyslogSink(HOST, site.credentials, free_port(), PATIENCE, answers=answers)
        act = leaving(site.server, 100_000, version)
        with server(act) as port, pytest.raises(ReceiverLost):
            replace(sink, port=port).send([MESSAGES[0] + b"x" * 1000] * 100)

    def test_a_receiver_that_says_more_after_its_answer_has_taken_nothing(self, site: Site) -> None:
        """Such an end is not in order: an rsyslog that confuses its files has written messages into the connection."""
        with server(rambling(site.server, MESSAGES[0])) as port, pytest.raises(ReceiverLost):
            SyslogSink(HOST, site.credentials, port, PATIENCE).send(MESSAGES)
        with server(rambling(site.server, b"")) as port:
            SyslogSink(HOST, site.credentials, port, PATIENCE).send(MESSAGES)

    @pytest.mark.parametrize("late", ["connect", "send", "close"])
    def test_no_time_is_too_slow(self, site: Site, late: str) -> None:
        with server(talking(site.server, [])) as port, pytest.raises(ReceiverTooSlow):
            SyslogSink(HOST, site.credentials, port, replace(PATIENCE, **{late: 1e-9})).send(MESSAGES)

    def test_a_receiver_that_says_nothing_is_too_slow(self, site: Site) -> None:
        with silent_server() as port, pytest.raises(ReceiverTooSlow):
            SyslogSink(HOST, site.credentials, port, Patience(connect=0.2)).send(MESSAGES)

    @pytest.mark.parametrize("size", [10, 5_000_000], ids=["does not close", "stops reading"])
    def test_a_receiver_that_stops_holds_the_cursor(self, site: Site, tmp_path: Path, size: int) -> None:
        ended = threading.Event()
        with server(stalled(site.server, ended)) as port, create(tmp_path / "v") as vault:
            sink = SyslogSink(HOST, site.credentials, port, Patience(connect=30, send=0.3, close=0.3))

            class Large:
                def send(self, messages: Sequence[bytes]) -> None:
                    sink.send([*messages, MESSAGES[0] + b"x" * size])

            with pytest.raises(ReceiverTooSlow):
                delivery(vault, Large(), tmp_path / "c").run()
            assert lowest(tmp_path / "c", origin_of(vault.id)) is None
            ended.set()

    @pytest.mark.parametrize("wrong", ["authorities", "certificate", "key", "encrypted", "other key"])
    def test_credentials_that_cannot_be_used_are_refused_at_once(self, site: Site, tmp_path: Path, wrong: str) -> None:
        junk = tmp_path / "junk.pem"
        junk.write_bytes(b"no PEM")
        good = site.credentials
        assert good.key is not None
        locked = tmp_path / "locked.key"
        key = serialization.load_pem_private_key(good.key.read_bytes(), None)
        way = serialization.BestAvailableEncryption(b"password")
        locked.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, way))
        broken = {
            "authorities": replace(good, authorities=junk),
            "certificate": replace(good, certificate=tmp_path / "none"),
            "key": replace(good, key=junk),
            "encrypted": replace(good, key=locked),
            "other key": replace(good, key=site.stranger.key),
        }
        with pytest.raises(CredentialsUnusable) as told:
            SyslogSink(HOST, broken[wrong])
        assert told.value.__context__ is None


class TestDeliveries:
    @pytest.mark.parametrize("driver", DRIVERS)
    def test_a_thousand_events_arrive_over_a_line_that_is_cut(self, site: Site, tmp_path: Path, driver: str) -> None:
        found = _delivered(site, tmp_path, driver, events=1000, batch=100)
        assert found.received >= 1000

    @pytest.mark.long
    @pytest.mark.parametrize("driver", DRIVERS)
    def test_twenty_thousand_events_arrive_over_a_line_that_is_cut(
        self, site: Site, tmp_path: Path, driver: str
    ) -> None:
        found = _delivered(site, tmp_path, driver, events=20_000, batch=500)
        assert found.received >= 20_000


def _delivered(site: Site, place: Path, driver: str, *, events: int, batch: int) -> Reconciled:
    """Deliver to an rsyslog that is killed and started again, by connections that are cut; resend what is lost."""
    rsyslog = Rsyslog(place / "rsyslog", driver, site.authority, site.server, "client")
    rsyslog.start()
    cuts = seeded_cuts(events, batch * 700, 0.4)
    with create(place / "v") as vault, closing(rsyslog), Proxy(rsyslog.port, cuts) as proxy:
        with session(vault) as writing, writing.transaction() as txn:
            txn.put_many([vaultfs.NewRecord(b"x", "Observation", MRN)] * events)
        to = delivery(vault, sink_of(rsyslog, site.credentials, proxy.port), place / "c", batch=batch)
        lost = _until_done(to.run, rsyslog, restarts=2)
        rsyslog.stop()
        found = reconcile(vault, shown_in(rsyslog.lines()), size=lowest(place / "c", origin_of(vault.id)))
        rsyslog.start()
        while not found.complete:
            _until_done(partial(to.resend, found.missing), rsyslog, restarts=0)
            rsyslog.stop()
            found = reconcile(vault, shown_in(rsyslog.lines()), size=lowest(place / "c", origin_of(vault.id)))
            rsyslog.start()
        assert found.agrees
        assert found.missing == ()
        assert found.received == found.events == sum(1 for one in event_indexes(vault) if one < found.there[-1].stop)
        assert lost
        assert proxy.cut
        return found


def _until_done(act: Callable[[], object], rsyslog: Rsyslog, restarts: int) -> int:
    """Act until it succeeds; return how often it failed. The receiver is killed after the first failures."""
    failures = 0
    while True:
        try:
            act()
        except ReceiverFailed:
            failures += 1
            if failures <= restarts:
                rsyslog.stop(kill=True)
                rsyslog.start()
        else:
            return failures
