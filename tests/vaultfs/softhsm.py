"""Tokens of SoftHSM, a token in software: real PKCS#11, in a directory that goes with the process."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import tempfile
from functools import cache
from itertools import count
from pathlib import Path

import pkcs11
import pytest

from vaultfs.keys import Token

MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN = b"4321"
KEY_ID = b"\x01vaultfs"
_numbers = count(1)


@cache
def _directory() -> Path:
    """Make the directory of this process's tokens, and let the library know it."""
    if not MODULE.exists() or shutil.which("softhsm2-util") is None:
        pytest.skip("SoftHSM is not installed")
    place = Path(tempfile.mkdtemp(prefix="vaultfs-softhsm-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    (place / "tokens").mkdir()
    (place / "conf").write_text(
        f"directories.tokendir = {place / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n"
    )
    os.environ["SOFTHSM2_CONF"] = str(place / "conf")
    return place


def new_token(label: str = "", *, pin: bytes = PIN, key: bool = True) -> Token:
    """Return a new token with a key for vaults; its label is one that no other has, unless it is given."""
    directory = _directory()
    name = label or f"token-{next(_numbers)}"
    words = ["softhsm2-util", "--init-token", "--free", "--label", name, "--so-pin", "87654321", "--pin", pin.decode()]
    subprocess.run(words, check=True, capture_output=True)
    library = pkcs11.lib(str(MODULE))
    library.reinitialize()  # it looks for tokens but once
    assert any((directory / "tokens").iterdir())
    token = Token(MODULE, name, pin, KEY_ID)
    if key:
        token.make_key()
    return token
