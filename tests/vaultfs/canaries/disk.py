"""The life of a vault on a disk that fills up, again and again, with a canary in all that it is given."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from vaultfs_format.stanza import Argon2Cost

import vaultfs
from vaultfs.errors import StorageFull
from vaultfs.keys.recipients import _AtAnyCost
from vaultfs.metrics import Gauge, Tally
from vaultfs.testing.canary import Canaries
from vaultfs.testing.quota import QuotaVfs
from vaultfs.testing.watch import Watch

PLANTED = Canaries(5)
TEXT = PLANTED.text
SECRET = _AtAnyCost(TEXT("passphrase").encode(), Argon2Cost(64, 1, 1))
WHO = vaultfs.Principal(TEXT("principal"), frozenset({TEXT("role")}))
NAME = vaultfs.Identifier(TEXT("system"), TEXT("value"))
SPACE, KEY = TEXT("namespace"), TEXT("key").encode()
LOTS = 1 << 30


def live(watch: Watch, folder: Path) -> None:
    """Fill the disk at ever later moments, read there, and make space; the vault is left in `folder`."""
    disk, tally, path = QuotaVfs(LOTS), Tally(), folder / "v"
    options = vaultfs.Options(sync_bound=0.01, metrics=tally)
    with vaultfs.create(
        path, recipients=[SECRET], policy=vaultfs.PermitAll(), vfs=disk, options=options
    ) as vault, vault.session(WHO, TEXT("purpose")) as session:  # fmt: skip
        with session.transaction() as txn:
            kept = txn.put(TEXT("kept").encode(), kind="Observation", subject=NAME, date=PLANTED.moment)
        for turn in range(4):
            disk.left = 600 * turn
            _written(watch, session)
            assert vault.condition.name == "FULL"
            watch.said(vault, vault.condition, vault.space(), session.get(kept), session.find(subject=NAME))
            with suppress(StorageFull):
                vault.settle()
            vault.finish()
            watch.files(folder)
            _opened_beside(watch, path, disk, kept)
            disk.left = LOTS
            with session.transaction() as txn:
                txn.put(TEXT("space").encode() * 100, kind="Observation", subject=NAME)
            assert vault.condition.name == "OPEN"
        watch.said(str(vars(tally)))
        assert tally.gauges[Gauge.JOURNAL_BYTES] > 0
        disk.left = 0
        session.get(kept)
    with (
        vaultfs.open(path, unlock=SECRET, policy=vaultfs.PermitAll(), vfs=QuotaVfs(0)) as vault,
        vault.session(WHO, TEXT("purpose3")) as session,
    ):
        watch.said(session.get(kept))
    watch.files(folder)


def _written(watch: Watch, session: vaultfs.Session) -> None:
    """Write until there is no space: small records, then large ones, a state, and a subject."""
    sizes = [TEXT("small").encode() * 1000, PLANTED.data("large", 200_000), TEXT("wide").encode("utf-16-le") * 3000]
    for data in sizes:
        with watch.failing(StorageFull):
            while True:
                with session.transaction() as txn:
                    txn.put(data, kind="Observation", subject=NAME, before=TEXT("before").encode())
                    txn.set_state(SPACE, KEY, TEXT("state").encode())
                    txn.identify(txn.subject(NAME), vaultfs.Identifier(TEXT("system"), TEXT("other")))


def _opened_beside(watch: Watch, path: Path, disk: QuotaVfs, record: vaultfs.RecordId) -> None:
    """Let a reader look for space for its access log."""
    try:
        with (
            vaultfs.open_reader(path, unlock=SECRET, policy=vaultfs.PermitAll(), vfs=disk) as reader,
            reader.session(WHO, TEXT("purpose2"), strict=True) as session,
        ):
            session.get(record)
    except vaultfs.VaultError as error:
        watch.error(error)
