"""Vaults that the reference writer wrote: records of every kind, two settlings, and a live journal that is not closed.

Ids, keys and times come from a seed, so that the engine writes the same bytes again.
"""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

from crash.places import memory
from vaultfs_format.essentials import README, ZDICT
from vaultfs_format.signing import SigningKeys
from vaultfs_format.stanza import Argon2Cost

import vaultfs
from vaultfs.engine.opening.unlocking import default_store
from vaultfs.keys.recipients import _AtAnyCost
from vaultfs.testing.vfs import FaultyVfs
from vectors.world import DRAWN, PASSPHRASE

PATIENT = vaultfs.Identifier("urn:oid:2.999.1", "A-17")
OTHER = vaultfs.Identifier("urn:oid:2.999.1", "B-18")
_sign = SigningKeys.sign_head


def _signed(keys: SigningKeys, statement: bytes) -> bytes:
    with mock.patch.object(SigningKeys, "sign_head", _sign):
        return DRAWN.sign_head(keys, statement)


@contextmanager
def _repeatable() -> Iterator[vaultfs.Options]:
    times = itertools.count(1_700_000_000_000_000, 1000)
    with (
        mock.patch.object(os, "urandom", random.Random(2026).randbytes),  # noqa: S311 - the same bytes every time
        mock.patch.object(SigningKeys, "sign_head", _signed),
    ):
        yield vaultfs.Options(clock=lambda: next(times))


def written(suite: str = "default") -> tuple[dict[str, bytes], bytes]:
    """Return the files of a vault, and its epoch secret. That of suite 1 has a blob, too, which makes it large."""
    with TemporaryDirectory(dir=memory()) as place, _repeatable() as options:
        path, unlock = Path(place) / "vault", _AtAnyCost(PASSPHRASE, Argon2Cost(64, 1, 1))
        policy, quick = vaultfs.PermitAll(), FaultyVfs(durable=False)
        with vaultfs.create(
            path, recipients=[unlock], policy=policy, kinds=["local.note"], suite=suite, options=options, vfs=quick
        ) as vault:
            first = _store(vault, blob=suite == "default")
            vault.settle()
            _change(vault, first)
            vault.settle()
        with vaultfs.open(path, unlock=unlock, policy=policy, options=options, vfs=quick) as vault:
            _add(vault)
            files = _files(path)  # as if the process died here: nothing is closed
        (store,) = default_store(path).iterdir()
        return files, (store / "secret.1").read_bytes()


def _store(vault: vaultfs.Vault, *, blob: bool) -> vaultfs.RecordId:
    text = b'{"resourceType":"Observation","status":"final","text":"' + b"an example " * 40 + b'"}'
    zone = timezone(timedelta(hours=-5))
    with vault.session(vaultfs.Principal("writer"), "TREAT") as session:
        with session.transaction() as txn:
            first = txn.put(
                text, kind="Observation", media_type="application/fhir+json", subject=PATIENT, date=date(2010, 5, 1)
            )
            txn.put(
                b"MSH|^~\\&|", kind="hl7v2.ADT", media_type="x-application/hl7-v2+er7", subject=PATIENT,
                date=datetime(2011, 2, 3, 4, 5, 6, 789000, zone), before=b"\x0b", after=b"\x1c\r",
            )  # fmt: skip
            txn.put(b"of somebody else", kind="local.note", subject=OTHER)
            txn.put(b"", kind="Binary", subject=None)
            txn.set_state("example", b"key", b"first value")
        if blob:
            with session.transaction() as txn:
                txn.put(random.Random(1).randbytes(66_000), kind="Binary", subject=PATIENT, date=date(2012, 1, 1))  # noqa: S311 - from a seed
    return first


def _change(vault: vaultfs.Vault, first: vaultfs.RecordId) -> None:
    with vault.session(vaultfs.Principal("writer"), "TREAT") as session:
        with session.transaction() as txn:
            txn.put(b"a second version", kind="Observation", subject=PATIENT, date=date(2010, 5, 2), replaces=first)
            gone = txn.put(b"deleted and shown again", kind="Observation", subject=PATIENT)
            hidden = txn.put(b"deleted", kind="Observation", subject=OTHER)
            txn.set_state("example", b"key", b"second value")
        with session.transaction() as txn:
            txn.delete(gone)
            txn.delete(hidden)
        with session.transaction() as txn:
            txn.undelete(gone)
            txn.link(*(session.subjects(one)[0] for one in (PATIENT, OTHER)))


def _add(vault: vaultfs.Vault) -> None:
    with vault.session(vaultfs.Principal("writer"), "TREAT") as session, session.transaction() as txn:
        txn.put(b"not settled yet", kind="Observation", subject=PATIENT, date=date(2014, 1, 1))


def _files(root: Path) -> dict[str, bytes]:
    """Return every file below a directory but those whose content means nothing to a reader."""
    found = {path.relative_to(root).as_posix(): path for path in sorted(root.rglob("*")) if path.is_file()}
    unread = ("index/", "lock", "journal/reserve", README, ZDICT)
    return {name: path.read_bytes() for name, path in found.items() if not name.startswith(unread)}
