"""Suite fips on a FIPS provider of OpenSSL, where one is installed: whichever it is, not one that was validated."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.vaultfs.provider import installed

PROGRAM = """
    import sys
    from pathlib import Path
    import vaultfs
    from cryptography.hazmat.backends.openssl import backend
    from vaultfs.errors import AlgorithmMissing, Structure
    from vaultfs.keys import PrivateKey, RecipientKey
    from vaultfs_format.suite import DEFAULT
    from vaultfs_tools import backup, fsck

    assert "FIPS: True" in repr(backend)
    unlock, policy, place = vaultfs.Passphrase(b"a long passphrase"), vaultfs.PermitAll(), Path(sys.argv[1])
    with vaultfs.create(place / "v", recipients=[unlock], policy=policy, suite="fips") as vault:
        with vault.session(vaultfs.Principal("who"), "TREAT") as session, session.transaction() as txn:
            record = txn.put(b"stored by a provider", kind="Observation", subject=None)
        vault.settle()
    with vaultfs.open_reader(place / "v", unlock=unlock, policy=policy) as reader:
        with reader.session(vaultfs.Principal("who"), "TREAT") as session:
            print(session.get(record).data)
    vaultfs.open(place / "v", unlock=unlock).close()
    print(fsck.main([str(place / "v")]), backup.main(["copy", str(place / "v"), str(place / "copy")]))
    key = PrivateKey.generate()
    for attempt in (
        lambda: vaultfs.create(place / "default", recipients=[unlock]),
        lambda: vaultfs.create(place / "default", recipients=[key]),
        lambda: vaultfs.create(place / "default", recipients=[RecipientKey(bytes(DEFAULT.public_key_size))]),
        lambda: DEFAULT.open_from(key.secret, bytes(DEFAULT.sealing_adds), b"", Structure.STANZA),
    ):
        try:
            attempt()
        except AlgorithmMissing as error:
            print(error.code)
"""


@pytest.fixture
def provider(tmp_path: Path) -> dict[str, str]:
    """Return the environment in which processes run on the provider that is installed."""
    return installed(tmp_path)


def test_a_vault_lives_on_a_fips_provider(provider: dict[str, str], tmp_path: Path) -> None:
    program = [sys.executable, "-c", textwrap.dedent(PROGRAM), str(tmp_path)]
    done = subprocess.run(program, env=provider, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert said[0] == "b'stored by a provider'"
    assert said[-5:] == ["0 0", *["1114"] * 4]
