"""The judge: opens what a crash has left, and says whether it keeps the promise."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import cast

from vaultfs_format.errors import VaultError
from vaultfs_format.events.keys import SubjectDisposed
from vaultfs_format.events.records import RecordPut
from vaultfs_tools.keyless import Severity, VaultFiles
from vaultfs_tools.keyless import check as check_without_keys

import vaultfs
from crash.host import Host, open_vault
from crash.ledger import Allowed, Broken, History
from crash.model import NAMESPACE, PEOPLE, Model, RecordView, View
from vaultfs.audit.log import read_events
from vaultfs.errors import NotFound, VaultMissing
from vaultfs.vfs import Vfs

BLOB = 70_000
"""Bytes of a record that goes to a part file."""
KEYS = ("a", "b")
"""Keys of the control states that scenarios set."""
AUDITOR = vaultfs.Principal("auditor")


def observed(vault: vaultfs.Vault, records: Iterable[str]) -> View:
    """Return what is to be seen of a vault, of these records and of everybody's. In few calls: each is audited."""
    found: View = {}
    versions: dict[str, list[int]] = {}
    with vault.session(AUDITOR, "HOPERAT") as s:
        shown: set[str] = set()
        for name, person in PEOPLE.items():
            people = [vaultfs.NOBODY] if person is None else s.subjects(person)
            visible = {info.id.hex() for one in people for info in s.find(subject=one)}
            shown |= visible
            if visible:
                found["found", name] = visible
        for record in {*records, *shown}:
            with contextlib.suppress(NotFound):
                infos = s.versions(_id(record))
                versions[record] = [info.version for info in infos]
                found["record", record] = (True, tuple((info.version, info.length) for info in infos))
        wanted = [(record, version) for record in sorted(shown) for version in [*versions[record][:-1], None]]
        data = s.get_many([(_id(record), version) for record, version in wanted])
        for record in shown:
            read = [one.data for (name, _), one in zip(wanted, data, strict=True) if name == record]
            found["record", record] = (False, tuple(zip(versions[record], read, strict=True)))
        for key in KEYS:
            state = s.state(NAMESPACE, key.encode())
            if state.value is not None:
                found["state", key] = (state.version, state.value.decode())
    return found


def _id(record: str) -> vaultfs.RecordId:
    return vaultfs.RecordId(bytes.fromhex(record))


def check(
    path: Path,
    allowed: Allowed,
    history: History,
    moment: int,
    *,
    settle: bool = False,
    older: bool = False,
    vfs: Vfs | None = None,
) -> int:
    """Open the vault that was left at `path` and check it; return the number of the allowed state that it is in.

    Parameters
    ----------
    history, moment
        Gives the ids that are not to be given out again: those of before this moment.
    settle
        Also settle what is left.
    older
        Whether an anchor may have seen a newer state.

    Raises
    ------
    Broken
    """
    known = history.known_at(moment)
    try:
        vault = open_vault(path, vfs, older=older)
    except VaultMissing:
        if None not in allowed:
            raise Broken("the vault is gone") from None
        return list(allowed).index(None)
    except VaultError as error:
        raise Broken(f"the vault does not open: {error!r}") from error
    try:
        with vault:
            state, shown = state_of(vault, allowed, known)
            _check_audit(vault, shown)
            model = allowed[state]
            if model is not None:
                _check_writable(vault, model, known, settle=settle)
    except VaultError as error:
        raise Broken(f"the vault fails: {error!r}") from error
    _check_files(path)
    return state


def state_of(vault: vaultfs.Vault, allowed: Allowed, known: Iterable[str]) -> tuple[int, View]:
    """Return the number of the allowed state that an open vault is in, the last one that fits, and what it shows.

    Raises
    ------
    Broken
    """
    found = observed(vault, known)
    for number, model in reversed(list(enumerate(allowed))):
        if model is not None and model.view() == found:
            return number, found
    last = allowed[-1]
    wanted = last.view() if last is not None else {}
    differing = sorted(str(key) for key in wanted.keys() | found.keys() if wanted.get(key) != found.get(key))
    raise Broken(f"the vault shows none of {len(allowed)} allowed states; unlike the last: {differing}")


def _check_audit(vault: vaultfs.Vault, shown: View) -> None:
    """Check that every event opens, that the tree is the head's, and that there is one event for each version."""
    events = [event for _, event in read_events(vault)]
    disposed = {event.subject for event in events if isinstance(event, SubjectDisposed)}
    there: list[tuple[object, int]] = []
    for (kind, name), seen in shown.items():
        if kind == "record":
            _, versions = cast("RecordView", seen)
            there += [(name, version) for version, _ in versions]
    names = {name for name, _ in there}
    told = sorted(
        (event.record.hex(), event.version)
        for event in events
        if isinstance(event, RecordPut)
        and event.outcome is vaultfs.Outcome.DONE
        and event.record
        and (event.record.hex() in names or event.subject not in disposed)
    )
    pruned = vault.engine.head.first_leaf > 0  # then some are told by what is gone
    if told != sorted(there, key=str) and not (pruned and set(told) <= set(there)):
        raise Broken("the audit log and the records tell different stories")


def _check_writable(vault: vaultfs.Vault, model: Model, known: Collection[str], *, settle: bool) -> None:
    after = History(allowed=(model,))
    host = Host.of(vault, after)
    host.commit(host.put(BLOB if settle else 100, "nobody"), host.state("b", "after"))
    (record,) = host.records
    if record in known:
        raise Broken("an id was given out again")
    if settle:
        vault.settle()
        state_of(vault, after.allowed(), [*known, record])


def _check_files(path: Path) -> None:
    report = check_without_keys(VaultFiles(path))
    bad = [f for f in report.findings if f.severity not in (Severity.REMARK, Severity.CORRECTED)]
    if bad:
        raise Broken(f"fsck: {[(finding.file, finding.error.code) for finding in bad]}")
