"""A FIPS provider of OpenSSL for programs that tests run: whichever is installed, not one that was validated."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
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


def installed(place: Path) -> dict[str, str]:
    """Install the provider that there is into a directory; return the environment of processes that run on it."""
    openssl = shutil.which("openssl") or "openssl"
    said = subprocess.run([openssl, "version", "-m"], capture_output=True, text=True, check=False).stdout
    places = [os.environ.get("VAULTFS_FIPS_MODULES", ""), *re.findall(r'"(.*)"', said)]
    modules = [module for place in places if place and (module := Path(place) / "fips.so").is_file()]
    if not modules:
        pytest.skip("no FIPS provider of OpenSSL is installed")
    shutil.copy(modules[0], place / "fips.so")
    files = f"-module {place}/fips.so -out {place}/fipsmodule.cnf"
    subprocess.run([openssl, "fipsinstall", "-quiet", *files.split()], check=True)
    (place / "openssl.cnf").write_text(textwrap.dedent(CONFIG.format(place=place)))
    return os.environ | {"OPENSSL_CONF": str(place / "openssl.cnf"), "OPENSSL_MODULES": str(place)}
