"""The machine: versions, what is installed beside the package, and what keeps keys in memory from the disk."""

from __future__ import annotations

import mmap
import platform
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import cryptography
from vaultfs_format.isal import library
from vaultfs_format.undumpable import is_undumpable

from vaultfs_tools.diagnosing.facts import Fact, State

_PACKAGES = ("vaultfs", "blake3", "lmdb", "msgspec", "zstandard")
_SOFTHSM = tuple(
    f"{place}/libsofthsm2.so" for place in ("/usr/lib/softhsm", "/usr/lib64/pkcs11", "/usr/local/lib/softhsm")
)
_EXTRAS = {
    "extra hsm": ("pkcs11", "tokens by PKCS#11"),
    "extra escrow": ("shamir_mnemonic", "escrow shares by SLIP-39"),
    "extra tsa": ("rfc3161_client", "time stamps by RFC 3161"),
}
_BUILT = 1_790_000_000
"""Seconds since 1970: no clock is right that shows a time before this version was written."""

_FAR = _BUILT + 50 * 365 * 86_400


def facts() -> Iterator[Fact]:
    """Yield what can be known."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    yield Fact("python", State.NOTE, f"{python} on {platform.system()} {platform.release()}, {platform.machine()}")
    yield Fact("cryptography", State.NOTE, cryptography.__version__)
    yield from _packages()
    yield from _extras()
    yield Fact("page size", State.NOTE, f"{mmap.PAGESIZE:,} bytes")
    yield from _memory()
    yield _clock(time.time())


def _packages() -> Iterator[Fact]:
    from importlib.metadata import PackageNotFoundError, version

    for name in _PACKAGES:
        try:
            yield Fact(name, State.NOTE, version(name))
        except PackageNotFoundError:
            yield Fact(name, State.WRONG, "is not installed")
    try:
        import lmdb
    except ImportError:
        yield Fact("lmdb library", State.WRONG, "cannot be loaded: there is no index, and so no vault, without it")
    else:
        yield Fact("lmdb library", State.GOOD, ".".join(map(str, lmdb.version())))


def _extras() -> Iterator[Fact]:
    found = library()
    said = "passed its self-test" if found else "is not there: parity is made in Python, slowly; vaultfs[ec] brings it"
    yield Fact("isa-l", State.GOOD if found else State.NOTE, said)
    for name, (module, use) in _EXTRAS.items():
        there = find_spec(module) is not None
        yield Fact(name, State.GOOD if there else State.NOTE, f"{use}: {'installed' if there else 'not installed'}")
    tokens = [path for path in _SOFTHSM if Path(path).is_file()]
    yield Fact("softhsm", State.NOTE, tokens[0] if tokens else "not found; other PKCS#11 libraries are not looked for")


def _memory() -> Iterator[Fact]:
    if is_undumpable():
        yield Fact("core dumps", State.GOOD, "off for the commands; a host calls vaultfs.keys.undumpable()")
    else:
        yield Fact("core dumps", State.CONCERN, "not off in this process: a core file would hold keys")
    try:
        areas = Path("/proc/swaps").read_text(encoding="utf-8", errors="replace").splitlines()[1:]
    except OSError:
        yield Fact("swap", State.NOTE, "not known")
        return
    if areas:
        yield Fact("swap", State.CONCERN, f"on, {len(areas)} areas; whether they are encrypted is not known")
    else:
        yield Fact("swap", State.GOOD, "off")


def _clock(now: float) -> Fact:
    shown = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
    plausible = _BUILT < now < _FAR
    return Fact("clock", State.GOOD if plausible else State.WRONG, shown if plausible else f"{shown} is not plausible")
