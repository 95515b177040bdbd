"""Ten thousand patient records in an archive, from the first to the check, within ten minutes."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path

import pytest
from vaultfs_tools import fsck

from tests.requirements.archives import RECIPIENT, Archive, opened
from tests.vaultfs.support import session

LIMIT = 600
"""Seconds for storing, reading back, searching and checking."""


def test_ten_thousand_patient_records_are_archived_read_back_searched_and_checked_within_ten_minutes(
    ten_thousand: Archive, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begun = time.perf_counter()
    stored = ten_thousand.stored
    assert len(stored) == 10_000
    with opened(ten_thousand) as vault, session(vault) as s:
        read = s.get_many([(one, None) for one in stored])
        assert [record.data for record in read] == [one.data for one in stored.values()]
        for whom, count in Counter(one.subject for one in stored.values()).items():
            assert len(s.find(subject=whom)) == count
        patient, kind = next((one.subject, one.kind) for one in stored.values())
        hits = {info.id for info in s.find(subject=patient, kind=kind)}
        assert hits == {one for one, row in stored.items() if (row.subject, row.kind) == (patient, kind)}
    secret = tmp_path / "passphrase"
    secret.write_bytes(RECIPIENT.secret)
    secret.chmod(0o600)
    assert fsck.main([str(ten_thousand.path), "--passphrase-file", str(secret), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["findings"] == []
    assert ten_thousand.seconds + time.perf_counter() - begun <= LIMIT
