"""When copies of the vault were last made is known to the vault, once it was opened for writing."""

from __future__ import annotations

import os
from pathlib import Path

from vaultfs_format.act import ActKind

import vaultfs
from tests.vaultfs.engine.test_acts import AT, leave
from tests.vaultfs.support import crashed, event_types, put, reopen
from vaultfs import EventType
from vaultfs.storage.copies import copies_of

ONE, OTHER = b"1" * 16, b"2" * 16


def test_a_vault_without_copies_knows_of_none(vault: vaultfs.Vault) -> None:
    assert copies_of(vault) == {}


def test_the_last_time_of_each_copy_is_kept_through_settling(vault: vaultfs.Vault, tmp_path: Path) -> None:
    copy = crashed(vault.path, tmp_path / "copy")
    for about, at in ((ONE, AT), (OTHER, AT + 7), (ONE, AT + 5), (ONE, AT + 2)):
        leave(copy, vault.id, ActKind.COPIED, about, at=at)
    with reopen(copy) as again:
        assert copies_of(again) == {ONE: AT + 5, OTHER: AT + 7}
        assert event_types(again).count(EventType.COPY_CLAIMED) == 4
        again.settle()
        assert copies_of(again) == {ONE: AT + 5, OTHER: AT + 7}
    leave(copy, vault.id, ActKind.COPIED, ONE, at=AT + 1)
    leave(copy, vault.id, ActKind.COPIED, OTHER, at=AT + 9)
    with reopen(copy) as again:
        put(again, os.urandom(100))
        assert copies_of(again) == {ONE: AT + 5, OTHER: AT + 9}


def test_a_copy_without_an_id_is_logged_and_not_kept(vault: vaultfs.Vault, tmp_path: Path) -> None:
    copy = crashed(vault.path, tmp_path / "copy")
    leave(copy, vault.id, ActKind.COPIED)
    with reopen(copy) as again:
        assert EventType.COPY_CLAIMED in event_types(again)
        assert copies_of(again) == {}
