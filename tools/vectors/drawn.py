"""What libraries draw at random, and give back only so: kept, so that the same vectors are made again.

ML-DSA signs with fresh random bytes, and HPKE encapsulates with them. What was drawn once is kept in `drawn.json`, by
what it was drawn for, and drawn anew only for what is new.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from vaultfs_format.signing import SigningKeys
from vaultfs_format.suite import DEFAULT


class Drawn:
    """What was drawn.

    Attributes
    ----------
    used
        What the vectors of this run have asked for: all that is worth keeping.
    """

    def __init__(self, path: Path) -> None:
        self._known: dict[str, str] = json.loads(path.read_text(encoding="ascii")) if path.exists() else {}
        self.used: dict[str, str] = {}

    def get(self, purpose: str, draw: Callable[[], bytes]) -> bytes:
        """Return what was drawn for a purpose, or else what `draw` returns."""
        found = self._known.get(purpose) or self.used.get(purpose) or draw().hex()
        self.used[purpose] = found
        return bytes.fromhex(found)

    def sign_head(self, keys: SigningKeys, statement: bytes) -> bytes:
        """Return both signatures of a head, which are right for this signer."""
        about = DEFAULT.digest(keys.signer.encode() + statement).hex()
        signatures = self.get(f"head {about}", lambda: keys.sign_head(statement))
        keys.signer.verify_head(statement, signatures)
        return signatures

    def sign_handover(self, keys: SigningKeys, statement: bytes) -> bytes:
        """Return both signatures of a handover, which are right for this signer."""
        about = DEFAULT.digest(keys.signer.encode() + statement).hex()
        signatures = self.get(f"handover {about}", lambda: keys.sign_handover(statement))
        keys.signer.verify_handover(statement, signatures)
        return signatures

    def encoded(self) -> bytes:
        """Return the file to keep."""
        return (json.dumps(self.used, indent=1, sort_keys=True) + "\n").encode("ascii")
