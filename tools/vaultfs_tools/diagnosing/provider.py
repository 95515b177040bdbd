"""The OpenSSL that vaults run on, its provider, and whether approved mode is on and does what it should.

What is known is said with where it is known from: `cryptography` tells its OpenSSL and the mode; the maps of the
process tell which file it has loaded as the module; name and version another OpenSSL tells, which loads that, too.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.backends.openssl import backend
from vaultfs_format import sha2
from vaultfs_format.errors import Structure, VaultError
from vaultfs_format.suite import FIPS, check_provided

from vaultfs_tools.diagnosing.answers import not_refused
from vaultfs_tools.diagnosing.facts import Fact, State

_MAPS = Path("/proc/self/maps")
_SECONDS = 20
_VARIABLES = ("OPENSSL_CONF", "OPENSSL_MODULES")
_DISCLAIMER = (
    "approved algorithms, which run on a validated OpenSSL provider where one is installed; whether this is one, its"
    " certificate and Security Policy say, not this command"
)


def approved_mode() -> bool:
    """Return whether the OpenSSL of `cryptography` is restricted to a FIPS provider."""
    return "FIPS: True" in repr(backend)


def facts(*, needed: bool) -> Iterator[Fact]:
    """Yield what can be known. `needed`: that approved mode is on was asked for."""
    yield Fact("openssl", State.NOTE, f"{backend.openssl_version_text()}, as cryptography says")
    for name in _VARIABLES:
        yield Fact(name.lower(), State.NOTE, os.environ.get(name) or "not set")
    if not approved_mode():
        said = "off, as cryptography says: its OpenSSL answers by the default provider"
        yield Fact("approved mode", State.WRONG if needed else State.NOTE, said)
        return
    yield Fact("approved mode", State.GOOD, "on, as cryptography says")
    yield from _module(needed=needed)
    yield from _enforced()
    yield Fact("provider", State.NOTE, _DISCLAIMER)


def _module(*, needed: bool) -> Iterator[Fact]:
    """Yield what is known of the file of the provider, and whether it works in this process."""
    try:
        check_provided(FIPS, Structure.SUPERBLOCK)
    except VaultError:
        said = "nothing can be computed: the module is broken, or serves another OpenSSL of this process"
        yield Fact("provider self-test", State.WRONG, said)
        return
    yield Fact(
        "provider self-test",
        State.GOOD,
        "passed, since it answers: a module that fails it does nothing",
    )
    loaded = loaded_module()
    if loaded is None:
        yield Fact("provider file", State.CONCERN if needed else State.NOTE, "not found in the maps of this process")
    else:
        digest = sha2.digest(loaded.read_bytes()).hex()
        yield Fact("provider file", State.NOTE, f"{loaded}, SHA-256 {digest}, as the maps of this process say")
    for provider in _listed():
        yield Fact("provider version", State.NOTE, f"{provider}, as the openssl command says, which loads it, too")


def loaded_module() -> Path | None:
    """Return the file of the FIPS provider that this process has loaded."""
    # Source: Linux, proc_pid_maps(5): the path is the sixth field.
    found = re.search(r"^(?:\S+\s+){5}(/.*/fips\.so)$", _MAPS.read_text("utf-8", "surrogateescape"), re.MULTILINE)
    return Path(found[1]) if found else None


def _listed() -> Iterator[str]:
    """Yield name, version and build of the FIPS provider by the command of another OpenSSL, where it is installed."""
    command = shutil.which("openssl")
    if command is None:
        return
    listing = [command, "list", "-providers", "-verbose"]
    try:
        said = subprocess.run(listing, capture_output=True, text=True, check=False, timeout=_SECONDS).stdout  # noqa: S603 - a fixed command
    except (OSError, subprocess.TimeoutExpired):
        return
    for one in re.findall(r"^  fips\n((?:    .*\n)+)", said, re.MULTILINE):
        about = dict(re.findall(r"^    (name|version|status|build info): (.*)$", one, re.MULTILINE))
        yield ", ".join(f"{name} {value}" for name, value in about.items())


def _enforced() -> Iterator[Fact]:
    there = list(not_refused())
    if there:
        yield Fact("enforcement", State.WRONG, f"not refused though it is not approved: {', '.join(there)}")
    else:
        yield Fact("enforcement", State.GOOD, "what is not approved is refused: MD5, BLAKE2b, ChaCha20-Poly1305")
