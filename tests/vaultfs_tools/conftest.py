"""A vault for each test, copied from one that is made once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from vaultfs_tools import audit

from tests.vaultfs.support import MRN, PASSPHRASE, WHO, create, put
from tests.vaultfs_tools import vaults
from tests.vaultfs_tools.vaults import Run, secret_file


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a vault that no test may change."""
    return vaults.make(tmp_path_factory.mktemp("pristine") / "clinic.vault")


@pytest.fixture
def vault(pristine: Path, tmp_path: Path) -> Path:
    """Return a vault that the test may damage."""
    return vaults.copied(pristine, tmp_path / "clinic.vault")


@pytest.fixture
def logged(tmp_path: Path) -> Path:
    """Return a vault with a settled log."""
    with create(tmp_path / "v") as vault:
        record = put(vault, b"one", subject=MRN)
        with vault.session(WHO, "TREAT") as session:
            session.get(record)
        vault.keys.turn(PASSPHRASE, new_signer=True)
        vault.settle()
    return tmp_path / "v"


@pytest.fixture
def run_audit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs the command with the passphrase, and returns its code and what it printed."""
    given = secret_file(tmp_path / "passphrase", PASSPHRASE.secret)

    def call(*words: object, unlock: bool = True) -> tuple[int, dict[str, Any]]:
        more = [f"--passphrase-file={given}"] if unlock else []
        capsys.readouterr()
        code = audit.main([*map(str, words), *more, "--json"])
        output, errors = capsys.readouterr()
        return code, json.loads(output or errors)

    return call
