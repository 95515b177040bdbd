"""What golden vaults there are, and how each is made."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from itertools import chain, repeat
from pathlib import Path
from unittest import mock

from vaultfs_format.act import ActKind
from vaultfs_format.copymark import CopyKind
from vaultfs_tools.copying.copier import Copier
from vaultfs_tools.copying.pace import Pace
from vaultfs_tools.copying.target import Target
from vaultfs_tools.copying.turn import Options, Source
from vaultfs_tools.keyless.acts import note

import vaultfs
from golden.credentials import PASSPHRASE_ONLY, Credentials, drawn
from golden.site import ONE, THREE, TWO, UNLOCK, WHO, Site, put
from vaultfs.engine.custody import reencrypting
from vaultfs.engine.settling.compaction import FAN

NOISE = random.Random(1).randbytes(66_000)  # noqa: S311 - bytes that do not get smaller, the same every time
LARGE = b"a scanned page of a chart, mostly white " * 2000
TEXT = b'{"resourceType":"Observation","status":"final","text":"' + b"an example " * 40 + b'"}'


@dataclass(frozen=True, slots=True)
class Scenario:
    """A golden vault.

    Parameters
    ----------
    findings
        Codes of what a check without keys must find, each once.
    make
        Makes it, and returns what opens it.
    """

    name: str
    comment: str
    make: Callable[[Site], Credentials]
    suite: str = "default"
    findings: frozenset[int] = frozenset()


def _shapes(vault: vaultfs.Vault, *, blob: bool = False) -> None:
    """Store what a vault can hold: versions, deletions, bytes around a record, nobody's records, states, links."""
    zone = timezone(timedelta(hours=-5))
    with vault.session(WHO, "TREAT") as session:
        with session.transaction() as txn:
            first = txn.put(
                TEXT, kind="Observation", media_type="application/fhir+json", subject=ONE, date=date(2010, 5, 1)
            )
            txn.put(
                b"MSH|^~\\&|", kind="hl7v2.ADT", media_type="x-application/hl7-v2+er7", subject=ONE,
                date=datetime(2011, 2, 3, 4, 5, 6, 789000, zone), before=b"\x0b", after=b"\x1c\r",
            )  # fmt: skip
            gone = txn.put(b"deleted", kind="local.note", subject=TWO)
            back = txn.put(b"deleted and shown again", kind="local.note", subject=TWO)
            txn.put(b"", kind="Binary", subject=None)
            txn.set_state("example", b"key", b"first value")
        if blob:
            with session.transaction() as txn:
                txn.put(NOISE, kind="Binary", subject=ONE, date=date(2012, 1, 1))
        with session.transaction() as txn:
            txn.put(b"a second version", kind="Observation", subject=ONE, date=date(2010, 5, 2), replaces=first)
            txn.delete(gone)
            txn.delete(back)
            txn.set_state("example", b"key", b"second value")
        with session.transaction() as txn:
            txn.undelete(back)
            txn.link(*(session.subjects(one)[0] for one in (ONE, TWO)))


def _plain(site: Site) -> Credentials:
    """A vault whose writer died: settled, and with journals on top."""
    with site.create(kinds=["local.note"]) as vault:
        _shapes(vault, blob=site.suite == "default")
        vault.settle()
        site.pass_days()
        put(vault, b"of the second day", TWO)
    with site.open() as vault:
        put(vault, b"not settled yet", TWO, date=date(2014, 1, 1))
        site.keep()
    return PASSPHRASE_ONLY


def _recipients(site: Site) -> Credentials:
    """One recipient of every type that needs no device."""
    credentials = drawn(site.suite)
    with site.create(recipients=credentials.recipients()) as vault:
        put(vault, b"for all of them")
        vault.settle()
    return credentials


def _readers(site: Site) -> Credentials:
    """Two readers: one that has gone, and one that died. Nobody has merged what they recorded."""
    with site.create() as vault:
        record = put(vault, b"read by others")
        vault.settle()
    for last in (False, True):
        with site.reader() as reader:
            with reader.session(vaultfs.Principal("reader"), "TREAT", strict=True) as session:
                session.get(record)
            if last:
                site.keep()
        site.pass_days()
    return PASSPHRASE_ONLY


def _mirrored(site: Site) -> Credentials:
    """Every segment has a mirror, and an open blob segment one, too."""
    with site.create(kinds=["local.note"]) as vault:
        _shapes(vault)
        vault.settle()
        vault.maintenance.mirror_segments(on=True)
        vault.maintenance.run(60)
        put(vault, LARGE, TWO)
        site.keep()
    return PASSPHRASE_ONLY


def _elsewhere(site: Site) -> Credentials:
    """The second copies lie in a directory of their own, to which a link leads."""
    with site.create(copies=site.place / "copies") as vault:
        put(vault, b"settled")
        vault.settle()
        put(vault, b"not settled")
    link = site.path / "copies"
    link.unlink()
    link.symlink_to("../copies")
    return PASSPHRASE_ONLY


def _merged(site: Site) -> Credentials:
    """As many settlings as there must be for segments to be merged."""
    with site.create() as vault:
        _daily(site, vault, FAN)
    return PASSPHRASE_ONLY


