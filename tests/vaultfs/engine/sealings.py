"""What a process seals by AES-256-GCM: which keys it uses, in the order of their use."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from vaultfs_format import sealing


class Sealings:
    """Stands for AES-GCM in the codecs, does what it does, and remembers the keys that have sealed."""

    def __init__(self) -> None:
        self.keys: list[bytes] = []

    def __call__(self, key: bytes) -> _Sealing:
        return _Sealing(key, self.keys)


class _Sealing:
    def __init__(self, key: bytes, keys: list[bytes]) -> None:
        self._key = key
        self._keys = keys
        self._real = AESGCM(key)
        self.decrypt = self._real.decrypt
        self.decrypt_into = self._real.decrypt_into

    def encrypt(self, *rest: Any) -> bytes:
        self._keys.append(self._key)
        return self._real.encrypt(*rest)

    def encrypt_into(self, *rest: Any) -> int:
        self._keys.append(self._key)
        return self._real.encrypt_into(*rest)


def record() -> list[bytes]:
    """Return the keys that this process seals with from now on."""
    sealings = Sealings()
    vars(sealing)["AESGCM"] = sealings
    return sealings.keys
