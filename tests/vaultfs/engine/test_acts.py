"""What programs without keys have done stands in the log once the vault is opened for writing."""

from __future__ import annotations

import os
from pathlib import Path

from vaultfs_format.act import Act, ActKind
from vaultfs_format.suite import DEFAULT
from vaultfs_tools import fsck

import vaultfs
from tests.vaultfs.support import crashed, events, files_of, flipped, get, put, reopen
from vaultfs import EventType

CLAIMS = {EventType.REPAIR_CLAIMED, EventType.COPY_CLAIMED, EventType.RESTORE_CLAIMED}
AT = 1_700_000_000_000_000


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
        assert (event.type, event.record.hex(), event.version) == (EventType.REPAIR_CLAIMED, segment.stem, 1)
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
        found = {(event.type, event.record, event.version, event.at) for event in claims(again)}
    assert found == {
        (EventType.REPAIR_CLAIMED, b"\x01" * 16, 101, AT),
        (EventType.COPY_CLAIMED, b"\x02" * 16, 102, AT),
        (EventType.RESTORE_CLAIMED, b"\x03" * 16, 103, AT),
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
    damaged = leave(copy, vault.id, ActKind.RESTORED)
    damaged.write_bytes(flipped(damaged.read_bytes(), 40))
    (copy / "acts" / "notes.txt").write_bytes(b"hello")
    with reopen(copy) as again:
        assert claims(again) == []
        assert again.engine.head.incarnation == vault.engine.head.incarnation
    assert other.exists()
    assert damaged.exists()
    assert fsck.main([str(copy)]) == 0
