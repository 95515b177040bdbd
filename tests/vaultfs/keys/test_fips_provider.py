"""Suite fips on a FIPS provider of OpenSSL, where one is installed: whichever it is, not one that was validated."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

CONFIG = """
    config_diagnostics = 1
    openssl_conf = openssl_init
    .include {place}/fipsmodule.cnf

    [openssl_init]
    providers = provider_sect
    alg_section = algorithm_sect

    [provider_sect]
    fips = fips_sect
    base = base_sect

    [base_sect]
    activate = 1

    [algorithm_sect]
    default_properties = fips=yes
"""
PROGRAM = """
    import sys
    from pathlib import Path
    import vaultfs
    from cryptography.hazmat.backends.openssl import backend
    from vaultfs.errors import AlgorithmMissing
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
    try:
        vaultfs.create(place / "default", recipients=[unlock])
    except AlgorithmMissing as error:
        print(error.code)
"""


@pytest.fixture
def provider(tmp_path: Path) -> dict[str, str]:
    """Return the environment in which processes run on the provider that is installed."""
    openssl = shutil.which("openssl") or "openssl"
    said = subprocess.run([openssl, "version", "-m"], capture_output=True, text=True, check=False).stdout
    places = [os.environ.get("VAULTFS_FIPS_MODULES", ""), *re.findall(r'"(.*)"', said)]
    modules = [module for place in places if place and (module := Path(place) / "fips.so").is_file()]
    if not modules:
        pytest.skip("no FIPS provider of OpenSSL is installed")
    shutil.copy(modules[0], tmp_path / "fips.so")
    files = f"-module {tmp_path}/fips.so -out {tmp_path}/fipsmodule.cnf"
    subprocess.run([openssl, "fipsinstall", "-quiet", *files.split()], check=True)
    (tmp_path / "openssl.cnf").write_text(textwrap.dedent(CONFIG.format(place=tmp_path)))
    return os.environ | {"OPENSSL_CONF": str(tmp_path / "openssl.cnf"), "OPENSSL_MODULES": str(tmp_path)}


def test_a_vault_lives_on_a_fips_provider(provider: dict[str, str], tmp_path: Path) -> None:
    program = [sys.executable, "-c", textwrap.dedent(PROGRAM), str(tmp_path)]
    done = subprocess.run(program, env=provider, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert said[0] == "b'stored by a provider'"
    assert said[-2:] == ["0 0", "1114"]
