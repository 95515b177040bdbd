"""What vaultfs-audit prints for people: of whatever principals and recipients are called, and whenever it was."""

from __future__ import annotations

from pathlib import Path

import pytest
from vaultfs_tools import audit

import vaultfs
from tests.vaultfs.support import MRN, PASSPHRASE, create, put, session
from tests.vaultfs_tools.vaults import Run, keys_file, secret_file

FORGED = "dr\nproved: all\x1b[2K"
BEYOND = 253_402_300_800_000_000
"""The first microsecond after the year 9999."""
WRITTEN = "dr\\nproved: all\\x1b[2K"


def test_names_forge_no_lines(run_audit: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = tmp_path / "v", tmp_path / "proof.json"
    stated = vaultfs.Disclosure(recipient=FORGED, description=FORGED, purpose=FORGED, basis=vaultfs.Basis.PUBLIC_HEALTH)
    with create(path) as vault:
        put(vault, subject=MRN)
        with vault.session(vaultfs.Principal(FORGED), "TREAT") as session:
            with session.transaction() as txn:
                txn.disclose(MRN, stated, 1)
            subject = bytes(session.subjects(MRN)[0]).hex()
    keys, given = keys_file(run_audit, path, tmp_path), secret_file(tmp_path / "given", PASSPHRASE.secret)
    opened = (str(path), f"--passphrase-file={given}")

    def shown(*words: str) -> str:
        capsys.readouterr()
        assert audit.main(list(words)) == 0
        return capsys.readouterr().out

    texts = [
        shown("accounting", *opened, subject, "--proof", str(out)),
        shown("accounting", *opened, subject, "--disclosures", "--proof", f"{out}.told"),
        shown("verify-proof", f"{out}.told", "--keys", str(keys)),
        shown("report", *opened, "--from=2000-01-01", "--to=2100-01-01"),
        shown("accounting", *opened, subject, "--disclosures", "--format=markdown"),
    ]
    for text in texts:
        assert "\x1b" not in text
        assert not any(line.startswith("proved: all") for line in text.splitlines())
    assert all(WRITTEN in text for text in texts[:3])


def test_a_time_that_nobody_can_write_is_told_by_its_number(
    run_audit: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out, proof = tmp_path / "v", tmp_path / "proof.json", tmp_path / "put.tlog-proof"
    stated = vaultfs.Disclosure(recipient="A", description="b", purpose="c", basis=vaultfs.Basis.PUBLIC_HEALTH)
    with create(path, options=vaultfs.Options(clock=lambda: BEYOND)) as vault, session(vault) as acting:
        put(vault, subject=MRN)
        with acting.transaction() as txn:
            txn.disclose(MRN, stated, 1)
        subject = bytes(acting.subjects(MRN)[0]).hex()
    keys, given = keys_file(run_audit, path, tmp_path), secret_file(tmp_path / "given", PASSPHRASE.secret)
    assert run_audit("prove", path, 1, proof)[0] == 0
    assert run_audit("accounting", path, subject, "--until", "9999-12-31", "--disclosures", "--proof", out)[0] == 0
    opened = (str(path), f"--passphrase-file={given}")
    for words in (
        ("accounting", *opened, subject),
        ("verify-proof", str(proof), "--keys", str(keys)),
        ("verify-proof", str(out), "--keys", str(keys)),
        ("report", *opened, "--from=2000-01-01", "--to=2100-01-01"),
    ):
        capsys.readouterr()
        assert audit.main(list(words)) == 0
        assert str(BEYOND) in capsys.readouterr().out
    shown = run_audit("verify-proof", out, "--keys", keys, unlock=False)[1]
    assert [one["date"] for one in shown["disclosures"]] == [str(BEYOND)]
