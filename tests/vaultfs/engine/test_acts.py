"""What programs without keys have done stands in the log once the vault is opened for writing."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from vaultfs_format.act import Act, ActKind
from vaultfs_format.events.base import NOBODYS_SESSION
from vaultfs_format.events.vault import CopyClaimed, RepairClaimed, RestoreClaimed
from vaultfs_format.suite import DEFAULT
from vaultfs_tools import fsck

import vaultfs
from tests.vaultfs.support import crashed, events, files_of, flipped, get, put, reopen
from vaultfs import EventType
from vaultfs.engine.opening.acts import MAX_ACTS
from vaultfs.storage.copies import copies_of
from vaultfs.vfs import Vfs, coded

CLAIMS = {EventType.REPAIR_CLAIMED, EventType.COPY_CLAIMED, EventType.RESTORE_CLAIMED}
AT = 1_700_000_000_000_000


class OtherAccounts(Vfs):
    """A file system on which the acts are another account's."""

    def unlink(self, path: Path) -> None:
        if path.suffix == ".vact":
            raise coded(OSError(errno.EACCES, "not the owner"))
        super().unlink(path)


def leave(vault: Path, vault_id: bytes, kind: ActKind, about: bytes = bytes(16), count: int = 7, at: int = AT) -> Path:
    """Leave an act in a vault."""
    act = Act(DEFAULT, kind, at, vault_id, os.urandom(16), about, count)
    path = vault / "acts" / f"{act.act_id.hex()}.vact"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(act.encode())
    return path


def claims(vault: vaultfs.Vault) -> list[vaultfs.Event]:
    """Return the events of acts without keys."""
    return [event for event in events(vault) if event.type in CLAIMS]


def test_a_repair_without_keys_stands_in_the_log(vault: vaultfs.Vault, tmp_path: Path) -> None:
    record = put(vault, os.urandom(8000))
    data = get(vault, record)
    vault.settle()
    copy = crashed(vault.path, tmp_path / "copy")
    segment = max(files_of(copy, "*.vseg"), key=lambda path: path.stat().st_size)
    segment.write_bytes(flipped(segment.read_bytes(), 5000))
    assert fsck.main([str(copy)]) == 1
    assert len(list((copy / "acts").iterdir())) == 1
    with reopen(copy) as again:
        (event,) = claims(again)
        assert event == RepairClaimed(event.at, NOBODYS_SESSION, bytes.fromhex(segment.stem), 1)
        assert not list((copy / "acts").iterdir())
        assert get(again, record) == data
    with reopen(copy) as again:
        assert len(claims(again)) == 1


def test_a_lone_file_that_is_repaired_leaves_nothing(vault: vaultfs.Vault, tmp_path: Path) -> None:
    put(vault, os.urandom(8000))
    vault.settle()
    segment = max(files_of(vault.path, "*.vseg"), key=lambda path: path.stat().st_size)
    lone = tmp_path / segment.name
    lone.write_bytes(flipped(segment.read_bytes(), 5000))
    assert fsck.main([str(lone)]) == 1
    assert not (tmp_path / "acts").exists()


def test_acts_of_all_kinds_are_logged_as_they_were_claimed(vault: vaultfs.Vault, tmp_path: Path) -> None:
    copy = crashed(vault.path, tmp_path / "copy")
    for kind in ActKind:
        leave(copy, vault.id, kind, bytes([kind] * 16), 100 + kind)
    with reopen(copy) as again:
        found = {type(event): event for event in claims(again)}
    assert found == {
        RepairClaimed: RepairClaimed(AT, NOBODYS_SESSION, b"\x01" * 16, 101),
        CopyClaimed: CopyClaimed(AT, NOBODYS_SESSION, b"\x02" * 16, 102),
        RestoreClaimed: RestoreClaimed(AT, NOBODYS_SESSION, 103),
    }


def test_a_vault_that_was_restored_gives_out_no_record_id_again(vault: vaultfs.Vault, tmp_path: Path) -> None:
    put(vault, b"before the copy")
    vault.settle()
    copy = crashed(vault.path, tmp_path / "copy")
    lost = {put(vault, b"%d" % number) for number in range(5)}
    before = vault.engine.head.incarnation
    leave(copy, vault.id, ActKind.RESTORED)
    for _ in range(2):
        with reopen(copy) as again:
            assert again.engine.head.incarnation == before + 1
            assert not {put(again, b"%d" % number) for number in range(20)} & lost