def _daily(site: Site, vault: vaultfs.Vault, days: int) -> None:
    for number in range(days):
        put(vault, b"of day %d" % number, (ONE, TWO, THREE)[number % 3])
        vault.settle()
        site.pass_days()


def _epochs(site: Site) -> Credentials:
    """Two turns of the epoch: one that disposes of somebody, one with another signer.

    A copy of the vault is known, so that the key tables of merged segments are put away, and old secrets kept.
    """
    with site.create() as vault:
        put(vault, b"of somebody who stays", ONE)
        put(vault, b"of somebody who goes", TWO)
        vault.settle()
    _copy(site)
    site.pass_days()
    with site.open() as vault:
        _daily(site, vault, FAN)
        with vault.session(WHO, "TREAT") as session:
            (gone,) = session.subjects(TWO)
        vault.keys.turn(UNLOCK, [gone])
        site.pass_days()
        put(vault, b"of the second epoch", THREE)
        vault.keys.turn(UNLOCK, new_signer=True)
        put(vault, b"of the third epoch", ONE)
        vault.settle()
    return PASSPHRASE_ONLY


def _copy(site: Site) -> None:
    """Make a copy of the vault, say so to the next writer, and take the copy away."""
    place, source = site.place / "away", Source.of_vault(site.path)
    copied = Copier(source, Target(place), Options(kind=CopyKind.WHOLE), Pace()).run()
    report = copied.report
    note(
        source.files,
        report.suite,
        report.vault_id,
        ActKind.COPIED,
        about=copied.copy_id,
        count=copied.bytes,
        at=site.now,
    )
    shutil.rmtree(place)
    place.with_name("away.lock").unlink()


def _reencrypting(site: Site) -> Credentials:
    """Sealing anew was begun, and has come as far as one segment."""
    with site.create() as vault:
        for number in range(3):
            put(vault, b"of year %d" % number, date=date(2010 + number, 1, 1))
            vault.settle()
        with (
            mock.patch.object(reencrypting, "_STEP", 1),
            mock.patch.object(time, "monotonic", side_effect=chain([0.0, 0.0], repeat(10.0))),
        ):
            vault.keys.reencrypt(1)
    return PASSPHRASE_ONLY


def _pruned(site: Site) -> Credentials:
    """A log that was pruned twice, merged after the first time; who read meanwhile has a log of its own."""
    with site.create() as vault:
        for days in (FAN + 4, 3):
            _daily(site, vault, days)
            before = datetime.fromtimestamp(site.now / 1_000_000, UTC) - timedelta(days=3)
            vault.maintenance.prune_log(before, minimum_age=timedelta(days=3))
        record = put(vault, b"read by somebody")
        vault.settle()
    with site.reader() as reader, reader.session(vaultfs.Principal("reader"), "TREAT", strict=True) as session:
        session.get(record)
    return PASSPHRASE_ONLY


def _damaged(site: Site) -> Credentials:
    """Damage in a file of each kind, and each heals: by parity, by the other copy, by the mirror."""
    with site.create(kinds=["local.note"]) as vault:
        _shapes(vault)
        vault.settle()
    with site.open() as vault:
        put(vault, LARGE, TWO)
        put(vault, b"not settled yet", TWO, date=date(2014, 1, 1))
        site.keep()
    path = site.result() / "vault"
    _flip(path / "head", 200)
    (path / "copies" / "keyring.1").unlink()
    _flip(path / "VAULT.1", 60)
    _flip(_only(path, "segments/main/record/2010-*/*.vseg"), 4200)
    table = _only(path, "segments/main/control/none/*.vkey.1")
    table.write_bytes(table.read_bytes()[:-1])
    _flip(max(path.glob("journal/*.vjrn"), key=lambda one: one.stat().st_size), 4500)
    part = _only(path, "segments/main/blob/*.part")
    part.write_bytes(part.read_bytes()[:4100])
    return PASSPHRASE_ONLY


def _only(path: Path, pattern: str) -> Path:
    return min(path.glob(pattern))


def _flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


_RECOVERY = frozenset({9152})
_DAMAGE = frozenset({1102, 1106, 9101, 9104, 9107, 9120, 9152})

SCENARIOS = (
    Scenario("plain", "Records of every shape, settled and not; the writer died.", _plain, findings=_RECOVERY),
    Scenario("plain-fips", "The same in suite 2.", _plain, "fips", findings=_RECOVERY),
    Scenario("recipients", "Recipients of every type that needs no device.", _recipients),
    Scenario("recipients-fips", "The same in suite 2.", _recipients, "fips"),
    Scenario("readers", "What two readers recorded waits to be merged; one died.", _readers),
    Scenario("mirrored", "Segments and an open blob segment have mirrors.", _mirrored, findings=_RECOVERY),
    Scenario("elsewhere", "The second copies have a place of their own.", _elsewhere),
    Scenario("merged", "Segments were merged.", _merged),
    Scenario("epochs", "Three epochs, two signers, somebody disposed of, key tables put away.", _epochs),
    Scenario("reencrypting", "In the middle of being sealed anew.", _reencrypting),
    Scenario("pruned", "The log was pruned twice.", _pruned),
    Scenario("damaged", "Damaged in seven places, all of which heal.", _damaged, findings=_DAMAGE),
)
