"""Access logs that are too long for a file: where they go on, in which order they are merged, and what is missing."""

from __future__ import annotations

import os

import pytest
from vaultfs_format.events.records import RecordRead
from vaultfs_format.journal import HEADER_SIZE

import vaultfs
from tests.vaultfs.engine.test_access_logs import logs, reads
from tests.vaultfs.support import WHO, events_of, put, read_only


def test_a_long_log_goes_on_in_another_file(vault: vaultfs.Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vaultfs.engine.log.accesslog.MAX_ACCESS_JOURNAL", HEADER_SIZE + 2000)
    record = put(vault)
    with read_only(vault.path) as reader, reader.session(WHO, "TREAT") as s:
        for _ in range(20):
            s.get(record)
        assert len(logs(vault.path / "journal")) > 3
        vault.merge_access_logs()
        assert len(logs(vault.path / "journal")) == 1
    vault.merge_access_logs()
    assert reads(vault, record) == 20


@pytest.mark.parametrize("seconds", [None, 0])
def test_a_session_keeps_its_order_over_many_files(
    vault: vaultfs.Vault, monkeypatch: pytest.MonkeyPatch, seconds: float | None
) -> None:
    monkeypatch.setattr("vaultfs.engine.log.accesslog.MAX_ACCESS_JOURNAL", HEADER_SIZE + 2000)
    records = [put(vault) for _ in range(40)]
    with read_only(vault.path) as reader, reader.session(WHO, "TREAT") as s:
        for record in records:
            s.get(record)
    assert len(logs(vault.path / "journal")) > 5
    while logs(vault.path / "journal"):
        vault.merge_access_logs(seconds=seconds)
    assert [event.record for event in events_of(vault, RecordRead)] == records


@pytest.mark.parametrize("missing", ["its end", "all of it"])
def test_a_file_that_ends_before_its_follower_says_is_damaged(
    vault: vaultfs.Vault, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setattr("vaultfs.engine.log.accesslog.MAX_ACCESS_JOURNAL", HEADER_SIZE + 2000)
    records = [put(vault) for _ in range(20)]
    with read_only(vault.path) as reader, reader.session(WHO, "TREAT") as s:
        s.get(records[0])
        (first,) = logs(vault.path / "journal")
        whole = first.stat().st_size
        for record in records[1:]:
            s.get(record)
    os.truncate(first, whole if missing == "its end" else HEADER_SIZE)
    assert vault.merge_access_logs().kept == 1
    assert len(logs(vault.path / "journal")) == 2  # it, and the one that says how far it went
    found = [event.record for event in events_of(vault, RecordRead)]
    assert found == records[:1] * (missing == "its end") + records[20 - len(found) + (missing == "its end") :]
    assert vault.merge_access_logs().kept == 1
    first.unlink()
    assert vault.merge_access_logs() == vaultfs.Merged(0, 1, 0)