def test_what_is_no_act_of_this_vault_is_passed_over(vault: vaultfs.Vault, tmp_path: Path) -> None:
    copy = crashed(vault.path, tmp_path / "copy")
    other = leave(copy, bytes(16), ActKind.RESTORED)
    (copy / "acts" / "notes.txt").write_bytes(b"hello")
    with reopen(copy) as again:
        assert claims(again) == []
        assert again.engine.head.incarnation == vault.engine.head.incarnation
    assert other.exists()
    assert fsck.main([str(copy)]) == 0


@pytest.mark.parametrize("data", [None, b"", bytes(120)])
def test_an_act_that_cannot_be_read_counts_as_one_of_a_restored_vault(
    vault: vaultfs.Vault, tmp_path: Path, data: bytes | None
) -> None:
    """For it may have been one, and then record ids would be given out a second time."""
    put(vault, b"before the copy")
    vault.settle()
    copy = crashed(vault.path, tmp_path / "copy")
    lost = {put(vault, b"%d" % number) for number in range(5)}
    act = leave(copy, vault.id, ActKind.RESTORED)
    act.write_bytes(flipped(act.read_bytes(), 40) if data is None else data)
    for _ in range(2):
        with reopen(copy) as again:
            assert again.engine.head.incarnation == vault.engine.head.incarnation + 1
            assert not {put(again, b"%d" % number) for number in range(20)} & lost
            assert [event.type for event in claims(again)] == [EventType.RESTORE_CLAIMED]
    assert not act.exists()


def test_of_more_acts_than_are_taken_at_a_time_one_may_be_of_a_restored_vault(
    vault: vaultfs.Vault, tmp_path: Path
) -> None:
    put(vault)
    vault.settle()
    copy = crashed(vault.path, tmp_path / "copy")
    for _ in range(MAX_ACTS):
        leave(copy, vault.id, ActKind.REPAIRED)
    leave(copy, vault.id, ActKind.RESTORED).rename(copy / "acts" / "z.vact")
    with reopen(copy) as again:
        assert again.engine.head.incarnation == vault.engine.head.incarnation + 1
        assert len(claims(again)) == MAX_ACTS + 1  # one that says that there are others


@pytest.mark.parametrize("kind", list(ActKind))
def test_an_act_that_cannot_be_removed_is_logged_once_and_keeps_nobody_from_the_vault(
    vault: vaultfs.Vault, tmp_path: Path, kind: ActKind
) -> None:
    """Another account has left it, say: whatever it says happens once, also when more of them are left later."""
    put(vault)
    vault.settle()
    copy = crashed(vault.path, tmp_path / "copy")
    acts: list[Path] = []
    for count in (1, 1, 2, 2):
        if count > len(acts):
            acts.append(leave(copy, vault.id, kind, bytes([count] * 16)))
        with reopen(copy, vfs=OtherAccounts()) as again:
            assert len(claims(again)) == count
            increments = count if kind is ActKind.RESTORED else 0
            assert again.engine.head.incarnation == vault.engine.head.incarnation + increments
    assert all(act.exists() for act in acts)
    with reopen(copy) as again:
        assert len(claims(again)) == 2


def test_a_time_that_is_yet_to_come_is_taken_for_now(vault: vaultfs.Vault, tmp_path: Path) -> None:
    """Else whoever can write to the directory could silence for good that the newest copy is too old."""
    copy = crashed(vault.path, tmp_path / "copy")
    leave(copy, vault.id, ActKind.COPIED, b"1" * 16, at=2**63)
    with reopen(copy, options=vaultfs.Options(clock=lambda: AT)) as again:
        assert [event.at for event in claims(again)] == [AT]
        assert copies_of(again) == {b"1" * 16: AT}


def test_an_index_that_has_lost_a_copy_is_made_anew_when_another_is_claimed(
    vault: vaultfs.Vault, tmp_path: Path
) -> None:
    copy = crashed(vault.path, tmp_path / "copy")
    leave(copy, vault.id, ActKind.COPIED, b"1" * 16)
    with reopen(copy) as again:
        again.settle()
        index = again.engine.index
        with index.writing() as txn:
            for key, _ in list(txn.cursor(index.tables.states)):
                txn.delete(bytes(key), db=index.tables.states)
    leave(copy, vault.id, ActKind.COPIED, b"1" * 16, at=AT + 1)
    with reopen(copy) as again:
        assert copies_of(again) == {b"1" * 16: AT + 1}
