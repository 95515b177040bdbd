"""Unlocking: from a recipient to the root key, and on to the keys of the vault. Stretching a passphrase is left out.

The token is SoftHSM, a token in software: a login and a search for its key are part of every use, as of any token.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

from vaultfs_format.epoch import epoch_root
from vaultfs_format.keyring import Keyring, Turn
from vaultfs_format.stanza import Stanza
from vaultfs_format.suite import DEFAULT
from vaultfs_format.superblock import Superblock

from bench.figures import QUICK, Figure, LeftOut, Outcome, Setting, percentile, scratch, seconds
from vaultfs.keys import PrivateKey, Recipient, Token
from vaultfs.keys.chain import KeyChain, new_keyring, turned_keyring
from vaultfs.kinds import encode_names

_VAULT, _ROOT, _SECRET = os.urandom(16), os.urandom(32), os.urandom(32)
_SEGMENTS = 1_000
_MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
_PIN = "4321"


def rows(setting: Setting) -> list[Outcome]:
    """Return how long each way to the root key takes, and the way on."""
    key = PrivateKey.generate()
    superblock = _sealed(QUICK, key)
    data, keyring = superblock.encode(_ROOT), _keyring()
    acts: dict[str, Callable[[], object]] = {
        "stanza of a passphrase, once it is stretched": _after_stretching(superblock),
        "stanza of a public key": partial(key.unlock, superblock),
        "VAULT read and proved authentic": partial(_proved, data),
        f"keys of the epoch, keyring of {_SEGMENTS:,} segments": partial(_chain, keyring),
        "all of it, with a public key": lambda: (key.unlock(_proved(data)), _chain(keyring)),
    }
    found: list[Outcome] = []
    for name, act in acts.items():
        found += _times(name, act, setting.samplings, "< 1")
    return [*found, *_with_token(setting.samplings)]


def _sealed(*recipients: Recipient) -> Superblock:
    stanzas = [one.stanza(DEFAULT, _VAULT, _ROOT, os.urandom(32)) for one in recipients]
    return Superblock(DEFAULT, _VAULT, 1, stanzas, ())


def _after_stretching(superblock: Superblock) -> Callable[[], object]:
    """Return what opens the stanza of the passphrase, given what stretching has made of it."""
    stanza: Stanza = superblock.stanzas[0]
    opened = stanza.passphrase()
    secret = opened.cost.hash(QUICK.secret, opened.seal.salt)
    return lambda: stanza.passphrase().seal.open(DEFAULT, _VAULT, secret)


def _proved(data: bytes) -> Superblock:
    superblock = Superblock.decode(data)
    superblock.verify(data, _ROOT)
    return superblock


def _keyring() -> bytes:
    """Return the keyring of a second epoch, which holds the keys of tables of the first."""
    first, second = (epoch_root(DEFAULT, _ROOT, _SECRET, _VAULT, epoch) for epoch in (1, 2))
    names = encode_names([], [])
    ring = new_keyring(DEFAULT, _VAULT, 1, first, names, os.urandom(96), 1, os.urandom(96))
    tables = {os.urandom(16): os.urandom(32) for _ in range(_SEGMENTS)}
    return turned_keyring(ring, first, 2, second, tables, Turn(1, 0)).encode()


def _chain(keyring: bytes) -> KeyChain:
    top = epoch_root(DEFAULT, _ROOT, _SECRET, _VAULT, 2)
    return KeyChain(DEFAULT, 2, top, Keyring.decode(keyring))


def _with_token(samplings: int) -> list[Outcome]:
    name = "stanza of a token, SoftHSM"
    program = shutil.which("softhsm2-util")
    if program is None or not _MODULE.exists():
        return [LeftOut(f"unlock: {name}", "program softhsm2-util is not installed")]
    with scratch() as place:
        (place / "conf").write_text(f"directories.tokendir = {place}\nobjectstore.backend = file\n", encoding="utf-8")
        os.environ["SOFTHSM2_CONF"] = str(place / "conf")
        words = [program, "--init-token", "--free", "--label", "bench", "--so-pin", "87654321", "--pin", _PIN]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
        token = Token(_MODULE, "bench", _PIN.encode(), b"bench")
        token.make_key()
        return _times(name, partial(token.unlock, _sealed(token)), samplings, "< 5")


def _times(name: str, act: Callable[[], object], samplings: int, budget: str) -> list[Outcome]:
    act()  # what is loaded on demand is there from now on
    times = [seconds(act) for _ in range(samplings)]
    return [
        Figure(f"unlock: {name}, median", 1000 * percentile(times, 50), "ms", budget),
        Figure(f"unlock: {name}, 99th percentile", 1000 * percentile(times, 99), "ms"),
    ]
