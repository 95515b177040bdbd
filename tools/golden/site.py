"""The place where a golden vault is made, and what makes it the same every time: random bytes, clock, drawn values.

ML-DSA signs with fresh random bytes, and HPKE encapsulates with them: what was drawn once, and is in a vault, is kept
in `drawn.json`, and used again.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import date
from pathlib import Path
from typing import Any
from unittest import mock

import shamir_mnemonic.shamir
from vaultfs_format.errors import Structure
from vaultfs_format.layout import Buffer
from vaultfs_format.signing import SigningKeys
from vaultfs_format.stanza import Argon2Cost
from vaultfs_format.suite import DEFAULT, SUITES, Suite
from vectors.drawn import Drawn

import vaultfs
from vaultfs.keys.recipients import _AtAnyCost
from vaultfs.testing.vfs import FaultyVfs
from vaultfs.vfs import Vfs

PASSPHRASE = b"correct horse battery staple"
UNLOCK = _AtAnyCost(PASSPHRASE, Argon2Cost(64, 1, 1))
WHO = vaultfs.Principal("golden")
ONE = vaultfs.Identifier("urn:oid:2.999.1", "A-17")
TWO = vaultfs.Identifier("urn:oid:2.999.1", "B-18")
THREE = vaultfs.Identifier("urn:oid:2.999.2", "A-17")

DRAWN_FILE = Path(__file__).parent / "drawn.json"
_BEGAN = 1_700_000_000_000_000
_DAY = 86_400_000_000
_SIGNING = {"sign_head": SigningKeys.sign_head, "sign_handover": SigningKeys.sign_handover}
SealTo = Callable[[Suite, bytes, Buffer, bytes, Structure], bytes]


class Site:
    """A directory in which one vault is made.

    Parameters
    ----------
    place
        An empty directory: in it are ``vault`` and ``vault.epoch``.

    Attributes
    ----------
    now
        The time, in microseconds since 1970. It goes on only when a scenario says so.
    vfs
        The disk: nothing is made durable, as it need not outlive a power cut.
    """

    def __init__(self, place: Path, suite: str) -> None:
        self.place = place
        self.path = place / "vault"
        self.suite = suite
        self.now = _BEGAN
        self.vfs: Vfs = FaultyVfs(durable=False)
        self.kept: Path | None = None

    @property
    def given(self) -> dict[str, Any]:
        """What every opening is given."""
        return {"policy": vaultfs.PermitAll(), "options": vaultfs.Options(clock=lambda: self.now), "vfs": self.vfs}

    def create(self, **more: Any) -> vaultfs.Vault:
        """Create the vault."""
        return vaultfs.create(self.path, **{"recipients": [UNLOCK], "suite": self.suite} | self.given | more)

    def open(self) -> vaultfs.Vault:
        """Open it for writing."""
        return vaultfs.open(self.path, unlock=UNLOCK, **self.given)

    def reader(self) -> vaultfs.Reader:
        """Open it for reading."""
        return vaultfs.open_reader(self.path, unlock=UNLOCK, **self.given)

    def pass_days(self, days: int = 1) -> None:
        """Let time go on."""
        self.now += days * _DAY

    def keep(self) -> None:
        """Keep the files as they are now, as if every process died here."""
        self.kept = self.place / "kept"
        shutil.copytree(self.path, self.kept / "vault", symlinks=True)
        shutil.copytree(self.place / "vault.epoch", self.kept / "vault.epoch")

    def result(self) -> Path:
        """Return the directory that holds the vault as the scenario leaves it."""
        return self.kept or self.place


def put(vault: vaultfs.Vault, data: bytes, who: vaultfs.Identifier | None = ONE, **more: Any) -> vaultfs.RecordId:
    """Put a record in a transaction of its own."""
    with vault.session(WHO, "TREAT") as session, session.transaction() as txn:
        return txn.put(data, **{"kind": "Observation", "subject": who, "date": date(2010, 5, 1)} | more)


class Repeatable:
    """Makes vaults of which every byte is the same each time."""

    def __init__(self) -> None:
        self._drawn = Drawn(DRAWN_FILE)

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Let random bytes follow from a name, and what libraries draw be what was drawn before."""
        source = random.Random(f"golden {name}").randbytes  # noqa: S311 - the same bytes every time
        suites = {type(suite) for suite in SUITES.values()}
        with ExitStack() as stack:
            stack.enter_context(mock.patch.object(os, "urandom", source))
            stack.enter_context(mock.patch.object(shamir_mnemonic.shamir, "RANDOM_BYTES", source))
            for way in _SIGNING:
                stack.enter_context(mock.patch.object(SigningKeys, way, self._signing(way)))
            for one in suites:
                stack.enter_context(mock.patch.object(one, "seal_to", self._sealing(one.seal_to)))
            yield

    def _signing(self, way: str) -> Callable[[SigningKeys, bytes], bytes]:
        def sign(keys: SigningKeys, statement: bytes) -> bytes:
            drawn: Callable[[SigningKeys, bytes], bytes] = getattr(self._drawn, way)
            with mock.patch.object(SigningKeys, way, _SIGNING[way]):
                return drawn(keys, statement)

        return sign

    def _sealing(self, seal: SealTo) -> SealTo:
        def seal_to(suite: Suite, public: bytes, plaintext: Buffer, info: bytes, structure: Structure) -> bytes:
            about = DEFAULT.digest(public + bytes(plaintext) + info).hex()
            return self._drawn.get(f"sealed {about}", lambda: seal(suite, public, plaintext, info, structure))

        return seal_to

    def needed(self, files: bytes) -> bytes:
        """Return the file to keep: of what was drawn, all that is in `files`."""
        self._drawn.used = {
            purpose: value for purpose, value in self._drawn.used.items() if bytes.fromhex(value) in files
        }
        return self._drawn.encoded()
